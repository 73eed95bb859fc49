"""The compose files, by every means short of a Docker engine: read, resolved, and the server
started with the very environment that they give it."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli.keys import NAMES, fill
from core.config import load_config
from core.errors import AppError
from core.secrets import read_secret
from core.serving import socket_file
from core.stores.weaviate import WeaviateDatabase
from core.stores.weaviate_url import parse_weaviate_url
from core.stores.weaviate_versions import is_supported, parse_version
from tests.conftest import new_server
from tests.core.stores.helpers import DIM, record, vector

TOP = Path(__file__).parent.parent
FILES = ("docker-compose.yml", "docker-compose.cluster.yml")
VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")
SERVERS = ("weaviate", "weaviate-2", "weaviate-3")


class Loader(yaml.SafeLoader):
    """Knows compose's own tag, which replaces a list instead of adding to it."""


Loader.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))


def read(name: str) -> Any:
    return yaml.load((TOP / name).read_text(encoding="utf-8"), Loader)


def service(name: str) -> Any:
    return read("docker-compose.yml")["services"][name]


def environment(name: str, secrets: dict[str, str]) -> dict[str, str]:
    """What a container of the service sees."""

    def value(match: re.Match[str]) -> str:
        variable, operator, default = match.groups()
        if operator == "?":
            return secrets[variable]
        return secrets.get(variable, default or "")

    return {k: VARIABLE.sub(value, str(v)) for k, v in service(name)["environment"].items()}


@pytest.fixture
def secrets() -> dict[str, str]:
    text, _ = fill((TOP / ".env.example").read_text(encoding="utf-8"))
    return dict(line.split("=", 1) for line in text.splitlines() if re.match(r"\w+=", line))


def test_every_variable_is_explained_and_every_explained_one_used() -> None:
    used = {match[1] for name in FILES for match in VARIABLE.finditer((TOP / name).read_text())}
    example = (TOP / ".env.example").read_text(encoding="utf-8")
    explained = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))
    assert explained - {"COMPOSE_PROFILES"} == used, "COMPOSE_PROFILES is for compose itself"
    required = {
        match[1]
        for name in FILES
        for match in VARIABLE.finditer((TOP / name).read_text())
        if match[2] == "?"
    }
    assert required == set(NAMES), "make keys fills in all that must be set"


def test_nothing_is_published_but_the_page_and_that_on_loopback() -> None:
    services = read("docker-compose.yml")["services"]
    published = {name: each["ports"] for name, each in services.items() if "ports" in each}
    assert list(published) == ["web"]
    assert all(port.startswith("127.0.0.1:") for port in published["web"])
    assert service("weaviate")["networks"] == ["index"]
    assert read("docker-compose.yml")["networks"]["index"] == {"internal": True}
    assert not any("ports" in each for each in read(FILES[1])["services"].values())


def test_only_the_daemon_may_write() -> None:
    for name in ("web", "bot"):
        part = service(name)
        assert "READER" in part["environment"]["WEAVIATE_API_KEY"]
        writable = [v for v in part["volumes"] if not v.endswith(":ro")]
        assert writable == [f"{name}:/var/lib/lookalike/{name}"]
    assert "DAEMON" in service("daemon")["environment"]["WEAVIATE_API_KEY"]
    for name in ("model", "daemon", "web", "bot"):
        part = service(name)
        assert part["read_only"]
        assert part["cap_drop"] == ["ALL"]
        assert all(":ro" in volume for volume in part["volumes"] if volume.startswith(("./", "$")))


def test_the_model_is_shared_by_a_socket_and_cannot_reach_the_index() -> None:
    model = service("model")
    assert model["networks"] == ["outside"]
    assert "WEAVIATE_API_KEY" not in model["environment"]
    volume, folder = "model", "/var/lib/lookalike/model"
    assert f"{volume}:{folder}" in model["volumes"]
    assert model["healthcheck"]["test"][-1] == f"{folder}/{socket_file(Path()).name}"
    for name in ("daemon", "web", "bot"):
        assert f"{volume}:{folder}:ro" in service(name)["volumes"]
        assert service(name)["depends_on"]["model"] == {"condition": "service_healthy"}


def test_the_pinned_server_is_one_that_we_support() -> None:
    image, _, version = service("weaviate")["image"].partition(":")
    assert image == "semitechnologies/weaviate"
    assert is_supported(parse_version(version), None)


