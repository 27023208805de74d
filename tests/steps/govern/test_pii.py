from __future__ import annotations

import random
import time

import pyarrow as pa
import pytest

from steps.govern.pii import MAX_NAMES, find_personal_data, flag_suspicious, mask_texts
from steps.laptop.people import make_people, personal_remark

# (kind, text, what must be gone)
FOUND = [
    ("email", "mail kim.minsu@example.co.kr입니다", "kim.minsu"),
    ("email", "메일은 홍길동@example.com 이에요", "홍길동"),
    ("email", "john at example dot com", "john"),
    ("email", "write to a+b@x.io.", "a+b@x.io"),
    ("phone", "휴대폰 010-9876-5432입니다", "9876"),
    ("phone", "01098765432로 전화 주세요", "01098765432"),
    ("phone", "０１０－１２３４－５６７８", "１２３４"),
    ("phone", "+82 10-1234-5678", "1234"),
    ("phone", "사무실 02-123-4567", "123-4567"),
    ("phone", "+49 151 12345678 now", "12345678"),
    ("phone", "(415) 555-2671", "555"),
    ("phone", "415-555-2671", "555"),
    ("phone", "my phone: 020 7946 0958", "7946"),
    ("card", "card 4111 1111 1111 1111", "4111"),
    ("card", "5500-0000-0000-0004 please", "5500"),
    ("resident_number", "주민등록번호 900101-1234567", "1234567"),
    ("resident_number", "외국인등록번호 9001015234567", "9001015"),
    ("account", "국민은행 계좌 123456-04-123456", "123456-04"),
    ("account", "계좌번호는 110123456789 입니다", "110123456789"),
    ("account", "my bank account is 1234567890", "1234567890"),
    ("iban", "DE89 3704 0044 0532 0130 00", "3704"),
    ("iban", "GB29NWBK60161331926819", "NWBK"),
    ("ip", "from 203.0.113.7에서", "203.0"),
    ("ip", "2001:db8::8a2e:370:7334", "8a2e"),
    ("ssn", "SSN 123-45-6789", "45"),
    ("secret", "sk-abcdefghij1234567890XYZ", "abcdefghij"),
    ("secret", "AKIAIOSFODNN7EXAMPLE", "AKIA"),
    ("secret", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "abcdef"),
    ("secret", "Authorization: Bearer abcdefghijklmnopqrstuvwx", "abcdefgh"),
    ("secret", "password: hunter2x!", "hunter2x"),
    ("secret", "비밀번호는 abcd1234! 입니다", "abcd1234"),
    ("secret", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
    ("secret", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_def-123", "eyJzdW"),
    ("credentials", "https://bob:s3cr3t@host.example.com/x", "s3cr3t"),
    ("name", "my name is john smith and i ask", "smith"),
    ("name", "My name is Ana de la Cruz, hi", "Cruz"),
    ("name", "I am Peter Parker.", "Parker"),
    ("name", "I'm Mary-Ann O'Neil from sales", "Neil"),
    ("name", "This is Bob Stone speaking", "Stone"),
    ("name", "Ask Dr. Alice Wong about it", "Wong"),
    ("name", "Please help.\n\nBest regards,\nJane Doe", "Jane"),
    ("name", "Thanks, John", "John"),
    ("name", "제 이름은 김철수입니다", "김철수"),
    ("name", "제 이름은 John Smith야", "Smith"),
    ("name", "저는 박영희입니다", "박영희"),
    ("name", "안녕하세요, 최지우라고 합니다. 저는 최지우예요", "최지우"),
    ("name", "김민수님, 안녕하세요", "김민수"),
    ("name", "이영희 씨가 말했다", "이영희"),
    ("name", "김하늘 드림", "김하늘"),
]
UNTOUCHED = [
    "port 8443 and 5432, or port 65535",
    "limit is 100000 requests, 1,000,000 tokens per minute",
    "max_tokens: 4096, token: required, the password is required",
    "version 1.2.3.4 and v10.0.0.1",
    "in 2024-01-15 10:20:30, between 1844-1846 (1850–1860)",
    "timestamp 1700000000000 and order 1234567890",
    "고객님 안녕하세요, 오늘 날씨가 좋습니다, 선생님",
    "저는 학생입니다. 저는 주부입니다. 저는 대학생입니다. 저는 이것을 압니다.",
    "std::string a::b 127.0.0.1:8080 0.0.0.0 http://localhost:8080/path",
    "I am not sure, this is fine, I'm American, my name is not important",
    "ISBN 978-3-16-148410-0",
    "id 550e8400-e29b-41d4-a716-446655440000",
    "12:30:45 gpt-4o-2024-08-06 0x80070005",
    "Thanks for that, best practice, Doctor Who",
    "3.14159265358979 and 1234.56 - 2345.67",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "A timeout of 30 s, 429 after 600 requests in 10-15 minutes",
]


@pytest.mark.parametrize(("kind", "text", "gone"), FOUND)
def test_found_and_masked(kind, text, gone):
    (masked,), kinds, clean = mask_texts([text])
    assert kind in kinds, kinds
    assert f"[{kind.upper()}]" in masked
    assert gone not in masked
    assert clean
    assert flag_suspicious(pa.array([text])) == [True], "the first stage must not let pass what the second would find"


@pytest.mark.parametrize("text", UNTOUCHED)
def test_ordinary_text_stays(text):
    assert mask_texts([text]) == ([text], (), True)


def test_particles_and_neighbours_stay():
    assert mask_texts(["번호는 010-9876-5432입니다, 포트는 8443"])[0] == ["번호는 [PHONE]입니다, 포트는 8443"]


def test_name_is_masked_in_every_text_of_the_trace():
    texts = ["My name is Maria Silva. Why?", "Hello Maria, because. Maria Silva asked.", "Hi Silva!", "Mariachi music"]
    assert mask_texts(texts)[0] == ["My name is [NAME]. Why?", "Hello [NAME], because. [NAME] asked.", "Hi [NAME]!", "Mariachi music"]
    assert mask_texts(["제 이름은 김철수입니다", "철수님, 김철수 고객님 안녕하세요"])[0][1] == "[NAME]님, [NAME] 고객님 안녕하세요"


def test_masking_again_changes_nothing():
    once, _, _ = mask_texts([text for _, text, _ in FOUND])
    assert mask_texts(once) == (once, (), True)


def test_a_crowd_of_names_is_refused():
    crowd = " ".join(f"My name is A{chr(97 + i // 26)}{chr(97 + i % 26)}x Person." for i in range(MAX_NAMES + 5))
    assert mask_texts([crowd])[2] is False


@pytest.mark.parametrize(
    "hostile",
    [
        "a" * 200_000,
        "1" * 200_000,
        "1-" * 100_000,
        "@" * 100_000,
        "a@" * 100_000,
        "my name is " * 20_000,
        "best\n" * 30_000,
        "A'a" * 60_000,
        "password=" * 20_000,
        ":" * 200_000,
        "김" * 100_000,
        " at " * 50_000,
    ],
)
def test_hostile_text_takes_linear_time(hostile):
    started = time.process_time()
    list(find_personal_data(hostile))
    assert time.process_time() - started < 3


def test_remarks_of_the_sample_users_are_all_masked():
    rng = random.Random(7)
    remarks = [personal_remark(person, rng) for person in make_people(1, ("eu-west-1",), 500)]
    assert all(flag_suspicious(pa.array(remarks)))
    for remark in remarks:
        (masked,), kinds, clean = mask_texts([f"{remark} Which port does the Silver Falcon use?"])
        assert len(kinds) == 1, (remark, masked)
        assert clean and masked.endswith(" Which port does the Silver Falcon use?"), masked
