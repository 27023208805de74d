from __future__ import annotations

import json
import random

import pytest

from bench.personal_data import planted
from steps.govern.pii import mask, scan
from steps.govern.pii.mask import MAX_NAMES, mask_json, mask_trace


def test_one_value_has_one_mask_in_the_whole_trace():
    result = mask_trace(["mail bob@example.com or al@example.org", "BOB@example.com, phone 010-1234-5678", "번호 01012345678"])
    assert result.texts == ["mail <EMAIL_1> or <EMAIL_2>", "<EMAIL_1>, phone <PHONE_1>", "번호 <PHONE_1>"]
    assert (result.kinds, result.clean) == (("email", "phone"), True)


def test_particles_and_neighbours_stay():
    assert mask_trace(["번호는 010-9876-5432입니다, 포트는 8443"]).texts == ["번호는 <PHONE_1>입니다, 포트는 8443"]


def test_name_is_masked_in_every_text_of_the_trace():
    texts = ["My name is Maria Silva. Why?", "Hello Maria, because. Maria Silva asked.", "Hi Silva!", "Mariachi music"]
    assert mask_trace(texts).texts == [
        "My name is <NAME_1>. Why?",
        "Hello <NAME_1>, because. <NAME_1> asked.",
        "Hi <NAME_1>!",
        "Mariachi music",
    ]
    assert mask_trace(["제 이름은 김철수입니다", "철수님, 김철수 고객님 안녕하세요"]).texts[1] == "<NAME_1>님, <NAME_1> 고객님 안녕하세요"


def test_a_value_that_only_its_label_tells_is_masked_without_it_too():
    result = mask_trace(["my SSN is 219099999", "I look up 219-09-9999", "order 5219099999"])
    assert result.texts == ["my SSN is <NATIONAL_ID_1>", "I look up <NATIONAL_ID_1>", "order 5219099999"]


def test_json_leaves_are_masked_and_stay_json():
    arguments = json.dumps(
        {"phone": 4155552671, "note": "x", "inner": json.dumps({"ssn": "219099999"}), "fields": [{"name": "dob", "value": "1990-01-02"}]}
    )
    result = mask_trace(["My SSN: 219099999"], [arguments, '{"name": "get_weather"}', "no json, bob@example.com", '{"bob@example.com": 1}'])
    first, second, third, fourth = result.json_texts
    document = json.loads(first)
    assert document["phone"] == "<PHONE_1>" and document["note"] == "x"
    assert json.loads(document["inner"]) == {"ssn": "<NATIONAL_ID_1>"}
    assert document["fields"][0] == {"name": "dob", "value": "<DATE_OF_BIRTH_1>"}
    assert (second, third, fourth) == ('{"name": "get_weather"}', "no json, <EMAIL_1>", '{"<EMAIL_1>": 1}')
    assert result.clean


def test_json_without_findings_is_untouched():
    text = '{"b" : 1.50,  "a": [true, null, 20240101]}'
    assert mask_trace([], [text]).json_texts == [text]
    assert mask_json({"mail": "bob@example.com"})[0] == {"mail": "<EMAIL_1>"}
    assert mask_json('{"mail": "bob@example.com"}')[0] == '{"mail": "<EMAIL_1>"}'


@pytest.mark.parametrize("seed", [random.randrange(10**6) for _ in range(3)], ids=["one", "two", "three"])
def test_masked_text_scans_clean(seed):
    items = planted(seed, 4)
    for item in items:
        result = mask_trace([item.text])
        assert result.clean, (seed, item)
        assert not scan.find(result.texts[0]), (seed, item, result.texts)
    for start in range(0, len(items), 12):
        once = mask_trace([item.text for item in items[start : start + 12]])
        assert once.clean, seed
        assert mask_trace(once.texts).texts == once.texts


def test_a_crowd_of_names_is_refused():
    crowd = " ".join(f"My name is A{chr(97 + i // 26)}{chr(97 + i % 26)}x Person." for i in range(MAX_NAMES + 5))
    assert mask_trace([crowd]).refusal == "overflow"


def test_too_many_candidates_are_refused():
    assert mask_trace(["bob@example.com " * 6000]).refusal == "overflow"


def test_what_breaks_is_refused(monkeypatch):
    monkeypatch.setattr(mask, "find_all", lambda text: 1 / 0)
    result = mask_trace(["anything"])
    assert (result.refusal, result.clean) == ("error", False)
