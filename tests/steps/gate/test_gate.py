"""The whole gate on the offline judge; only the models are stand-ins with known answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steps.cluster.process import ServerProcess
from steps.contract.config import PipelineConfig
from steps.contract.errors import DataError
from steps.contract.files import sha256_text
from steps.contract.refs import ArtifactRef
from steps.contract.spec import StepContext
from steps.gate.gate import Params, run
from steps.laptop.report.record import GateRecord


@pytest.fixture(scope="module")
def judge_url(tmp_path_factory):
    with ServerProcess("judge", {}, log_file=tmp_path_factory.mktemp("judge") / "judge.log") as server:
        yield server.wait_healthy().url + "/v1"


@pytest.fixture
def make_ctx(judge_url, tmp_path):
    def make(**gate):
        judge = {"model": "lexical-entailment-alignment", "base_url": judge_url}
        limits = {"samples_per_prompt": 2, "min_answer_relevancy": 0.1, "latency_floor_ms": 60000, "min_prompts": 5}
        # A dozen questions cannot show more.
        limits |= {"max_refusal_growth": 0.5, "max_fluency_drop": 0.5, **gate}
        return StepContext(config=PipelineConfig.model_validate({"gate_judge": judge, "gate": limits}), run_id="r", workdir=tmp_path)

    return make


def model(name):
    return ArtifactRef(uri=f"file:///models/{name}", sha256=sha256_text(name))


def wrong(body, number):
    return "Service0 listens on port 1."


def params(golden, champion, candidate):
    return Params(
        champion=model("champion"), candidate=model("candidate"), golden=golden, champion_url=champion.url, candidate_url=candidate.url
    )


def test_a_better_candidate_passes_and_the_verdict_is_whole(make_ctx, make_golden, golden_file, chat_server, port_of):
    sometimes = chat_server(lambda body, number: port_of(body) if number % 2 else wrong(body, number))
    always = chat_server(lambda body, _: port_of(body))
    golden = golden_file(make_golden(12))
    result = run(params(golden, sometimes, always), make_ctx())
    assert (result.phase, result.reused) == ("Successful", False), result.reason
    assert result.metrics["faithfulness"]["candidate"] == pytest.approx(1.0)
    assert result.metrics["faithfulness"]["ci95"][0] > 0
    assert result.metrics["faithfulness"]["n"] == 12
    assert result.metrics["gold_restated"]["independent"] is True
    assert set(result.metrics) == {
        "faithfulness",
        "answer_relevancy",
        "gold_restated",
        "fluency",
        "refusal",
        "length_words",
        "p99_latency_ms",
    }
    assert len(result.examples) == 6
    GateRecord.model_validate(result.model_dump(include={"phase", "metrics", "findings", "examples"}))
    written = json.loads(Path(result.verdict.local_path()).read_text())
    assert written["phase"] == "Successful" and written["candidate"] == str(model("candidate")) and written["golden"] == str(golden)
    assert (written["answers"], written["unanswered"]) == (48, 0)
    assert written["served"] == {"champion": sometimes.url, "candidate": always.url}
    named = {finding["name"]: finding for finding in written["findings"]}
    assert {"value", "limit", "interval", "n", "power"} <= named["faithfulness_drop"].keys() and named["faithfulness_drop"]["n"] == 12
    assert named["gate_judge_drift"]["ok"] is True and written["judge"]["drift"]["recorded"]
    assert result.judge_shift == named["gate_judge_drift"]["value"] == 0.0


def test_a_worse_candidate_fails_and_the_same_inputs_are_not_judged_again(make_ctx, make_golden, golden_file, chat_server, port_of):
    always, never = chat_server(lambda body, _: port_of(body)), chat_server(wrong)
    asked = params(golden_file(make_golden(8)), always, never)
    first = run(asked, make_ctx())
    count = len(never.bodies)
    again = run(asked, make_ctx())
    assert first.phase == again.phase == "Failed"
    assert "faithfulness drop +1.000" in first.reason
    assert again.reused and again.verdict == first.verdict and len(never.bodies) == count
    assert not run(asked, make_ctx(max_faithfulness_drop=0.5)).reused


def test_too_few_questions_are_inconclusive_and_measured_again(make_ctx, make_golden, golden_file, chat_server, port_of):
    server = chat_server(lambda body, _: port_of(body))
    asked = params(golden_file(make_golden(3)), server, server)
    assert run(asked, make_ctx()).phase == "Inconclusive"
    assert not run(asked, make_ctx()).reused


def test_answers_that_do_not_come_never_pass(make_ctx, make_golden, golden_file, chat_server, port_of):
    always = chat_server(lambda body, _: port_of(body))
    ill = chat_server(
        lambda body, _: (500, {}) if body["messages"][0]["content"].startswith("Which port does Service1 ") else port_of(body)
    )
    result = run(params(golden_file(make_golden(8)), always, ill), make_ctx())
    assert result.phase == "Inconclusive"
    assert "12.5% of the candidate's answers are unscored" in result.reason


def test_the_same_answers_give_the_same_verdict(make_ctx, make_golden, golden_file, chat_server, port_of, tmp_path):
    def reply(body, number):
        return port_of(body) if body["seed"] % 3 else wrong(body, number)

    server = chat_server(reply)
    asked = params(golden_file(make_golden(8)), server, server)
    results = []
    for _ in range(2):
        results.append(run(asked, make_ctx()))
        Path(results[-1].verdict.local_path()).unlink()
    timeless = [{name: value for name, value in result.metrics.items() if name != "p99_latency_ms"} for result in results]
    assert timeless[0] == timeless[1]


def test_the_pattern_of_the_golden_set_measures_fluency(make_ctx, make_golden, golden_file, chat_server, port_of):
    server = chat_server(lambda body, _: port_of(body))
    result = run(params(golden_file(make_golden(6), meta={"fluency_pattern": "never"}), server, server), make_ctx())
    assert result.metrics["fluency"]["candidate"] == 0


def test_a_changed_golden_set_is_refused(make_ctx, make_golden, golden_file, chat_server):
    server = chat_server(wrong)
    asked = params(golden_file(make_golden(6)), server, server)
    golden_file(make_golden(7))
    with pytest.raises(DataError, match="golden set was changed"):
        run(asked, make_ctx())


@pytest.mark.parametrize("changed", [True, False])
def test_a_model_that_is_not_what_its_reference_says_is_not_started(make_ctx, make_golden, golden_file, tmp_path, changed):
    folder = tmp_path / "model"
    if changed:
        folder.mkdir()
        (folder / "config.json").write_text("{}")
    ref = ArtifactRef(uri=folder.as_uri(), sha256="0" * 64)
    with pytest.raises(DataError, match="not the champion with digest" if changed else "the champion does not exist"):
        run(Params(champion=ref, candidate=ref, golden=golden_file(make_golden(6))), make_ctx())


def test_more_answers_are_timed_than_judged(make_ctx, make_golden, golden_file, chat_server, port_of):
    server = chat_server(lambda body, _: port_of(body))
    asked = params(golden_file(make_golden(6)), server, server)
    document = json.loads(Path(run(asked, make_ctx(latency_samples_per_prompt=5)).verdict.local_path()).read_text())
    assert document["answers"] == 2 * 6 * 5
    assert document["unscored_ratio"] == {"champion": 0.0, "candidate": 0.0}


def test_a_judge_that_changed_since_its_record_stops_the_gate(make_ctx, make_golden, golden_file, chat_server, port_of):
    server = chat_server(lambda body, _: port_of(body))
    asked, ctx = params(golden_file(make_golden(12)), server, server), make_ctx()
    run(asked, ctx)
    path = next((ctx.artifacts / "judge-records").glob("*.json"))
    record = json.loads(path.read_text())
    for key, scores in record["scores"].items():
        if key.startswith("bad/"):
            scores["faithfulness"] = 0.3
    path.write_text(json.dumps(record))
    for verdict in (ctx.artifacts / "verdicts").glob("*.json"):
        verdict.unlink()
    result = run(asked, ctx)
    assert result.phase == "Inconclusive"
    assert "gate judge on 24 stored answers: mean score moved by 0.300, limit 0.030" in result.reason


def test_a_golden_set_without_stored_answers_cannot_show_drift(make_ctx, make_golden, golden_file, chat_server, port_of):
    golden = make_golden(12)
    bare = golden.model_copy(update={"items": tuple(item.model_copy(update={"bad": ()}) for item in golden.items)})
    server = chat_server(lambda body, _: port_of(body))
    result = run(params(golden_file(bare), server, server), make_ctx())
    assert result.phase == "Inconclusive" and "holds no stored answers" in result.reason
