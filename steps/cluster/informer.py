"""An informer: Kubernetes objects of one kind from one list, then every change, for as long as the process lives.

Source:
    https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from steps.cluster.kube_errors import typed_error
from steps.contract.errors import AccessError, ConfigError, TransientError

log = logging.getLogger("ctp.kube")

Object = dict[str, Any]
RESYNC_S = 240
_CONNECT_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0
_GONE = 410


class _Expired(Exception):
    """The watch's resource version is too old: list again."""


def api_client() -> Any:
    """A client of the API server that KUBECONFIG names, else of the cluster this pod runs in.

    Raises:
        ConfigError: the package `kubernetes` is not installed, or there is neither a kubeconfig nor a service account.
    """
    try:
        from kubernetes import client, config
    except ImportError:
        raise ConfigError("kubernetes is not installed: install the extra `cluster`") from None
    settings = client.Configuration()
    try:
        # The package's own choice reads KUBECONFIG at import, and prints on standard output.
        kubeconfig = os.environ.get("KUBECONFIG")
        if os.environ.get("KUBERNETES_SERVICE_HOST") and not kubeconfig:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        else:
            config.load_kube_config(config_file=kubeconfig, client_configuration=settings)  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"no Kubernetes API: {reason}: set KUBECONFIG, or run in a pod with a service account token") from error
    return client.ApiClient(settings)


def lister(api: Any, group: str, version: str, plural: str, namespace: str) -> Callable[..., Any]:
    """The list call of one kind in one namespace; it takes `watch`, `resource_version` and the like."""
    from kubernetes import client

    if group:
        return partial(client.CustomObjectsApi(api).list_namespaced_custom_object, group, version, namespace, plural)
    return partial(getattr(client.CoreV1Api(api), f"list_namespaced_{plural.removesuffix('s')}"), namespace)


class Informer:
    """The objects of one kind in one namespace, kept as the API server has them.

    A lost connection is taken up where it ended; what expired is listed anew, and so is
    everything every few minutes, so that a missed event cannot last. While the API server
    is away the last known objects stay.

    Args:
        what: name for messages, as in `httproutes of model-serving`.
        listed: from `lister`.
        on_change: called, in the thread of this object, after every change.
    """

    def __init__(self, what: str, listed: Callable[..., Any], on_change: Callable[[], None]) -> None:
        self.what = what
        self._list, self._on_change = listed, on_change
        self._objects: dict[str, Object] = {}
        self._lock = threading.Lock()
        self._synced = threading.Event()
        self._stopped = threading.Event()
        self._open: Any = None
        self.failure: Exception | None = None

    def start(self) -> None:
        """Begin; `wait_synced` tells when the first list is there."""
        threading.Thread(target=self._run, name=f"informer-{self.what}", daemon=True).start()

    def stop(self) -> None:
        """End soon; an open watch is not waited for."""
        self._stopped.set()

    def objects(self) -> dict[str, Object]:
        """Name -> object, as of now."""
        with self._lock:
            return dict(self._objects)

    def wait_synced(self, timeout_s: float) -> None:
        """Wait for the first list.

        Raises:
            AccessError: the API server refuses it.
            TransientError: it does not answer in time.
        """
        deadline = time.monotonic() + timeout_s
        while not self._synced.wait(0.05):
            if isinstance(self.failure, AccessError):
                raise self.failure
            if time.monotonic() > deadline:
                why = f": {self.failure}" if self.failure else ""
                raise TransientError(f"{self.what}: not listed within {timeout_s:g} s{why}")

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._stopped.is_set():
            try:
                version = self._relist()
                pause = _FIRST_PAUSE_S
                until = time.monotonic() + RESYNC_S
                while not self._stopped.is_set() and (left := until - time.monotonic()) > 0:
                    version = self._watch(version, max(1, int(left)))
            except _Expired:
                continue
            except Exception as error:  # noqa: BLE001 - whatever it was, the last known objects stay and the next try follows
                remedy = "let this service account list and watch them"
                self.failure = typed_error(error, self.what, remedy) or TransientError(f"{self.what}: {type(error).__name__}")
                log.warning("%s; the last known state stays", self.failure)
                self._stopped.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _relist(self) -> str:
        response = self._list(_preload_content=False, _request_timeout=(_CONNECT_S, 30))
        document = json.loads(_body(response))
        objects = {item["metadata"]["name"]: item for item in document.get("items") or []}
        with self._lock:
            changed = objects != self._objects
            self._objects = objects
        self.failure = None
        if changed or not self._synced.is_set():
            self._synced.set()
            self._on_change()
        return str(document["metadata"]["resourceVersion"])

    def _watch(self, version: str, seconds: int) -> str:
        """Take in events until the server ends the watch; returns where to go on."""
        response = self._list(
            watch=True,
            resource_version=version,
            allow_watch_bookmarks=True,
            timeout_seconds=seconds,
            _preload_content=False,
            _request_timeout=(_CONNECT_S, seconds + 30),
        )
        if response.status >= 300:
            _body(response)
        try:
            for event in _events(response):
                if self._stopped.is_set():
                    break
                version = self._take(event) or version
        finally:
            response.close()
        return version

    def _take(self, event: Mapping[str, Any]) -> str:
        from kubernetes.client.exceptions import ApiException

        item: Object = event["object"]
        if event["type"] == "ERROR":
            if item.get("code") == _GONE:
                raise _Expired
            raise ApiException(status=item.get("code"))
        if event["type"] != "BOOKMARK":
            with self._lock:
                if event["type"] == "DELETED":
                    self._objects.pop(item["metadata"]["name"], None)
                else:
                    self._objects[item["metadata"]["name"]] = item
            self._on_change()
        return str(item["metadata"].get("resourceVersion") or "")


def _events(response: Any) -> Iterator[dict[str, Any]]:
    """The JSON documents of a watch, one a line, as they arrive."""
    rest = b""
    for piece in response.stream(amt=None, decode_content=True):
        *whole, rest = (rest + piece).split(b"\n")
        yield from (json.loads(line) for line in whole if line.strip())


def _body(response: Any) -> bytes:
    """The whole body of a 2xx answer.

    Raises:
        ApiException: another status.
        _Expired: 410.
    """
    from kubernetes.client.exceptions import ApiException

    data: bytes = response.data
    if response.status == _GONE:
        raise _Expired
    if not 200 <= response.status < 300:
        raise ApiException(status=response.status, reason=response.reason)
    return data
