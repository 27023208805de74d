"""What both servers of this folder share: reading a body, sending an answer, silence."""

from __future__ import annotations

import gzip
from http.server import BaseHTTPRequestHandler


class PostHandler(BaseHTTPRequestHandler):
    """A handler of requests with a body."""

    protocol_version = "HTTP/1.1"

    def read_body(self) -> bytes:
        """The body, with a length or in chunks, unzipped."""
        if "Content-Length" in self.headers:
            data = self.rfile.read(int(self.headers["Content-Length"]))
        else:
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        return gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data

    def send(self, kind: str, data: bytes) -> None:
        """Write a whole response."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
