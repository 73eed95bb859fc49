"""Three real Weaviate servers on loopback that are one cluster."""

from pathlib import Path
from typing import Any

import httpx

from tests.weaviate_server import OLDEST, WRITER_KEY, WeaviateServer

NODES = 3
_START_SECONDS = 90


class WeaviateCluster:
    """As docker-compose.cluster.yml has it: three copies of every row, any two are enough."""

    def __init__(self, folder: Path) -> None:
        names = [f"node{number}" for number in range(1, NODES + 1)]
        self.nodes = [WeaviateServer(folder / name, CLUSTER_HOSTNAME=name) for name in names]
        raft = [f"{name}:{node.raft_port}" for name, node in zip(names, self.nodes, strict=True)]
        for node in self.nodes:
            others = [f"127.0.0.1:{each.gossip_port}" for each in self.nodes if each is not node]
            node.configure(
                CLUSTER_JOIN=",".join(others),
                CLUSTER_BASIC_AUTH_USERNAME="cluster",
                CLUSTER_BASIC_AUTH_PASSWORD="cluster-password",
                RAFT_JOIN=",".join(raft),
                RAFT_BOOTSTRAP_EXPECT=str(NODES),
                REPLICATION_MINIMUM_FACTOR=str(NODES),
                RAFT_BOOTSTRAP_TIMEOUT="90",
                GOMAXPROCS="1",
            )

    def url(self, name: str = "Test", *, first: int = 0, count: int = NODES) -> str:
        """The store URL, which names all three, or so many of them."""
        nodes = (self.nodes[first:] + self.nodes[:first])[:count]
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        grpc = ",".join(str(node.grpc_port) for node in nodes)
        oldest = f"&oldest={OLDEST}" if OLDEST else ""
        return f"weaviate://{hosts}/{name}?grpc={grpc}{oldest}"

    def start(self) -> None:
        for node in self.nodes:
            node.start(wait=False)
        for node in self.nodes:
            node.wait_ready(_START_SECONDS)

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def healthy(self) -> bool:
        """Whether every node says that all of them are there and agree."""
        return all(map(_sees_all, self.nodes))


def _sees_all(node: WeaviateServer) -> bool:
    try:
        nodes = get(node, "nodes")["nodes"]
        statistics = get(node, "cluster/statistics")
    except httpx.HTTPError:
        return False
    healthy = sum(each["status"] == "HEALTHY" for each in nodes) == NODES
    return healthy and bool(statistics["synchronized"])


def get(node: WeaviateServer, path: str) -> Any:
    """What the server says of itself."""
    answer = httpx.get(
        f"http://127.0.0.1:{node.port}/v1/{path}",
        headers={"authorization": f"Bearer {WRITER_KEY}"},
        timeout=5,
    )
    return answer.raise_for_status().json()
