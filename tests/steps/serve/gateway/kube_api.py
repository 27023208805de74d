"""A Kubernetes API server as far as a follower sees it: lists and watches over real HTTP, with versions, bookmarks and expiry."""

from __future__ import annotations

import copy
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token"
PATHS = {
    "httproutes": "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes",
    "services": "/api/v1/namespaces/{}/services",
    "endpointslices": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
}


class KubeApi:
    """The store behind it. `put` and `delete` are what controllers and people do."""

    def __init__(self, namespace: str) -> None:
        self.paths = {path.format(namespace): plural for plural, path in PATHS.items()}
        self.namespace = namespace
        self.changed = threading.Condition()
        self.version = 100
        self.oldest = 0
        self.objects: dict[str, dict[str, dict[str, Any]]] = {plural: {} for plural in PATHS}
        self.history: list[tuple[int, str, str, dict[str, Any]]] = []
        self.refuse: dict[str, int] = {}
        self.lists = 0
        self.epoch = 0
        self.closed = False
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                api.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> KubeApi:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True
        self.hang_up()
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    def kubeconfig(self, path: Path) -> Path:
        """A kubeconfig that names this server."""
        url = f"http://127.0.0.1:{self.server.server_address[1]}"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "t",
            "clusters": [{"name": "t", "cluster": {"server": url}}],
            "users": [{"name": "t", "user": {"token": TOKEN}}],
            "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}],
        }
        path.write_text(json.dumps(document))
        return path

    def put(self, plural: str, name: str, **content: Any) -> None:
        """Create or replace an object."""
        with self.changed:
            self.version += 1
            kind = "MODIFIED" if name in self.objects[plural] else "ADDED"
            metadata = {"name": name, "namespace": self.namespace, "resourceVersion": str(self.version), **content.pop("metadata", {})}
            self.objects[plural][name] = {"metadata": metadata, **copy.deepcopy(content)}
            self.history.append((self.version, plural, kind, copy.deepcopy(self.objects[plural][name])))
            self.changed.notify_all()

    def delete(self, plural: str, name: str) -> None:
        """Delete an object."""
        with self.changed:
            self.version += 1
            gone = self.objects[plural].pop(name)
            gone["metadata"]["resourceVersion"] = str(self.version)
            self.history.append((self.version, plural, "DELETED", gone))
            self.changed.notify_all()

    def hang_up(self) -> None:
        """End every watch, as a load balancer or a restart of the API server does."""
        with self.changed:
            self.epoch += 1
            self.changed.notify_all()

    def forget(self) -> None:
        """Compact the history: what watches from before is told 410."""
        with self.changed:
            self.oldest = self.version
            self.history.clear()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        plural = self.paths.get(parts.path, "")
        status = 401 if request.headers.get("Authorization") != f"Bearer {TOKEN}" else self.refuse.get(plural, 200 if plural else 404)
        if status != 200:
            self._send(request, status, {"kind": "Status", "code": status})
        elif query.get("watch") == "true":
            self._watch(request, plural, int(query["resourceVersion"]), float(query.get("timeoutSeconds", 60)))
        else:
            with self.changed:
                self.lists += 1
                document = {"metadata": {"resourceVersion": str(self.version)}, "items": list(self.objects[plural].values())}
                self._send(request, 200, document)

    def _send(self, request: BaseHTTPRequestHandler, status: int, document: Any) -> None:
        data = json.dumps(document).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def _watch(self, request: BaseHTTPRequestHandler, plural: str, version: int, seconds: float) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()

        def send(kind: str, found: Any) -> None:
            line = json.dumps({"type": kind, "object": found}).encode() + b"\n"
            # Events do not keep to the chunks of the transfer.
            for piece in (line[:7], line[7:]):
                request.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")

        with self.changed:
            epoch = self.epoch
            if version < self.oldest:
                send("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})
            else:
                send("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})
                while self.epoch == epoch and not self.closed:
                    for at, what, kind, found in self.history:
                        if at > version and what == plural:
                            version = at
                            send(kind, found)
                    if not self.changed.wait(seconds):
                        break
        request.wfile.write(b"0\r\n\r\n")
