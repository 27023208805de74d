"""Everything of a NeMo-RL training that exists before a GPU starts."""

from __future__ import annotations

import json

import pytest
import yaml

from steps.contract.catalog import find_step
from steps.contract.errors import ConfigError, DataError
from steps.contract.runtime import run_step
from steps.train.nemo.nemo_prepare import run
from steps.train.nemo.paths import TrainingPaths


def paths(nemo, workdir, made):
    return TrainingPaths(workdir, made.key, nemo.params().dataset.sha256)


@pytest.mark.parametrize("method", ["dpo", "grpo"])
def test_data_configuration_and_target_agree(nemo, tmp_path, method):
    made = run(nemo.params(method=method), nemo.ctx(tmp_path))
    where = paths(nemo, tmp_path, made)
    lines = {part: (where.data / f"{part}.jsonl").read_text(encoding="utf-8").splitlines() for part in ("train", "validation")}
    assert (len(lines["train"]), len(lines["validation"])) == (made.rows, made.validation_rows) and made.rows + made.validation_rows == 24
    config = yaml.safe_load(where.config.read_text(encoding="utf-8"))
    assert config["data"]["train"]["data_path"] == str(where.data / "train.jsonl") and config["policy"]["model_name"] == str(nemo.base)
    target = json.loads(where.target.read_text(encoding="utf-8"))
    assert target["steps"] == made.steps == config[method]["max_num_steps"] == {"dpo": 2 * (made.rows // 4), "grpo": 6}[method]
    assert target["metric"]["name"] == config["checkpointing"]["metric_name"] and target["method"] == method
    assert made.needed == "yes" and made.skipped_too_long == 0


def test_again_it_writes_the_same_bytes_and_leaves_checkpoints_alone(nemo, tmp_path):
    first = run(nemo.params(), nemo.ctx(tmp_path))
    where = paths(nemo, tmp_path, first)
    kept = where.checkpoints / "step_2" / "training_info.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert run(nemo.params(), nemo.ctx(tmp_path)) == first
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_key_names_what_shapes_the_weights(nemo, tmp_path):
    key = run(nemo.params(), nemo.ctx(tmp_path)).key
    assert run(nemo.params(), nemo.ctx(tmp_path, dpo={"batch_pairs": 8})).key != key
    assert run(nemo.params(method="grpo"), nemo.ctx(tmp_path)).key != key
    grpo = {"num_generations": 4, "prompts_per_step": 4, "batch_samples": 16, "max_steps": 7, "max_answer_tokens": 16}
    assert run(nemo.params(), nemo.ctx(tmp_path, grpo=grpo)).key == key, "the other method's settings"


def test_other_content_than_the_approved_is_refused(nemo, tmp_path):
    digest = nemo.params().dataset.sha256
    assert run(nemo.params(approved_digest=digest), nemo.ctx(tmp_path)).rows
    with pytest.raises(DataError, match="is not the approved"):
        run(nemo.params(approved_digest="b" * 64), nemo.ctx(tmp_path))
    changed = nemo.path.with_name("changed.jsonl")
    changed.write_text(nemo.path.read_text() + "\n")
    with pytest.raises(DataError, match="not the curated dataset with SHA-256"):
        run(nemo.params(dataset=nemo.params().dataset.model_copy(update={"uri": changed.as_uri()})), nemo.ctx(tmp_path))


def test_long_rows_are_left_out_and_counted(nemo, tmp_path):
    from steps.train.dataset import read_rows
    from steps.train.trainers import load_tokenizer

    tokenizer = load_tokenizer(nemo.base)
    rows = read_rows(nemo.path, "pair")
    lengths = []
    for row in rows:
        asked = [message.model_dump() for message in row.messages]
        answers = [[{"role": "assistant", "content": text}] for text in (row.chosen, row.rejected)]
        lengths.append(max(len(tokenizer.apply_chat_template(asked + answer, return_dict=False)) for answer in answers))
    limit = sorted(lengths)[12] + 2
    made = run(nemo.params(), nemo.ctx(tmp_path, max_length_tokens=limit))
    assert made.skipped_too_long == sum(length + 2 > limit for length in lengths) > 0
    assert made.rows + made.validation_rows + made.skipped_too_long == 24


def test_rows_that_fill_no_batch_are_refused_since_nemo_rl_would_call_it_a_success(nemo, tmp_path):
    with pytest.raises(DataError, match="do not fill one batch of 64"):
        run(nemo.params(), nemo.ctx(tmp_path, dpo={"batch_pairs": 64}))
    assert not (tmp_path / "nemo").exists()


def test_an_environment_without_nodes_refuses(nemo, tmp_path):
    with pytest.raises(ConfigError, match="train.nemo.enabled"):
        run(nemo.params(), nemo.ctx(tmp_path, enabled=False))


def test_the_outputs_that_the_workflow_reads(nemo, tmp_path):
    raw = {name: str(value) for name, value in nemo.params(approved_digest=nemo.params().dataset.sha256).model_dump().items()}
    result = run_step(find_step("nemo-prepare"), raw, nemo.ctx(tmp_path), outputs_dir=tmp_path / "out")
    read = {name: (tmp_path / "out" / name).read_text() for name in find_step("nemo-prepare").outputs}
    assert (read["key"], read["needed"]) == (result.key, "yes")
    sizes = nemo.ctx(tmp_path).config.train.nemo
    assert [read[name] for name in ("nodes", "gpus_per_node", "gpus")] == [str(sizes.nodes), str(sizes.gpus_per_node), str(sizes.gpus)]
