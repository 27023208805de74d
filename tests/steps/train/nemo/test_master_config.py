"""The configuration of NeMo-RL: its keys against NeMo-RL's own source where that is here, its arithmetic always."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from steps.contract.config.nemo import NemoConfig
from steps.train.nemo.master_config import BASE, ENVIRONMENT, EXAMPLES, PROCESSOR, build_master_config
from steps.train.nemo.paths import TrainingPaths

PLACES = TrainingPaths(Path("/data/ctp"), "0123456789abcdef", "a" * 64)
JUDGE = {
    "python": "/opt/ctp/bin/python",
    "config": "/etc/ctp/config.yaml",
    "concurrency": 64,
    "timeout_s": 300.0,
    "max_unscored_ratio": 0.2,
}
SETTINGS = {
    "three nodes": {},
    "one node": {"nodes": 1, "grpo": {"generation_nodes": 0}},
    "tensor parallel": {"tensor_parallel": 4, "grpo": {"generation_tensor_parallel": 8, "batch_samples": 256}},
    "no node of its own": {"grpo": {"generation_nodes": 0, "prompts_per_step": 48, "batch_samples": 768, "micro_batch_samples": 2}},
    "six nodes": {
        "nodes": 6,
        "dpo": {"batch_pairs": 192, "micro_batch_pairs": 2},
        "grpo": {"generation_nodes": 2},
        "context_parallel": 2,
        "enable_thinking": True,
    },
}
CASES = pytest.mark.parametrize(("method", "name"), [(method, name) for method in ("dpo", "grpo") for name in SETTINGS])


def made(method, name):
    return build_master_config(
        NemoConfig.model_validate(SETTINGS[name]), method, PLACES, Path("/data/ctp/artifacts/models/base"), (4000, 200), 7, JUDGE
    )


@CASES
def test_every_batch_divides_among_the_gpus(method, name):
    config = made(method, name)
    policy, cluster = config["policy"], config["cluster"]
    apart = method == "grpo" and not policy["generation"]["colocated"]["enabled"]
    nodes = cluster["num_nodes"] - (policy["generation"]["colocated"]["resources"]["num_nodes"] if apart else 0)
    copies, rest = divmod(
        nodes * cluster["gpus_per_node"], policy["dtensor_cfg"]["tensor_parallel_size"] * policy["dtensor_cfg"]["context_parallel_size"]
    )
    assert rest == 0 and policy["train_global_batch_size"] % (copies * policy["train_micro_batch_size"]) == 0
    if method == "dpo":
        assert config["dpo"]["val_global_batch_size"] == copies * config["dpo"]["val_micro_batch_size"]
        assert config["dpo"]["max_num_steps"] == 4000 // policy["train_global_batch_size"]
        return
    grpo = config["grpo"]
    assert grpo["num_prompts_per_step"] * grpo["num_generations_per_prompt"] % policy["train_global_batch_size"] == 0
    assert grpo["max_num_epochs"] * (4000 // grpo["num_prompts_per_step"]) >= grpo["max_num_steps"] == 100
    assert 0 < grpo["val_batch_size"] <= grpo["max_val_samples"] <= 200
    if apart:
        assert policy["generation"]["colocated"]["resources"]["gpus_per_node"] == cluster["gpus_per_node"]
    assert policy["logprob_batch_size"] == policy["train_micro_batch_size"]


@CASES
def test_nothing_is_inherited_that_would_train_on_something_else(method, name):
    config = made(method, name)
    data = config["data"]
    assert config["defaults"] == BASE[method] and data["_override_"] is True
    wanted = {"dpo": "PreferenceDataset", "grpo": "ResponseDataset"}[method]
    for part in ("train", "validation"):
        path = Path(data[part]["data_path"])
        assert data[part]["dataset_name"] == wanted and "split" not in data[part]
        assert path == PLACES.data / f"{part}.jsonl" and path.name.count(".") == 1 and "." not in str(path.parent)
    if method == "grpo":
        assert data["train"]["env_name"] == ENVIRONMENT in config["env"] and data["train"]["processor"] == PROCESSOR
        assert data["train"]["prompt_file"] is None and config["env"][ENVIRONMENT] == JUDGE
    else:
        assert "default" not in data, "null there ends the run"


@CASES
def test_checkpoints_can_be_served_and_belong_to_one_training(method, name):
    config = made(method, name)
    kept = config["checkpointing"]
    assert kept["checkpoint_dir"] == str(PLACES.checkpoints) and PLACES.key in kept["checkpoint_dir"]
    assert kept["model_save_format"] == "safetensors" and kept["save_consolidated"] is True and kept["save_optimizer"] is True
    assert config["policy"]["dtensor_cfg"]["_v2"] is True, "the first worker saves no safetensors"
    period = config[method]["val_period"]
    assert kept["save_period"] % period == 0 and config[method]["val_at_end"] is True
    assert kept["metric_name"].startswith("val:") and kept["checkpoint_must_save_by"] is None


@CASES
def test_no_text_leaves_the_pod(method, name):
    logger = made(method, name)["logger"]
    assert not any(value for key, value in logger.items() if key.endswith("_enabled")) and logger["num_val_samples_to_print"] == 0
    assert logger["log_dir"].startswith("/tmp/")


def checkout():
    """NeMo-RL's sources and the checker, or the reason for going without."""
    given, shared = os.environ.get("CTP_NEMO_RL_CHECKOUT"), os.environ.get("CTP_SHARED")
    beside = Path(shared) if shared else Path(__file__).parents[5] / "shared"
    checker = beside / "tools" / "check_nemo_config.py"
    if not given:
        pytest.skip("no NeMo-RL here: set CTP_NEMO_RL_CHECKOUT to a checkout of v0.7.0 to check keys against its source")
    if not checker.is_file():
        pytest.skip(f"no {checker}: set CTP_SHARED to the folder that has tools/check_nemo_config.py")
    missing = [name for name in ("hydra", "omegaconf") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"NeMo-RL's configuration is read with hydra-core and omegaconf: install them here ({', '.join(missing)} missing)")
    return Path(given), checker


