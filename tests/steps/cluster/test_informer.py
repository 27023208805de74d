from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from steps.cluster.informer import Informer, api_client, lister
from steps.contract.errors import AccessError, ConfigError, TransientError

from ..serve.gateway.kube_api import KubeApi


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeApi]:
    with KubeApi("ns") as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig")))
        yield server


@pytest.fixture
def services(api: KubeApi) -> Iterator[Informer]:
    informer = Informer("services of ns", lister(api_client(), "", "v1", "services", "ns"), lambda: None)
    yield informer
    informer.stop()
    api.hang_up()


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_there_and_what_comes_is_followed(api: KubeApi, services: Informer) -> None:
    api.put("services", "a", spec={"x": 1})
    services.start()
    services.wait_synced(10)
    assert services.objects()["a"]["spec"] == {"x": 1}
    api.put("services", "b", spec={})
    api.put("services", "a", spec={"x": 2})
    until(lambda: "b" in services.objects() and services.objects()["a"]["spec"] == {"x": 2})
    api.delete("services", "b")
    until(lambda: set(services.objects()) == {"a"})


def test_a_broken_watch_goes_on_where_it_ended(api: KubeApi, services: Informer) -> None:
    services.start()
    services.wait_synced(10)
    lists = api.lists
    api.hang_up()
    api.put("services", "a")
    until(lambda: "a" in services.objects())
    assert api.lists == lists, "nothing was missed, nothing is listed again"


def test_an_expired_watch_lists_again(api: KubeApi, services: Informer) -> None:
    api.put("services", "gone")
    services.start()
    services.wait_synced(10)
    with api.changed:
        api.hang_up()
        api.delete("services", "gone")
        api.put("services", "new")
        api.forget()
    until(lambda: set(services.objects()) == {"new"})


def test_the_last_known_objects_stay_while_the_server_refuses(api: KubeApi, services: Informer, caplog: pytest.LogCaptureFixture) -> None:
    api.put("services", "a")
    services.start()
    services.wait_synced(10)
    api.refuse["services"] = 503
    api.hang_up()
    until(lambda: services.failure is not None)
    assert isinstance(services.failure, TransientError)
    assert set(services.objects()) == {"a"}
    api.refuse.clear()
    api.put("services", "b")
    until(lambda: set(services.objects()) == {"a", "b"})
    assert services.failure is None
    assert "HTTP 503" in caplog.text


def test_a_refused_account_is_said_at_once(api: KubeApi, services: Informer) -> None:
    api.refuse["services"] = 403
    services.start()
    with pytest.raises(AccessError, match="services of ns: the Kubernetes API refuses it .HTTP 403.: let this service account list"):
        services.wait_synced(10)


def test_silence_is_transient(services: Informer) -> None:
    with pytest.raises(TransientError, match="not listed within"):
        services.wait_synced(0.1)


def test_every_change_is_told(api: KubeApi) -> None:
    told = threading.Semaphore(0)
    informer = Informer(
        "endpointslices of ns", lister(api_client(), "discovery.k8s.io", "v1", "endpointslices", "ns"), lambda: (told.release(), None)[1]
    )
    informer.start()
    informer.wait_synced(10)
    assert told.acquire(timeout=10)
    api.put("endpointslices", "a")
    assert told.acquire(timeout=10)
    informer.stop()


def test_no_cluster_is_a_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="no Kubernetes API: .*set KUBECONFIG"):
        api_client()
