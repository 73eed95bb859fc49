"""A server that says what a Weaviate server does to a client that asks who is there."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Pretender:
    """One server, which tells by `meta` who it is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready = True
        self.talks = threading.Event()
        """Cleared, it takes requests and does not answer, as if it was frozen."""
        self.talks.set()
        self.asked = 0
        """How often it was asked who it is."""
        pretender = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                pretender.talks.wait(20)
                status, body = pretender.answer(self.path)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._grpc = socket.create_server(("127.0.0.1", 0))
        self.port, self.grpc_port = self._http.server_port, self._grpc.getsockname()[1]
        threading.Thread(target=self._http.serve_forever, args=[0.02], daemon=True).start()
        self.alive = True

    def kill(self) -> None:
        """From now on it refuses connections. Idempotent."""
        if self.alive:
            self.alive = False
            self.talks.set()
            self._http.shutdown()
            self._http.server_close()
            self._grpc.close()

    def answer(self, path: str) -> tuple[int, bytes]:
        """What it says."""
        if path.startswith("/v1/.well-known/ready") and not self.ready:
            return 503, b""
        if path.startswith("/v1/meta"):
            self.asked += 1
            return 200, json.dumps({"version": "1.39.3", "hostname": self.name}).encode()
        return 200, b"{}"