def check(config, method, tmp_path):
    root, checker = checkout()
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return subprocess.run([sys.executable, str(checker), str(root), method, str(path)], capture_output=True, text=True, check=False)


@CASES
def test_nemo_rl_knows_every_key(method, name, tmp_path):
    done = check(made(method, name), method, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_would_notice(tmp_path):
    config = made("dpo", "three nodes")
    config["dpo"]["kl_penalty"] = 1
    assert check(config, "dpo", tmp_path).returncode == 1, "an unknown key"
    config = made("grpo", "three nodes")
    config["policy"]["train_global_batch_size"] = 500
    assert check(config, "grpo", tmp_path).returncode == 3, "an impossible batch"


@pytest.mark.parametrize("method", ["dpo", "grpo"])
def test_nemo_rls_own_loader_resolves_it(method, tmp_path):
    """Its loader, its inheritance and its resolvers, and what a script would read from the result."""
    root, _ = checkout()
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(made(method, "three nodes"), sort_keys=False).replace(EXAMPLES, f"{root}/examples/configs"))
    # As their scripts: that of DPO registers no resolvers.
    lines = [
        "import json, sys",
        "from omegaconf import OmegaConf",
        "from nemo_rl.utils.config import load_config, register_omegaconf_resolvers",
    ]
    lines += ["register_omegaconf_resolvers()"] if method == "grpo" else []
    code = "\n".join([*lines, "print(json.dumps(OmegaConf.to_container(load_config(sys.argv[1]), resolve=True)))"])
    environment = {**os.environ, "NO_VCS_VERSION": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(path)], capture_output=True, text=True, check=False, cwd=root, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert loaded["data"].keys() == made(method, "three nodes")["data"].keys() - {"_override_"}
    assert loaded["policy"]["optimizer"]["kwargs"]["lr"] in (5e-7, 1e-6) and loaded["policy"]["optimizer"]["name"]
    assert loaded["checkpointing"]["save_period"] == 10 and len(loaded["policy"]["scheduler"]) == 3
