from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from bench.personal_data import covered, look_alikes, planted
from steps.govern.pii import scan
from steps.govern.pii.fold import fold
from steps.govern.pii.rules import GROUPS
from steps.laptop.people import make_people, personal_remark

SHARED = Path(os.environ.get("CTP_SHARED_DATA") or Path(__file__).parents[5] / "shared" / "data")

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
    ("national_id", "주민등록번호 900101-1234567", "1234567"),
    ("national_id", "외국인등록번호 9001015234567", "9001015"),
    ("account", "국민은행 계좌 123456-04-123456", "123456-04"),
    ("account", "계좌번호는 110123456789 입니다", "110123456789"),
    ("account", "my bank account is 1234567890", "1234567890"),
    ("iban", "DE89 3704 0044 0532 0130 00", "3704"),
    ("iban", "GB29NWBK60161331926819", "NWBK"),
    ("ip", "from 203.0.113.7에서", "203.0"),
    ("ip", "2001:db8::8a2e:370:7334", "8a2e"),
    ("national_id", "SSN 123-45-6789", "45"),
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
    ("name", "Je m'appelle Élodie Marchand", "Marchand"),
    ("name", "Mit freundlichen Grüßen\nJürgen Weiß", "Weiß"),
    ("name", "私の名前は山田太郎です", "山田太郎"),
    ("name", '{"first_name": "Bob", "x": 1}', "Bob"),
    ("date_of_birth", "DOB: 1990-05-04", "1990"),
    ("address", "Adresse: Lindenstraße 12, 10115 Berlin", "Lindenstr"),
    ("address", "서울특별시 강남구 테헤란로 123", "테헤란로"),
    ("mac", "00:1B:44:11:3A:B7", "44:11"),
    ("national_id", r"{\"user\": \"{\\\"ssn\\\": \\\"078051120\\\"}\"}", "078051120"),
    ("national_id", "<ssn>078051120</ssn>", "078051120"),
    ("phone", '{"customer": {"phoneNumber": "4155552671"}}', "4155552671"),
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
    "chatcmpl-9aBcDeFgHiJkLmNoPqRsTuVw and call_Ab12Cd34Ef56Gh78Ij90Kl12",
    "left at 5. Then he met people at home. Then all was well",
    "my phone is <PHONE_1>, my password is <SECRET_2>, DOB: <DATE_OF_BIRTH_3>",
    '{"name": "get_weather", "arguments": "{}", "total_tokens": 123456789}',
    '{"phone": {"type": "string", "description": "the user\'s phone number"}}',
]


def spans(text):
    return [(finding.start, finding.end) for finding in scan.find(text)]


@pytest.mark.parametrize(("kind", "text", "gone"), FOUND)
def test_found(kind, text, gone):
    findings = scan.find(text)
    assert kind in {finding.kind for finding in findings}
    covered_text = "".join(" " if any(start <= place < end for start, end in spans(text)) else sign for place, sign in enumerate(text))
    assert gone not in covered_text
    assert scan.which([text]) == [True], "the first pass must not let pass what the second would find"
    assert len(scan.find(text, first=True)) == 1


@pytest.mark.parametrize("text", UNTOUCHED)
def test_ordinary_text_stays(text):
    assert scan.find(text) == []


@pytest.mark.parametrize("seed", [random.randrange(10**6) for _ in range(2)], ids=["one", "two"])
def test_recall_of_generated_values(seed):
    items = planted(seed, 15)
    missed = [item for item in items if not covered(item, spans(item.text))]
    assert len(missed) <= 0.02 * len(items), (seed, missed)


@pytest.mark.parametrize("seed", [random.randrange(10**6) for _ in range(2)], ids=["one", "two"])
def test_look_alikes_pass(seed):
    items = look_alikes(seed, 15)
    hits = [item for item in items if scan.find(item.text)]
    assert len(hits) <= 0.03 * len(items), (seed, hits)


def ids_by_rule(text, group):
    data = text.signs if scan.matchers(group)[0].rule.form == "signs" else text.words
    return {number for number, matcher in enumerate(scan.matchers(group)) if matcher.pattern.search(data)}


def _hostile():
    rng = random.Random(5)
    yield from ("a@" * 3000, "1 " * 3000, "password=" * 700, "김철수" * 1000, "ssn: 1" * 900, "://a:b" * 900, "\ud800" * 500, "%41" * 900)
    yield "".join(rng.choices("abcDEF0123456789 -.:@/_=\"'\n", k=8000))
    yield "".join(chr(rng.randrange(0x110000)) for _ in range(4000))


@pytest.mark.parametrize("group", list(GROUPS))
def test_a_set_names_every_rule_that_matches(group):
    texts = (
        [text for _, text, _ in FOUND] + UNTOUCHED + [item.text for seed in (1, 2) for item in (*planted(seed, 3), *look_alikes(seed, 3))]
    )
    for folded in map(fold, [*texts, *_hostile()]):
        data = folded.signs if scan.matchers(group)[0].rule.form == "signs" else folded.words
        missed = ids_by_rule(folded, group) - {start + number for start, search in scan.rule_sets(group) for number in search(data)}
        assert not missed, (folded.plain[:80], [scan.matchers(group)[number].rule for number in missed])


def test_a_group_is_left_out_only_where_none_of_its_rules_finds_anything():
    texts = [text for _, text, _ in FOUND] + [item.text for item in planted(3, 5)]
    for text in texts:
        few = "".join(sign for place, sign in enumerate(text) if not sign.isdigit() or place % 3)
        folded = fold(few)
        digits = sum(sign.isdigit() for sign in folded.signs.decode("latin-1"))
        for group, bounds in GROUPS.items():
            if digits < bounds.digits:
                for matcher in scan.matchers(group):
                    assert not [hit for hit in scan._hits(matcher, folded) if scan._accept(matcher, hit)], (few, matcher.rule)


def test_too_many_candidates_overflow():
    with pytest.raises(scan.Overflow):
        scan.find("bob@example.com " * (scan.MAX_CANDIDATES + 1))


def test_remarks_of_the_sample_users_are_all_found():
    rng = random.Random(7)
    remarks = [personal_remark(person, rng) for person in make_people(1, ("eu-west-1",), 500)]
    assert all(scan.which(remarks))
    assert all(map(scan.find, remarks))


def test_plain_chat_passes():
    source = SHARED / "halueval_general.jsonl"
    if not source.exists():
        pytest.skip(f"{source} is absent: set CTP_SHARED_DATA to the folder that holds halueval_general.jsonl")
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()[:1000]]
    texts = [text for row in rows for text in (row["user_query"], row["chatgpt_response"])]
    hits = [text for text, flag in zip(texts, scan.which(texts), strict=True) if flag and scan.find(text)]
    assert len(hits) <= 0.02 * len(texts)
