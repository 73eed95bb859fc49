"""Servers that speak as a Weaviate cluster does, and say of themselves what a test wants."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import grpc

import core.stores.weaviate_client  # noqa: F401 - imports the client without its warnings

# isort: split
from weaviate.proto.v1 import search_get_pb2, weaviate_pb2_grpc


@dataclass
class Pretender:
    """One server; `start` before use. It holds one collection, and tells by `meta` who it is."""

    name: str
    told: list[tuple[str, int, int]] = field(default_factory=list)
    """With whom it compared its copy ("" if it differed from nobody), seconds ago, rows given."""
    ready: bool = True
    look_seconds: float = 0
    """So long it takes to tell of its copies."""
    cluster: "list[Pretender]" = field(default_factory=list)
    alive: bool = False

    def start(self) -> None:
        pretender = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
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
        self._grpc = grpc.server(ThreadPoolExecutor(4))
        weaviate_pb2_grpc.add_WeaviateServicer_to_server(_Searches(self.name), self._grpc)
        self.port, self.grpc_port = (
            self._http.server_port,
            self._grpc.add_insecure_port("127.0.0.1:0"),
        )
        Thread(target=self._http.serve_forever, args=[0.02], daemon=True).start()
        self._grpc.start()
        self.alive = True

    def stop(self) -> None:
        """From now on it refuses connections."""
        self.alive = False
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(None).wait()

    def answer(self, path: str) -> tuple[int, bytes]:
        """What it says."""
        if path.startswith("/v1/.well-known/ready") and not self.ready:
            return 503, b""
        if path.startswith("/v1/meta"):
            return 200, json.dumps({"version": "1.39.3", "hostname": self.name}).encode()
        if path.startswith("/v1/nodes"):
            time.sleep(self.look_seconds)
            nodes = [each.of_itself() for each in self.cluster if each.alive]
            return 200, json.dumps({"nodes": nodes}).encode()
        return 200, b"{}"

    def of_itself(self) -> dict[str, Any]:
        """Its part of /v1/nodes?output=verbose."""
        now_ms = int(time.time() * 1000)
        status = [
            {
                "targetNode": target,
                "startDiffTimeUnixMillis": now_ms - 1000 * seconds_ago,
                "objectsPropagated": rows,
            }
            for target, seconds_ago, rows in self.told
        ]
        shard = {"name": "s", "class": "TestImages1", "numberOfReplicas": len(self.cluster)}
        return {"name": self.name, "shards": [shard | {"asyncReplicationStatus": status}]}


class _Searches(weaviate_pb2_grpc.WeaviateServicer):
    def __init__(self, name: str) -> None:
        self._name = name

    def Search(self, *_: object) -> object:  # noqa: N802 - as gRPC calls it
        shard = search_get_pb2.QueryProfile.ShardProfile(name="s", node=self._name)
        profile = search_get_pb2.QueryProfile(shards=[shard])
        return search_get_pb2.SearchReply(query_profile=profile)
