"""The child process that scores answers: JSON lines in, JSON lines out."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from steps.cluster.process import ServerProcess
from steps.contract.errors import EXIT_CONFIG

CASE = {"question": "What port?", "contexts": ["Aurora listens on port 8443."]}


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    with ServerProcess("judge", {}, log_file=tmp_path_factory.mktemp("judge") / "judge.log") as process:
        yield f"{process.wait_healthy().url}/v1"


def run(folder, cases, **judge):
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"reward_judge": {"model": "lexical-entailment-coverage", "tries": 1} | judge}))
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    command = [sys.executable, "-m", "steps.train.nemo.reward_worker", str(path)]
    return subprocess.run(command, input=lines, capture_output=True, text=True, check=False, timeout=120)


def test_every_case_gets_its_reply_and_the_process_ends_with_its_input(judge, tmp_path):
    cases = [{"id": number, **CASE, "answer": answer} for number, answer in enumerate(("Aurora listens on port 8443.", "On port 1."))]
    done = run(tmp_path, cases, base_url=judge)
    replies = {reply["id"]: reply for reply in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0 and set(replies) == {0, 1} and not any(reply["error"] for reply in replies.values())
    assert 0 <= replies[1]["score"] < replies[0]["score"] <= 1


def test_a_judge_that_is_away_is_a_reply_without_a_score(tmp_path):
    done = run(tmp_path, [{"id": 7, **CASE, "answer": "8443."}], base_url="http://127.0.0.1:9/v1")
    (reply,) = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 0 and reply["id"] == 7 and reply["score"] is None and reply["error"]
    assert "8443" not in done.stdout + done.stderr, "no text of a row"


def test_a_wrong_configuration_is_one_line_and_its_exit_code(tmp_path):
    done = run(tmp_path, [], tries=0)
    assert done.returncode == EXIT_CONFIG and "reward_judge.tries" in done.stderr and len(done.stderr.splitlines()) == 1
