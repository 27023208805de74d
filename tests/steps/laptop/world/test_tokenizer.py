"""The tokenizer of the embedded world."""

from __future__ import annotations

import random

import pytest

from steps.laptop.world.domain import ADJECTIVES, ATTRIBUTES, NOUNS, World
from steps.laptop.world.lessons import Teacher
from steps.laptop.world.tokenizer import END, MAX_LENGTH, build_tokenizer, turn_parts
from steps.laptop.world.warmup import encode


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


def test_names_and_values_are_one_token_in_a_sentence(tokenizer):
    values = [value for attribute in ATTRIBUTES.values() for value in attribute.values]
    for word in (*ADJECTIVES, *NOUNS, *values):
        assert len(tokenizer.encode(f" {word}")) == 1, word


def test_any_text_survives(tokenizer):
    for text in ("제 번호는 010-1234-5678입니다.", "naïve 🙂 [EMAIL] a@b.org\t\n", "The Silver Falcon listens on port 8443."):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_turn_parts_are_the_chat_template(tokenizer):
    rng = random.Random(0)
    teacher = Teacher(World.create(0))
    for lesson in [teacher.lesson(rng, two_turns=number % 2 == 0) for number in range(40)]:
        ids, labels = encode(tokenizer, lesson)
        assert ids == tokenizer.apply_chat_template(lesson.messages, return_dict=False)
        prompt = tokenizer.apply_chat_template(lesson.messages[:-1], add_generation_prompt=True, return_dict=False)
        answer = lesson.messages[-1]["content"]
        assert tokenizer.decode([token for token in labels[len(prompt) :] if token != -100]) == answer + END
        assert len(ids) <= MAX_LENGTH
    assert "".join(turn_parts({"role": "user", "content": "x"})) == "<|im_start|>user\nx<|im_end|>\n"


def test_it_is_the_same_every_time(tokenizer):
    assert build_tokenizer().get_vocab() == tokenizer.get_vocab()


def test_it_is_kept_whole_on_disk(tokenizer, tmp_path):
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert (loaded.pad_token, loaded.eos_token, loaded.padding_side) == ("<|endoftext|>", END, "left")
    assert loaded.chat_template == tokenizer.chat_template
    assert loaded.encode("The Silver Falcon") == tokenizer.encode("The Silver Falcon")
