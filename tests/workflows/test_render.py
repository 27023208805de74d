"""The committed files are what the renderer writes, on every machine, and the API server would take them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from steps.contract.errors import ConfigError
from tests.manifests.rendered import merged
from workflows.environment import load_environment
from workflows.generate.render import HEADER, main, render, render_once, stale, write

from .rendered import RENDERINGS, ROOT, documents, environment_of, shared_crds, workflow_templates


def shared(rendering):
    """The environments that share a rendering."""
    return [load_environment(name) for name in RENDERINGS[rendering]]


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_committed_files_are_current(rendering):
    assert stale(rendering, render_once(rendering, shared(rendering))) == [], "run `make render` and commit the result"


@pytest.mark.parametrize(
    ("block", "change", "key"),
    [
        ("workflows", {"schedules": {"trace_ingest": {"cron": "0 2 * * *"}}}, "workflows.schedules.trace_ingest.cron"),
        ("workflows", {"compute": {"train": {"cpu": "1", "cpu_limit": "2", "memory": "1Gi"}}}, "workflows.compute.train.memory"),
        ("serving", {"image": "example.org/vllm:2"}, "serving.image"),
        ("pipeline", {"model_name": "other"}, "pipeline.model_name"),
        ("pipeline", {"train": {"nemo": {"enabled": False}}}, "pipeline.train.nemo.enabled"),
    ],
)
def test_environments_that_differ_in_what_is_rendered_are_refused(block, change, key):
    staging, production = shared("eks")
    value = getattr(production, block)
    other = replace(production, **{block: type(value).model_validate(merged(value.model_dump(), change))})
    with pytest.raises(ConfigError, match=f"{re.escape(key)} is .* and in staging .*rendered/eks is rendered once") as refusal:
        render_once("eks", [staging, other])
    assert "\n" not in str(refusal.value)


def test_what_is_read_at_run_time_may_differ():
    staging, production = shared("eks")
    assert staging.pipeline.train.nemo.nodes != production.pipeline.train.nemo.nodes
    assert staging.pipeline.lake.warehouse != production.pipeline.lake.warehouse
    assert staging.rendered_values() == production.rendered_values()


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


@pytest.mark.parametrize("environment", RENDERINGS)
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


@pytest.mark.parametrize("environment", RENDERINGS)
def test_argo_lints(environment):
    if shutil.which("argo") is None:
        pytest.skip("no argo CLI on PATH: argo lint was not run")
    done = subprocess.run(
        ["argo", "lint", "--offline", str(ROOT / "workflows" / "rendered" / environment)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("environment", RENDERINGS)
def test_limits_of_the_crd(environment):
    for document in workflow_templates(environment).values():
        spec = document["spec"]
        assert len(spec["templates"]) <= 200 and len(spec["arguments"]["parameters"]) <= 500
        kinds = ("container", "dag", "suspend", "resource", "steps", "script")
        assert all(sum(kind in template for kind in kinds) == 1 for template in spec["templates"])
