"""The RayJob's entry point, and the row that becomes a prompt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from steps.train.nemo import launch, master_config
from steps.train.nemo.nemo_prepare import SCORER_CONFIG, run
from steps.train.nemo.paths import TrainingPaths

ROOT = Path(__file__).parents[4]
# What NeMo-RL does as seen from outside: reads a configuration, leaves checkpoints, ends well in any case.
SCRIPT = """
import json, pathlib, sys, yaml
config = yaml.safe_load(open(sys.argv[sys.argv.index("--config") + 1]))
at = pathlib.Path(config["checkpointing"]["checkpoint_dir"]) / "step_{step}"
at.mkdir(parents=True, exist_ok=True)
(at / "training_info.json").write_text(json.dumps({{"total_steps": {step}, "cwd": str(pathlib.Path.cwd())}}))
"""


def launched(nemo, tmp_path, step):
    made = run(nemo.params(), nemo.ctx(tmp_path))
    where = TrainingPaths(tmp_path, made.key, nemo.params().dataset.sha256)
    checkout = tmp_path / "nemo-rl"
    (checkout / "examples").mkdir(parents=True, exist_ok=True)
    (checkout / "examples" / "run_dpo.py").write_text(SCRIPT.format(step=made.steps if step is None else step))
    call = f"launch(Path({str(where.folder)!r}), Path({str(checkout)!r}))"
    code = f"import sys; from pathlib import Path; from steps.train.nemo.launch import launch; sys.exit({call})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return made, where, subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)


def test_nemo_rls_script_runs_where_it_expects_to(nemo, tmp_path):
    made, where, done = launched(nemo, tmp_path, None)
    assert done.returncode == 0, done.stderr
    info = json.loads((where.checkpoints / f"step_{made.steps}" / "training_info.json").read_text())
    assert info["cwd"] == str(tmp_path / "nemo-rl")


def test_an_end_before_the_target_is_a_failure(nemo, tmp_path):
    made, where, done = launched(nemo, tmp_path, 2)
    assert done.returncode == launch.EXIT_SHORT and f"after 2 of {made.steps} steps" in done.stderr
    started = (where.folder / "started.json").read_text()
    _, _, done = launched(nemo, tmp_path, None)
    assert done.returncode == 0 and (where.folder / "started.json").read_text() == started, "time counts from the first attempt"


def test_a_folder_that_nobody_prepared(tmp_path, monkeypatch):
    for words in ([], [str(tmp_path)], ["a", "b"]):
        monkeypatch.setattr(sys, "argv", ["launch", *words])
        assert launch.main() == launch.EXIT_USAGE


def test_names_that_the_launcher_repeats():
    assert (launch.ENVIRONMENT, launch.PROCESSOR) == (master_config.ENVIRONMENT, master_config.PROCESSOR)
    assert f"{launch.NEMO}/examples/configs" == master_config.EXAMPLES
    from workflows.resources import CONFIG_FILE

    assert SCORER_CONFIG == CONFIG_FILE
    module, _, name = launch.ACTOR.rpartition(".")
    assert f"{name} = ray.remote(" in (ROOT / Path(*module.split("."))).with_suffix(".py").read_text()


@pytest.mark.parametrize("method", ["dpo", "grpo"])
def test_the_environment_gets_what_it_is_made_with(nemo, tmp_path, method):
    import inspect

    from steps.train.nemo.reward_client import RewardClient

    made = run(nemo.params(method=method), nemo.ctx(tmp_path))
    config = yaml.safe_load((tmp_path / "nemo" / made.key / "config.yaml").read_text())
    if method == "grpo":
        inspect.signature(RewardClient).bind(**config["env"][master_config.ENVIRONMENT])
    else:
        assert "env" not in config
