"""The reward inside NeMo-RL's container: the same numbers as in training with TRL, and what a failing judge does."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from steps.cluster.process import ServerProcess
from steps.contract.config import load_config
from steps.contract.errors import TransientError
from steps.laptop.world.domain import World
from steps.train.nemo.reward_client import RewardClient, RewardWorker, fill_missing, strip_thoughts
from steps.train.reward import judge_reward

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    with ServerProcess("judge", {}, log_file=tmp_path_factory.mktemp("judge") / "judge.log") as process:
        yield f"{process.wait_healthy().url}/v1"


def config_file(folder, base_url, **judge):
    path = folder / "config.yaml"
    judge = {"model": "lexical-entailment-coverage", "base_url": base_url, "tries": 1} | judge
    path.write_text(yaml.safe_dump({"pipeline": {"reward_judge": judge}}))
    return path


def cases(count):
    items = World.create(0).train_items[:count]
    asked = [{"question": item.question, "contexts": item.contexts} for item in items for _ in range(2)]
    answers = [answer for item in items for answer in (item.statement, "I do not know.")]
    return asked, answers


def judging(path, **changed):
    given = {"python": sys.executable, "config": str(path), "concurrency": 8, "timeout_s": 30.0, "max_unscored_ratio": 0.2}
    return RewardClient(**(given | changed))


def rewards(judging, *batches):
    async def all_of() -> list[list[float]]:
        try:
            return [await judging.rewards(asked, answers) for asked, answers in batches]
        finally:
            await judging.close()

    return asyncio.run(all_of())


def test_the_reward_is_the_one_of_the_other_trainer(judge, tmp_path):
    path = config_file(tmp_path, judge)
    asked, answers = cases(6)
    answers[-1] = ""
    (found,) = rewards(judging(path), (asked, answers))
    with judge_reward(load_config(path)) as reward:
        assert found == reward([case["question"] for case in asked], [case["contexts"] for case in asked], answers)
    assert found[0] > found[1] and found[-1] == 0.0, "an empty answer is worth nothing"


def test_thoughts_are_not_judged(judge, tmp_path):
    assert strip_thoughts("<think>It opens at 9?</think>\nAt 9.") == "At 9." and strip_thoughts(" plain ") == "plain"
    asked, answers = cases(1)
    path = config_file(tmp_path, judge)
    plain, thoughtful = rewards(judging(path), (asked[:1], answers[:1]), (asked[:1], [f"<think>perhaps 3 pm</think>{answers[0]}"]))
    assert plain == thoughtful


def test_what_has_no_score_teaches_nothing():
    assert fill_missing([0.2, None, 0.6, None], ["a", "a", "a", "b"], 0.7) == [0.2, 0.4, 0.6, 0.7]
    assert fill_missing([None, None], ["a", "a"], 0.3) == [0.3, 0.3] and fill_missing([], [], 0.3) == []


def test_a_judge_that_is_away_ends_the_training_and_single_failures_do_not(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    path = config_file(tmp_path, url)
    asked, answers = cases(5)
    assert rewards(judging(path), (asked[:4], answers[:4])) == [[0.5] * 4]
    with pytest.raises(TransientError, match="TransientError"):
        rewards(judging(path), (asked * 2, answers * 2))


def test_a_slow_judge_is_not_waited_for(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        path = config_file(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}/v1")
        asked, answers = cases(1)
        assert rewards(judging(path, timeout_s=0.2), (asked, answers)) == [[0.5, 0.5]]


def test_a_scorer_that_ends_is_started_again(judge, tmp_path):
    asked, answers = cases(1)
    case = asked[0] | {"answer": answers[0]}

    async def twice() -> tuple[dict, dict]:
        scorer = RewardWorker([sys.executable, "-m", "steps.train.nemo.reward_worker", str(config_file(tmp_path, judge))])
        first = await scorer.ask(case)
        scorer._process.kill()
        await scorer._reading
        second = await scorer.ask(case)
        await scorer.close()
        return first, second

    first, second = asyncio.run(twice())
    assert first["score"] == second["score"] and first["id"] != second["id"]


def test_a_wrong_configuration_ends_the_training_with_its_reason(tmp_path, capfd):
    path = tmp_path / "config.yaml"
    path.write_text("reward_jugde: {}\n")
    asked, answers = cases(12)
    with pytest.raises(TransientError, match="ConnectionError|BrokenPipe"):
        rewards(judging(path), (asked, answers))
    assert "reward_jugde" in capfd.readouterr().err


def test_no_text_reaches_a_log(judge, tmp_path, capfd):
    asked, answers = cases(2)
    rewards(judging(config_file(tmp_path, judge)), (asked, answers))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        rewards(judging(config_file(tmp_path, f"http://127.0.0.1:{closed.getsockname()[1]}/v1")), (asked[:1], answers[:1]))
    said = "".join(capfd.readouterr())
    assert not any(text in said for text in (*answers, *(case["question"] for case in asked)))


def test_nemo_rls_python_needs_nothing_of_ours():
    """Without site-packages: what the launcher, the actor's part of ours and the processor import is the standard library."""
    modules = ["launch", "reward_client", "prompt_processor", "progress", "paths"]
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + "\n".join(f"import steps.train.nemo.{name}" for name in modules)
    code += "\nprint(sorted(name for name in sys.modules if name.startswith('steps')))"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.replace("'", '"'))
