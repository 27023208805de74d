"""The webhook hears how a run ended; its URL is a secret."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from steps.contract.config import NotifyConfig
from steps.operate.notify import notify


@pytest.fixture
def webhook():
    """A server that keeps what it gets and answers with `status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            server.bodies.append(
                (self.path, self.headers["content-type"], json.loads(self.rfile.read(int(self.headers["content-length"]))))
            )
            self.send_response(server.status)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.status, server.bodies = 200, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def config(folder, text):
    (folder / "url").write_text(text)
    return NotifyConfig(webhook_url_file=str(folder / "url"), timeout_s=2)


def test_the_payload_is_posted_as_json(tmp_path, webhook):
    url = f"http://127.0.0.1:{webhook.server_port}/hook?token=s3cret\n"
    assert notify({"outcome": "succeeded"}, config(tmp_path, url)) == (True, "")
    assert webhook.bodies == [("/hook?token=s3cret", "application/json", {"outcome": "succeeded"})]


def test_without_a_webhook_nobody_is_told_and_nothing_is_wrong():
    assert notify({}, NotifyConfig()) == (False, "")


@pytest.mark.parametrize("text", ["http://127.0.0.1:1/s3cret", "file:///etc/passwd?s3cret", "s3cret", ""])
def test_a_failure_is_named_by_its_kind_alone(tmp_path, text):
    done, reason = notify({}, config(tmp_path, text))
    assert not done and reason.startswith("not notified: ") and "s3cret" not in reason


def test_a_refusal_and_an_absent_file_are_failures(tmp_path, webhook):
    webhook.status = 500
    assert notify({}, config(tmp_path, f"http://127.0.0.1:{webhook.server_port}/")) == (False, "not notified: HTTPError")
    assert notify({}, NotifyConfig(webhook_url_file=str(tmp_path / "nowhere"))) == (False, "not notified: FileNotFoundError")
