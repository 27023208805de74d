from __future__ import annotations

from pathlib import Path

import pytest
from typer.main import get_command

from steps.cli import app
from steps.config import PipelineConfig
from steps.core.files import sha256_tree
from steps.core.process import ServerProcess
from steps.core.refs import ArtifactRef
from steps.core.spec import StepContext
from steps.gate import servers


@pytest.fixture
def ctx(tmp_path):
    return StepContext(config=PipelineConfig(), run_id="r", workdir=tmp_path)


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return ArtifactRef(uri=folder.as_uri(), sha256=sha256_tree(folder))


def test_given_urls_are_used_as_they_are(ctx, model):
    given = {"champion": "http://a", "candidate": "http://b"}
    with servers.model_urls({"champion": model, "candidate": model}, given, ctx) as urls:
        assert urls == given


def test_the_models_command_line_is_one_that_ctp_accepts(ctx, model, monkeypatch):
    """No server is started: what would be is parsed by the real command line."""
    commands = []

    def note(self, timeout_s=60.0):
        commands.append(self.command)
        self._ports = {"port": 1}
        return self

    monkeypatch.setattr(ServerProcess, "start", lambda self: None)
    monkeypatch.setattr(ServerProcess, "wait_healthy", note)
    with servers.model_urls({"champion": model, "candidate": model}, {"champion": "", "candidate": "http://b"}, ctx) as urls:
        assert urls == {"champion": "http://127.0.0.1:1", "candidate": "http://b"}
    words = commands[0][commands[0].index("serve") + 2 :]
    parsed = get_command(app).commands["serve"].commands["model"].make_context("model", words).params
    assert parsed["model"] == model.local_path()
    assert (parsed["served_model_name"], parsed["model_version"], parsed["spans_dir"]) == ("agent-model", "champion", None)


def test_a_configured_judge_is_not_started(tmp_path):
    config = PipelineConfig.model_validate({"gate_judge": {"model": "m", "base_url": "http://judge/v1"}})
    with servers.judge_config(StepContext(config=config, run_id="r", workdir=tmp_path)) as judge:
        assert judge == config.gate_judge


def test_the_offline_judge_is_started_and_stopped(ctx):
    with servers.judge_config(ctx) as judge:
        assert judge.base_url.startswith("http://127.0.0.1:")
    assert (ctx.workdir / "logs" / "gate-judge.log").is_file()
    assert not list(Path(ctx.workdir / "logs").glob("*.port"))
