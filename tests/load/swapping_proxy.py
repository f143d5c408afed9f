"""A proxy that gives two clients each other's answer, once."""

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class SwappingProxy(ThreadingHTTPServer):
    """Passes requests on to one server.

    Of the first two answers with different labels, each goes to the other's client, under the id
    of that one's request.
    """

    daemon_threads = True

    def __init__(self, target_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.target_port = target_port
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._lock = threading.Lock()
        self._first: bytes | None = None
        self._second = b""
        self._there = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._there.set()
        self.shutdown()
        self.server_close()

    def swapped(self, body: bytes) -> bytes:
        """Return the body that goes to the client in the place of this one."""
        with self._lock:
            if self._there.is_set():
                return body
            if self._first is not None:
                if _labels(self._first) == _labels(body):
                    return body
                self._second = body
                self._there.set()
                return self._first
            self._first = body
        self._there.wait()
        return self._second


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SwappingProxy

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def do_PUT(self) -> None:
        self._pass_on()

    def log_message(self, *_: Any) -> None:
        pass

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        connection = http.client.HTTPConnection("127.0.0.1", self.server.target_port, timeout=10)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        given = answer.read()
        connection.close()
        if answer.status == 200 and self.path == "/v1/predict" and len(_labels(given)) == 1:
            given = self.server.swapped(given)
        self.send_response(answer.status)
        for name in ("content-type", "x-request-id", "x-model-version"):
            if value := answer.headers.get(name):
                self.send_header(name, value)
        self.send_header("content-length", str(len(given)))
        self.end_headers()
        self.wfile.write(given)


def _labels(body: bytes) -> list[str]:
    return [prediction["label"] for prediction in json.loads(body)["predictions"]]
