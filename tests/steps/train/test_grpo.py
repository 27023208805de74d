"""Training on sampled answers, on a model of a few thousand weights."""

from __future__ import annotations

from pathlib import Path

from steps.contract.spec import SILENT
from steps.train.dataset import fit_rows, read_rows
from steps.train.grpo import train_grpo
from steps.train.trainers import load_model, load_tokenizer, quiet


def test_every_group_is_rewarded_with_its_question_and_contexts(base, make, tmp_path):
    config = make.config(grpo={"num_generations": 2, "prompts_per_step": 2, "max_steps": 2, "max_answer_tokens": 4}).train
    rows = make.rows(4)
    reference = make.write(tmp_path / "rows.jsonl", rows)
    tokenizer, model = load_tokenizer(base), load_model(base)
    data = fit_rows(read_rows(Path(reference.local_path()), "prompt"), tokenizer, config.max_length_tokens, config.grpo.max_answer_tokens)
    contexts_of = {row["question"]: list(row["contexts"]) for row in rows}
    batches = []

    def reward(questions: list[str], contexts: list[list[str]], answers: list[str]) -> list[float]:
        batches.append((questions, contexts, answers))
        return [float(len(answer) % 2) for answer in answers]

    with quiet():
        outcome = train_grpo(model, tokenizer, data, config, tmp_path / "checkpoints", SILENT, reward)
    assert outcome.steps == 2 and len(batches) == 2
    for questions, contexts, answers in batches:
        assert len(questions) == len(answers) == 4 and len(set(questions)) == 2, "two answers to each of two questions"
        assert contexts == [contexts_of[question] for question in questions]
        assert all(isinstance(answer, str) for answer in answers)