@pytest.mark.parametrize("part", ["daemon", "web", "bot"])
def test_the_configuration_that_we_ship_loads_in_a_container(
    part: str, secrets: dict[str, str]
) -> None:
    environ = environment(part, secrets)
    config = load_config(TOP / "config.yaml", environ)
    assert parse_weaviate_url(config.store).addresses[0].host == "weaviate"
    assert config.state == Path("/var/lib/lookalike")
    assert read_secret("WEAVIATE_API_KEY", environ)
    command = [sys.executable, "-m", "cli", service(part)["command"][1], "--help"]
    subprocess.run(command, cwd=TOP, check=True, capture_output=True)


def test_the_cluster_names_each_of_its_nodes() -> None:
    cluster = read("docker-compose.cluster.yml")
    nodes = [cluster["services"][name]["environment"] for name in SERVERS]
    assert ",".join(node["CLUSTER_HOSTNAME"] for node in nodes) == nodes[0]["RAFT_JOIN"]
    port = nodes[0]["CLUSTER_GOSSIP_BIND_PORT"]
    assert nodes[0]["CLUSTER_JOIN"] == ",".join(f"{name}:{port}" for name in SERVERS)
    for part in ("daemon", "web", "bot"):
        url = parse_weaviate_url(cluster["services"][part]["environment"]["LOOKALIKE_STORE"])
        assert [address.host for address in url.addresses] == list(SERVERS)
    volumes = [cluster["services"][name]["volumes"] for name in SERVERS[1:]]
    assert volumes == [[f"{name}:/var/lib/weaviate"] for name in SERVERS[1:]]


def test_the_image_gets_what_the_project_needs_and_no_more() -> None:
    dockerfile = (TOP / "Dockerfile").read_text(encoding="utf-8")
    program = re.search(r"python -c (\".*?\") > /tmp/wanted", dockerfile)
    assert program
    (code,) = shlex.split(program[1])
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True
    )
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert told.stdout.splitlines() == project["dependencies"]
    kept = {
        line[1:]
        for line in (TOP / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    packages = {each for each in ("core", "daemon", "bot", "web", "cli") if (TOP / each).is_dir()}
    assert packages <= kept
    assert {"pyproject.toml", "requirements.lock", project["readme"], "LICENSE"} <= kept


@pytest.mark.slow
@pytest.mark.weaviate
def test_a_server_with_this_environment_lets_in_whom_it_should(
    tmp_path: Path, secrets: dict[str, str]
) -> None:
    given = environment("weaviate", secrets)
    ours = ("PERSISTENCE_DATA_PATH",)  # what a container has for itself
    server = new_server(tmp_path, **{k: v for k, v in given.items() if k not in ours})
    server.start()
    try:
        url = server.url("TestCompose")
        writer = WeaviateDatabase(url, writable=True, api_key=secrets["WEAVIATE_DAEMON_KEY"])
        store = writer.vectors("model", DIM)
        store.upsert([record("a", 1)])
        key = secrets["WEAVIATE_READER_KEY"]
        reader = WeaviateDatabase(url, writable=False, api_key=key)
        assert reader.vectors("model").search(vector(1), 1)[0].distance == 0
        reader.close()
        thief = WeaviateDatabase(url, writable=True, api_key=key)
        with pytest.raises(AppError):
            thief.vectors("model", DIM).upsert([record("b", 2)])
        thief.close()
        for key in ("", "wrong"):
            stranger = WeaviateDatabase(url, writable=False, api_key=key or None)
            with pytest.raises(AppError, match="WEAVIATE_API_KEY"):
                stranger.catalogue()
            stranger.close()
        assert store.count() == 1
        writer.close()
    finally:
        server.stop()


@given(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["", "  ", "mine", '"x y"', "''"])))
def test_keys_fills_in_what_is_empty_and_overwrites_nothing(before: dict[str, str]) -> None:
    text = "# a comment\nOTHER=kept\n" + "".join(f"{k}={v}\n" for k, v in before.items())
    after, filled = fill(text)
    values = dict(line.split("=", 1) for line in after.splitlines() if "=" in line)
    assert after.startswith("# a comment\nOTHER=kept\n")
    for name in NAMES:
        mine = before.get(name, "")
        assert (name in filled) == (not mine.strip("'\" "))
        assert values[name] == mine if name not in filled else len(values[name]) >= 32
    assert len(set(values.values()) & {values[name] for name in filled}) == len(filled)
    assert fill(after) == (after, [])


def test_make_keys_replaces_the_file_in_one_step(tmp_path: Path) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(TOP / "cli/keys.py")]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "cp .env.example .env" in run().stderr
    file = tmp_path / ".env"
    file.write_text((TOP / ".env.example").read_text(encoding="utf-8"))
    assert run().returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    assert "nothing was changed" in run().stdout
    assert file.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [".env"]
