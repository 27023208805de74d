"""Pin and champion follow the Rollout, once, whatever the order of events; on a real Git repository and registry."""

from __future__ import annotations

import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from steps.catalog import find_step
from steps.config import PipelineConfig
from steps.core import clients
from steps.core.refs import ModelRef
from steps.core.runtime import run_step
from steps.core.spec import StepContext
from steps.errors import AccessError, DataError, TransientError
from steps.registry.alias import ABORTED, abort, champion, model_uri, promote, set_candidate
from steps.registry.lineage import describe
from steps.release.agreement import Seen, decide

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def registry_uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def ctx(tmp_path, registry_uri):
    """Version 1 serves, version 2 is a pinned candidate."""
    values = {"model_name": f"model-{next(_NUMBERS)}", "registry": {"tracking_uri": registry_uri}}
    ctx = StepContext(PipelineConfig.model_validate(values), "run-1", tmp_path)
    client, name = clients.registry(ctx.config, tmp_path), ctx.config.model_name
    client.ensure_model(name)
    for version in (1, 2):
        tags = {"ctp.uri": f"file:///m/{version}", "ctp.sha256": f"{version:064x}", "ctp.gate-phase": "Successful"}
        assert client.create_version(name, tags["ctp.uri"], tags, "card") == version
        pin(ctx, version)
    promote(client, name, 1, None)
    set_candidate(client, name, 2)
    return ctx


def pin(ctx, version):
    ref = ModelRef(name=ctx.config.model_name, version=version)
    artifact = model_uri(clients.registry(ctx.config, ctx.workdir), ref)
    return run_step(find_step("release"), {"model": str(ref), "artifact": str(artifact), "approved_by": "Ada"}, ctx)


def rollout(phase, version=2, **status):
    labels = {"ctp.model-version": str(version)} if version else {}
    return {
        "kind": "Rollout",
        "metadata": {"generation": 4},
        "spec": {"template": {"metadata": {"labels": labels}}},
        "status": {"phase": phase, "observedGeneration": "4", "message": "", **status},
    }


def reconcile(ctx, document):
    return run_step(find_step("reconcile"), {"status": json.dumps(document)}, ctx)


def serving(ctx):
    found = champion(clients.registry(ctx.config, ctx.workdir), ctx.config.model_name)
    return found.version if found else None


def test_healthy_and_pinned_is_promoted_once(ctx):
    first, again = (reconcile(ctx, rollout("Healthy")) for _ in range(2))
    assert (first.action, again.action, serving(ctx)) == ("promoted", "none", 2)
    assert (again.champion.version, again.pinned.version) == (2, 2)


@pytest.mark.parametrize(
    "document", [rollout("Degraded", message="analysis failed"), rollout("Paused", abort=True)], ids=["degraded", "aborted"]
)
def test_a_failed_canary_is_reverted_and_aborted_once(ctx, document):
    first, again = (reconcile(ctx, document) for _ in range(2))
    assert (first.action, first.pinned.version, first.champion.version) == ("reverted", 1, 1)
    assert first.commit
    assert (again.action, again.commit, again.pinned.version) == ("none", "", 1)
    tags = clients.registry(ctx.config, ctx.workdir).tags(ctx.config.model_name, 2)
    assert ABORTED in tags
    assert reconcile(ctx, rollout("Healthy", version=1)).action == "none"


def test_killed_between_revert_and_abort_is_finished_by_the_next_run(ctx, monkeypatch):
    from steps.release import agreement

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(agreement, "_abort", killed)
    with pytest.raises(KeyboardInterrupt):
        reconcile(ctx, rollout("Degraded"))
    monkeypatch.undo()
    assert reconcile(ctx, rollout("Degraded")).action == "none"
    assert ABORTED in clients.registry(ctx.config, ctx.workdir).tags(ctx.config.model_name, 2)


@pytest.mark.parametrize(
    "document",
    [
        rollout("Progressing"),
        rollout("Paused"),
        rollout("Healthy", version=1),
        rollout("Healthy", version=None),
        rollout("Degraded", version=1, message="the champion's pods are lost"),
        rollout("Degraded", version=None),
        rollout("Healthy", observedGeneration="3"),
        rollout("Degraded", observedGeneration="3"),
        rollout("Exploded"),
        {**rollout("Healthy"), "status": {}},
    ],
)
def test_nothing_is_done_before_it_is_certain(ctx, document):
    result = reconcile(ctx, document)
    assert (result.action, result.champion.version, result.pinned.version) == ("none", 1, 2)
    assert result.reason


def test_an_aborted_version_is_never_promoted(ctx):
    abort(clients.registry(ctx.config, ctx.workdir), ctx.config.model_name, 2, "bad")
    with pytest.raises(DataError, match="aborted"):
        reconcile(ctx, rollout("Healthy"))
    assert serving(ctx) == 1


@pytest.mark.parametrize("document", [{"kind": "Pod", "spec": {}}, {"a": 1}, rollout("Healthy", version="two")])
def test_what_is_no_rollout_is_refused(ctx, document):
    with pytest.raises(DataError):
        reconcile(ctx, document)


def test_a_failed_version_that_is_not_pinned_is_only_aborted():
    assert decide(Seen("Degraded", 2, "x"), 3, 1)[0] == "abort"


def test_rollback_puts_the_previous_back_and_back_again(ctx):
    reconcile(ctx, rollout("Healthy"))
    back = run_step(find_step("rollback"), {"approved_by": "Ada"}, ctx)
    assert (back.model.version, back.replaced.version, back.changed, serving(ctx)) == (1, 2, True, 1)
    again = run_step(find_step("rollback"), {"to": "1", "approved_by": "Ada"}, ctx)
    assert (again.changed, again.replaced, serving(ctx)) == (False, None, 1)
    with pytest.raises(DataError):
        run_step(find_step("rollback"), {"to": "9", "approved_by": "Ada"}, ctx)


def test_lineage_of_the_champion_and_of_a_version(ctx):
    name = ctx.config.model_name
    told = describe(ctx.config, ctx.workdir, name)
    assert (told["model"], told["aliases"], told["made_of"]["ctp.uri"]) == (f"{name}@1", ["champion"], "file:///m/1")
    assert describe(ctx.config, ctx.workdir, f"{name}@2")["aliases"] == ["candidate"]
    for unknown in (f"{name}@9", f"{name}@x", "nobody"):
        with pytest.raises(DataError):
            describe(ctx.config, ctx.workdir, unknown)


@pytest.fixture
def api(tmp_path, monkeypatch):
    """A Kubernetes API that knows one Rollout, behind a real kubeconfig and the real client."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.paths.append(self.path)
            self.send_response(server.code)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(server.document).encode())

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.code, server.document, server.paths = 200, rollout("Healthy"), []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
        "current-context": "c",
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    from kubernetes.config import kube_config

    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_rollout_is_asked_from_the_api(ctx, api):
    result = run_step(find_step("reconcile"), {}, ctx)
    assert result.action == "promoted"
    assert api.paths == ["/apis/argoproj.io/v1alpha1/namespaces/model-serving/rollouts/agent-model"]
    for code, error in ((403, AccessError), (404, DataError), (500, TransientError)):
        api.code = code
        with pytest.raises(error):
            run_step(find_step("reconcile"), {}, ctx)
