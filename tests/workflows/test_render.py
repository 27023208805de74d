"""The committed files are what the renderer writes, on every machine, and the API server would take them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from workflows.environment import load_environment
from workflows.generate.render import HEADER, main, render, stale, write

from .rendered import ENVIRONMENTS, ROOT, documents, environment_of, shared_crds, workflow_templates


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_committed_files_are_current(environment):
    assert stale(environment, render(environment_of(environment))) == [], "run `make render` and commit the result"


def test_the_check_says_what_is_stale(tmp_path):
    texts = render(load_environment("kind"))
    write("kind", texts, tmp_path)
    assert stale("kind", texts, tmp_path) == []
    folder = tmp_path / "workflows" / "rendered" / "kind"
    (folder / "old.yaml").write_text("x")
    (folder / "workflowtemplate-backfill.yaml").write_text("edited by hand")
    (folder / "workflowtemplate-erase-user.yaml").unlink()
    assert stale("kind", texts, tmp_path) == ["old.yaml", "workflowtemplate-backfill.yaml", "workflowtemplate-erase-user.yaml"]
    write("kind", texts, tmp_path)
    assert stale("kind", texts, tmp_path) == []
    assert main(["--check"]) == 0 and main(["--what"]) == 64


def test_the_hash_seed_changes_nothing():
    code = "from workflows.generate.render import render, load_environment; print(*render(load_environment('production')).values())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], env={**environment, "PYTHONHASHSEED": seed}, cwd=ROOT, capture_output=True, check=True
        ).stdout
        for seed in ("0", "4242")
    }
    assert len(texts) == 1


def test_rendering_loads_no_step():
    heavy = ("torch", "transformers", "trl", "ragas", "mlflow", "pyiceberg", "pyarrow", "aiohttp")
    code = "import sys; from workflows.generate.render import *; render(load_environment('kind'));"
    code += f"print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_one_object_a_file_named_by_kind(environment):
    for name, document in documents(environment).items():
        assert name == f"{document['kind'].lower()}-{document['metadata']['name']}.yaml"
        text = (ROOT / "workflows" / "rendered" / environment / name).read_text(encoding="utf-8")
        assert text.startswith(HEADER) and "python:3" not in text and "\n---" not in text
        assert document["metadata"]["namespace"] == environment_of(environment).workflows.namespace
        assert document["metadata"]["labels"]["app.kubernetes.io/part-of"] == "ctp"
        # The name of a Workflow ends with a suffix, and 63 characters is the bound of a label.
        assert len(document["metadata"]["name"]) <= 52


def test_files_validate_against_the_crds(tmp_path):
    crds = shared_crds()
    if crds is None:
        pytest.skip("no CRDs here: set CTP_SHARED_CRDS to a folder with validate.py")
    # It reads every CRD beside itself; ours are those of Argo Workflows.
    shutil.copy(crds / "validate.py", tmp_path)
    (tmp_path / "argo-workflows").symlink_to(crds / "argo-workflows")
    files = sorted(str(path) for path in (ROOT / "workflows" / "rendered").glob("*/*.yaml"))
    done = subprocess.run([sys.executable, str(tmp_path / "validate.py"), *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.count("OK  ") == len(files), done.stdout


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_argo_lints(environment):
    if shutil.which("argo") is None:
        pytest.skip("no argo CLI on PATH: argo lint was not run")
    done = subprocess.run(
        ["argo", "lint", "--offline", str(ROOT / "workflows" / "rendered" / environment)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_limits_of_the_crd(environment):
    for document in workflow_templates(environment).values():
        spec = document["spec"]
        assert len(spec["templates"]) <= 200 and len(spec["arguments"]["parameters"]) <= 500
        kinds = ("container", "dag", "suspend", "resource", "steps", "script")
        assert all(sum(kind in template for kind in kinds) == 1 for template in spec["templates"])
