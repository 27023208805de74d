"""Tests mirror sources: `steps/a/b.py` is tested by `tests/steps/a/test_b.py`, or stands here with where it is tested instead."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path.relative_to(ROOT).as_posix() for path in (ROOT / "steps").rglob("*.py") if path.name != "__init__.py" and path.stat().st_size
)
# A source, or a folder of sources, -> the test that drives it, and why there.
TESTED_BY = {
    # Records and tables of data; whatever reads them tests them.
    "steps/chat/": "tests/steps/chat/test_otlp.py",
    "steps/contract/catalog.py": "tests/invariants/test_repository.py",
    "steps/contract/config/": "tests/workflows/generate/test_value_schema.py",
    "steps/contract/nodes.py": "tests/invariants/test_repository.py",
    "steps/contract/pipeline.py": "tests/invariants/test_repository.py",
    "steps/contract/refs.py": "tests/steps/store/test_lake.py",
    "steps/contract/spec.py": "tests/steps/contract/test_runtime.py",
    "steps/contract/step_metrics.py": "tests/workflows/test_stage_metrics.py",
    "steps/contract/workflows.py": "tests/invariants/test_repository.py",
    "steps/store/schemas.py": "tests/steps/store/test_lake.py",
    # Commands: run through the app, or as processes.
    "steps/cli/": "tests/steps/cli/test_main.py",
    # Parts of a step that mean something with its tables only: tested through the step.
    "steps/curate/source.py": "tests/steps/curate/test_curate.py",
    "steps/govern/": "tests/steps/govern/test_govern.py",
    "steps/ingest/": "tests/steps/ingest/test_ingest.py",
    "steps/label/": "tests/steps/label/test_label.py",
    # The loop on a laptop: runs as a whole, killed and resumed.
    "steps/laptop/approve.py": "tests/loop/test_loop.py",
    "steps/laptop/command.py": "tests/loop/test_loop.py",
    "steps/laptop/embedded.py": "tests/loop/test_loop.py",
    "steps/laptop/interpreter.py": "tests/workflows/test_parity.py",
    "steps/laptop/live.py": "tests/loop/test_loop.py",
    "steps/laptop/loop.py": "tests/loop/test_loop.py",
    "steps/laptop/reporting.py": "tests/loop/test_loop.py",
    "steps/laptop/runner.py": "tests/steps/laptop/test_runner_budget.py",
    "steps/laptop/services.py": "tests/loop/test_loop.py",
    "steps/laptop/state.py": "tests/loop/test_loop.py",
    "steps/laptop/users.py": "tests/steps/laptop/test_people.py",
    "steps/laptop/world/golden.py": "tests/steps/laptop/world/test_domain.py",
    # Parts of a server: driven over HTTP.
    "steps/serve/gateway/envoy_process.py": "tests/steps/serve/gateway/test_local_gateway.py",
    "steps/serve/gateway/kube_envoy.py": "tests/steps/serve/gateway/test_kube_gateway.py",
    "steps/serve/judge/lexical/alignment.py": "tests/steps/serve/judge/lexical/test_scorers.py",
    "steps/serve/judge/lexical/coverage.py": "tests/steps/serve/judge/lexical/test_scorers.py",
    "steps/serve/judge/lexical/lexicon.py": "tests/steps/serve/judge/lexical/test_scorers.py",
    "steps/serve/lifecycle.py": "tests/steps/cluster/test_process.py",
    "steps/serve/model/language_model.py": "tests/steps/serve/model/test_server.py",
    "steps/serve/model/metrics.py": "tests/steps/serve/model/test_engine.py",
    "steps/serve/model/sabotage.py": "tests/loop/test_loop.py",
    "steps/serve/model/spans.py": "tests/steps/serve/model/test_server.py",
    # Parts of the lake and of the model store: driven through them, one behaviour suite for all backends.
    "steps/store/artifacts.py": "tests/steps/train/test_train.py",
    "steps/store/aws_errors.py": "tests/steps/store/test_models.py",
    "steps/store/export_windows.py": "tests/steps/store/test_raw_objects.py",
    "steps/store/raw_streams.py": "tests/steps/store/test_raw_objects.py",
    "steps/store/watermarks.py": "tests/steps/ingest/test_ingest.py",
    "steps/operate/doctor/source_sample.py": "tests/steps/operate/test_trace_story.py",
    "steps/store/lake_files.py": "tests/steps/store/test_lake.py",
    "steps/store/lake_maintenance.py": "tests/steps/operate/test_maintain.py",
    "steps/store/lake_rows.py": "tests/steps/store/test_lake.py",
    "steps/store/objects.py": "tests/steps/store/test_models.py",
    "steps/store/unit_plan.py": "tests/steps/ingest/test_backfill.py",
    # Imported by NeMo-RL's own Python alone.
    "steps/train/nemo/actor.py": "tests/steps/train/nemo/test_launch.py",
}


def mirror_of(source: str) -> Path:
    """The test file of a source."""
    path = ROOT / "tests" / source
    return path.with_name(f"test_{path.name}")


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_has_its_test(source):
    if not mirror_of(source).is_file():
        assert any(source == place or (place.endswith("/") and source.startswith(place)) for place in TESTED_BY), (
            f"write {mirror_of(source).relative_to(ROOT)}, or say in {Path(__file__).name} where {source} is tested"
        )


@pytest.mark.parametrize(("place", "test"), TESTED_BY.items())
def test_an_exception_is_needed_and_names_a_test(place, test):
    assert (ROOT / test).is_file() and (ROOT / place).exists()
    assert place.endswith("/") or not mirror_of(place).is_file(), f"{place} has its own test now: take it off the list"
