"""steps/Dockerfile: what hadolint says, and what it promises to Kubernetes."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from .conftest import ENVIRONMENTS, ROOT, values_of

DOCKERFILE = ROOT / "steps" / "Dockerfile"
TEXT = DOCKERFILE.read_text(encoding="utf-8")
TARGETS = {"base": "base", "train-trl": "train-trl"}


def pins():
    lines = (ROOT / "versions.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def stage(name):
    """The instructions of one stage, continuation lines joined."""
    text = re.sub(r"\\\n\s*", " ", TEXT)
    blocks = re.split(r"(?m)^(?=FROM )", text)
    return next(block for block in blocks if re.match(rf"FROM \S+ AS {name}\n", block))


def test_hadolint_has_nothing_to_say():
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([str(hadolint), "--no-color", str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_targets_run_as_a_number_and_start_ctp(target):
    lines = stage(target).splitlines()
    assert "USER 65532:65532" in lines
    assert lines[-1] == 'ENTRYPOINT ["ctp"]' or 'ENTRYPOINT ["ctp"]' in lines
    assert any(line.startswith("COPY --from=build-") and line.endswith("/opt/venv /opt/venv") for line in lines)


def test_only_tmp_is_written_at_run_time():
    runtime = stage("runtime")
    for setting in ("HOME=/tmp", "PYTHONDONTWRITEBYTECODE=1", "RAGAS_DO_NOT_TRACK=true", "MLFLOW_DISABLE_TELEMETRY=true"):
        assert setting in runtime
    assert "PYTHONDONTWRITEBYTECODE" not in stage("dependencies"), "byte code is compiled at build"


def test_dependencies_are_pinned_and_extras_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    installs = re.findall(r"pip (?:--python \S+ )?install ([^&\n]+)", re.sub(r"\\\n\s*", " ", TEXT))
    assert installs
    for install in installs:
        assert "--constraint constraints.txt" in install or "--no-deps" in install
    named = {extra for group in re.findall(r"'\.\[([\w,-]+)\]'", TEXT) for extra in group.split(",")}
    assert named <= set(extras)
    assert "local" in named, "the kind image holds every extra that steps and servers need"


def test_the_base_comes_from_versions_env():
    found = pins()
    assert f"ARG PYTHON_IMAGE={found['PYTHON_IMAGE']}\n" in TEXT
    assert re.fullmatch(r"(sha256:[0-9a-f]{64})?", found["PYTHON_IMAGE_DIGEST"])
    assert f"ARG NEMO_RL_IMAGE={found['NEMO_RL_IMAGE']}\n" in TEXT and re.search(r":v\d+\.\d+\.\d+$", found["NEMO_RL_IMAGE"])
    assert re.fullmatch(r"(sha256:[0-9a-f]{64})?", found["NEMO_RL_IMAGE_DIGEST"])
    assert f"ARG EFA_INSTALLER_VERSION={found['EFA_INSTALLER_VERSION']}\n" in TEXT
    bases = r"FROM (\$\{(PYTHON|NEMO_RL)_IMAGE\}|[a-z-]+) AS "
    assert all(re.match(bases, line) for line in TEXT.splitlines() if line.startswith("FROM "))


def test_the_build_context_holds_the_package_and_nothing_else():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    copied = {
        word.rstrip("*") for line in TEXT.splitlines() if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    }
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied


def test_environments_use_the_images_that_make_builds():
    found = pins()
    built = {f"{found['IMAGE_REPOSITORY']}{suffix}:{found['IMAGE_TAG']}" for suffix in ("", "-base", "-train-trl", "-nemo-rl")}
    for environment in ENVIRONMENTS:
        flows = values_of(environment)["workflows"]
        for key in ("image", "train_image"):
            image = flows.get(key, "")
            assert not image or "@sha256:" in image or image in built, f"{environment}: {image}"
        image = flows.get("nemo", {}).get("image", "")
        assert not image or "@sha256:" in image or image in built, f"{environment}: {image}"


# ---- NeMo-RL ------------------------------------------------------------------------------


def test_nemo_rl_keeps_its_own_environments():
    text = stage("nemo-rl")
    assert "pip install" in text and all("/opt/ctp/bin/python" in line for line in text.splitlines() if "pip install" in line)
    assert not re.search(r"uv (sync|run|add)", text) and "COPY steps /opt/nemo-rl" not in text
    assert "/opt/nemo_rl_venv" not in re.sub(r"find /opt/ray_venvs /opt/nemo_rl_venv", "", text)
    assert "ENV PYTHONPATH=/opt/ctp-src" in text and "WORKDIR /opt/ctp-src" in text


def test_nemo_rl_runs_as_a_number_with_a_home_that_it_may_write():
    text = stage("nemo-rl")
    users = re.findall(r"(?m)^USER (\S+)", text)
    assert users[-1] == "65532:65532" and "HOME=/tmp" in text and "ENTRYPOINT" not in text, "KubeRay gives the command"


def test_what_the_code_expects_of_that_image():
    from steps.train.nemo.nemo_prepare import SCORER_PYTHON
    from workflows.rayjob import PYTHON

    assert f"--python {SCORER_PYTHON} " in stage("nemo-rl") and PYTHON.startswith("/opt/nemo_rl_venv/")


def test_the_files_that_vllms_workers_rewrite_are_writable():
    import os

    given = os.environ.get("CTP_NEMO_RL_CHECKOUT")
    if not given:
        pytest.skip("no NeMo-RL here: set CTP_NEMO_RL_CHECKOUT to a checkout of v0.7.0 to compare the list of patched files")
    patched = re.findall(r'_get_vllm_file\("([^"]+)"\)', (Path(given) / "nemo_rl/models/generation/vllm/patches.py").read_text())
    assert patched and all(part in stage("nemo-rl") for part in patched)
