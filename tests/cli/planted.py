"""Problems planted for real, for doctor to find."""

import asyncio
import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from bot.endpoints import Endpoints
from core.stores import FORMAT, Catalogue
from core.stores.lance import LanceDatabase
from core.stores.weaviate_servers import WeaviateServers
from core.stores.weaviate_url import parse_weaviate_url
from tests.conftest import Weaviate
from tests.fake_discord.server import FakeDiscord
from tests.faults.namespace import Namespace
from tests.pictures import write
from tests.project import Project
from tests.weaviate_server import READER_KEY

NOBODY = 65534
SECRETS = ("the-token", "test-writer-key", READER_KEY, "wrong-key", "page-password")


@dataclass
class Case:
    """A project with six pictures, and where doctor looks at it."""

    project: Project
    fixture: Callable[[str], Any]
    stack: ExitStack
    namespace: Namespace | None = None
    discord: FakeDiscord | None = None
    indexed: bool = False
    unchanged: bool = True
    """Whether what lies in the project may be compared before and after."""
    document: dict[str, Any] = field(default_factory=dict)

    def inside(self) -> Namespace:
        """From now on in a namespace."""
        self.namespace = self.namespace or self.stack.enter_context(Namespace())
        return self.namespace

    def index(self) -> None:
        """Once."""
        if not self.indexed:
            self.project.cli("sync")
            self.indexed = True

    def doctor(self, code: int) -> list[dict[str, str]]:
        """Its findings; nothing of the project has changed, no secret is told."""
        command = self.project.command("doctor", "--json")
        before = self._contents()
        if self.namespace is None:
            result: Any = self.project.cli("doctor", "--json", code=None)
        else:
            result = subprocess.run(
                self.namespace.command(*command),
                env=self.project.environ,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        assert result.returncode == code, result
        assert self._contents() == before
        assert not [secret for secret in SECRETS if secret in result.stdout + result.stderr]
        self.document = json.loads(result.stdout)
        assert result.stderr == "", result.stderr
        for finding in self.document["findings"]:
            assert finding["level"] in ("ok", "note", "problem")
            assert bool(finding["do"]) is (finding["level"] != "ok"), finding
        findings: list[dict[str, str]] = self.document["findings"]
        return findings

    def _contents(self) -> dict[str, tuple[int, int]]:
        if not self.unchanged:
            return {}
        found = {}
        for parent, folders, files in os.walk(self.project.folder):
            for name in [*folders, *files]:
                status = (Path(parent) / name).lstat()
                found[f"{parent}/{name}"] = (status.st_mtime_ns, status.st_size)
        return found


Expected = tuple[str, str, str]
"""The check, words of what is found, words of what to do."""


def shut(case: Case, path: Path, mode: int) -> None:
    """Make it somebody else's: ours is no more than `mode` grants to others."""
    if os.geteuid():
        path.chmod(mode & 0o7 | (mode & 0o7) << 6)
        case.unchanged = False
    else:
        os.chown(path, NOBODY, NOBODY)
        path.chmod(mode)
        case.inside()  # where root has no rights over strangers


# ---- roots --------------------------------------------------------------------------------------


def missing_root(case: Case) -> Expected:
    case.project.dataset.rename(case.project.folder / "away")
    return "root dataset", "No such file or directory", "roots.dataset"


def unreadable_root(case: Case) -> Expected:
    shut(case, case.project.dataset, 0o700)
    return "root dataset", "may not be read", "read and enter"


def unreadable_folder_above(case: Case) -> Expected:
    above = case.project.folder / "above"
    (above / "other").mkdir(parents=True)
    case.project.configure(roots={"dataset": "./dataset", "other": "./above/other"})
    shut(case, above, 0o700)
    return "root other", "above is closed", "above"


def unreadable_folder_below(case: Case) -> Expected:
    write(case.project.dataset / "shut/9.jpg", 9)
    shut(case, case.project.dataset / "shut", 0o700)
    return "root dataset", "the first of them dataset/shut (Permission denied)", "ignore"


def unreadable_picture(case: Case) -> Expected:
    shut(case, case.project.dataset / "a/1.jpg", 0o600)
    return "root dataset", "1 picture may not be read", "read them"


def another_disk_in_place_of_a_root(case: Case) -> Expected:
    case.index()
    case.inside().run("mount", "-t", "tmpfs", "none", case.project.dataset)
    return "root dataset", "is not the one that was indexed", "lookalike adopt dataset"


def disk_below_a_root_gone(case: Case) -> Expected:
    inside, disk = case.inside(), case.project.dataset / "disk"
    disk.mkdir()
    inside.run("mount", "-t", "tmpfs", "none", disk)
    inside.run("cp", case.project.dataset / "a/1.jpg", disk)
    inside.run(*case.project.command("sync"))
    case.indexed = True
    inside.run("umount", disk)
    return "root dataset", "dataset/disk: its disk is not mounted", "lookalike adopt dataset"


def no_marker(case: Case) -> Expected:
    case.project.configure(watch={"marker": "HERE"})
    return "root dataset", "has no file HERE", "watch.marker"


# ---- limits -------------------------------------------------------------------------------------


def too_few_watches(case: Case) -> Expected:
    case.inside().limit("max_inotify_watches", 2)
    return "inotify", "3 watches of inotify needed", "user.max_inotify_watches = 524288"


def too_few_instances(case: Case) -> Expected:
    case.inside().limit("max_inotify_instances", 0)
    return "inotify", "0 allowed", "user.max_inotify_instances"


# ---- state and store ----------------------------------------------------------------------------


def store_not_writable(case: Case) -> Expected:
    case.index()
    shut(case, case.project.folder / "var/index", 0o755)
    return "permissions", "The index cannot be written", "chown"


def a_part_of_the_store_not_writable(case: Case) -> Expected:
    case.index()
    shut(case, case.project.folder / "var/index/thumbnails", 0o755)
    return "permissions", "1 place of the index may not be written", "chown -R"


def state_not_writable(case: Case) -> Expected:
    state = case.project.folder / "var/state"
    state.mkdir(parents=True, exist_ok=True)
    shut(case, state, 0o755)
    return "permissions", "The state cannot be written", "chown"


def store_on_a_read_only_disk(case: Case) -> Expected:
    index = case.project.folder / "var/index"
    index.mkdir(parents=True)
    case.inside().run("mount", "-t", "tmpfs", "-o", "ro", "none", index)
    return "permissions", "mounted read-only", "Mount it writable"


def store_is_a_file(case: Case) -> Expected:
    (case.project.folder / "index").write_text("no folder")
    case.project.configure(store="lancedb:./index")
    return "permissions", "is no folder", "under store"


def newer_format(case: Case) -> Expected:
    with closing(LanceDatabase(case.project.folder / "var/index", writable=True)) as database:
        database.write_catalogue(Catalogue("x", "colour-layout/1/stretch-64", None, FORMAT + 1))
    return "store", f"has format {FORMAT + 1}", "Update Lookalike"


def damaged_store(case: Case) -> Expected:
    case.project.cli("sync")
    versions = case.project.folder / "var/index/catalogue.lance/_versions"
    for file in versions.iterdir():
        file.write_bytes(b"damaged")
    return "store", "cannot be read", "damaged"


def disk_too_small(case: Case) -> Expected:
    index = case.project.folder / "var/index"
    index.mkdir(parents=True)
    case.inside().run("mount", "-t", "tmpfs", "-o", "size=64k", "none", index)
    return "forecast", "6 pictures to be indexed need", "Free some space"


def frozen_daemon(case: Case) -> Expected:
    project = case.project
    project.start()
    assert project.daemon
    project.daemon.send_signal(19)
    file = project.folder / "var/state/daemon/status.json"
    document = json.loads(file.read_text())
    file.write_text(json.dumps(document | {"updated": document["updated"] - 60}))  # as in a minute
    return "daemon", "is there but has said nothing for", f"kill -KILL {project.daemon.pid}"


# ---- Weaviate -----------------------------------------------------------------------------------


def weaviate(case: Case, key: str | None = None, **options: str) -> Weaviate:
    server: Weaviate = case.fixture("weaviate_server")
    url = server.url(case.fixture("weaviate_name"))
    case.project.configure(store=url + "".join(f"&{k}={v}" for k, v in options.items()))
    case.project.environ["WEAVIATE_API_KEY"] = key or server.key or ""
    return server


def weaviate_down(case: Case) -> Expected:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    case.project.configure(store=f"weaviate://127.0.0.1:{port}/Test")
    return "store", "does not answer", "Start it"


def weaviate_key_wrong(case: Case) -> Expected:
    weaviate(case, "wrong-key")
    return "store", "refuses the key", "WEAVIATE_API_KEY"


def weaviate_too_old(case: Case) -> Expected:
    weaviate(case, oldest="99.1")
    return "store", "which may lose rows", "Update it"


def weaviate_collection_of_another(case: Case) -> Expected:
    server = weaviate(case)
    name = case.fixture("weaviate_name")
    with closing(WeaviateServers(parse_weaviate_url(server.url(name)), server.key)) as servers:
        servers.write(lambda client: client.collections.create(f"{name}Catalogue"))
    return "store", "does not fit", "Delete it"


# ---- model --------------------------------------------------------------------------------------


def weights_missing(case: Case) -> Expected:
    case.project.configure(model={"name": "test_vit"})
    home = case.project.folder / "hf"
    case.project.environ |= {"HF_HOME": str(home), "HF_ENDPOINT": "http://127.0.0.1:9"}
    return "model", "There are no weights for test_vit on this machine", "LOOKALIKE_WEIGHTS"


def weights_that_do_not_fit(case: Case) -> Expected:
    file = case.project.folder / "w.safetensors"
    save_file({"head.weight": np.zeros((2, 2), np.float32)}, file)
    case.project.configure(model={"name": "test_vit", "weights": str(file)})
    return "model", "do not fit model.name test_vit", "name other weights"


def weights_named_and_not_there(case: Case) -> Expected:
    case.project.configure(model={"name": "test_vit", "weights": "./nowhere.safetensors"})
    return "model", "there is no such file", "name other weights"


# ---- page ---------------------------------------------------------------------------------------


def port_taken(case: Case) -> Expected:
    taken = case.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    case.project.configure(web={"port": taken.getsockname()[1]})
    return "ports", "cannot be served on 127.0.0.1", "web.port"


def page_open_to_all(case: Case) -> Expected:
    case.project.configure(web={"host": "0.0.0.0"})
    return "ports", "lets other machines in", "LOOKALIKE_WEB_PASSWORD"


# ---- Discord ------------------------------------------------------------------------------------


@contextmanager
def discord_running() -> Iterator[FakeDiscord]:
    """In a thread of its own."""
    loop, fake, ready = asyncio.new_event_loop(), FakeDiscord(), threading.Event()
    stop = asyncio.Event()

    async def serve() -> None:
        async with fake:
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield fake
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
        Endpoints().use()


def discord(case: Case) -> FakeDiscord:
    """One that the project's bot would talk to."""
    if case.discord is None:
        case.discord = case.stack.enter_context(discord_running())
        case.project.environ |= case.discord.environ
    return case.discord


def token_refused(case: Case) -> Expected:
    discord(case).accepted_token = "another"
    return "discord", "does not accept DISCORD_TOKEN", "Copy the token again"


def intent_missing(case: Case) -> Expected:
    discord(case).gateway.allows_content = False
    case.project.configure(bot={"channels": [300000000000000001]})
    return "discord", "refuses the message content intent", "Switch on Message Content Intent"


def channel_unseen(case: Case) -> Expected:
    discord(case)
    case.project.configure(bot={"channels": [300000000000000001, 17]})
    return "discord", "The bot cannot see 17 of bot.channels", "Let it view"


def commands_sent_elsewhere(case: Case) -> Expected:
    discord(case).interactions_url = "https://example.org/hook"
    return "discord", "to https://example.org/hook instead", "Interactions Endpoint URL"


def discord_away(case: Case) -> Expected:
    discord(case)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    case.project.environ["DISCORD_API_BASE"] = f"http://127.0.0.1:{port}/api/v10"
    return "discord", "Discord cannot be asked", "network"


def token_file_missing(case: Case) -> Expected:
    case.project.environ["DISCORD_TOKEN_FILE"] = "/nonexistent"
    return "discord", "DISCORD_TOKEN_FILE: /nonexistent cannot be read", "configuration"


PLANTS: list[tuple[Callable[[Case], Expected], ...]] = [
    (missing_root,),
    (no_marker,),
    # A doctor in a namespace is a process of its own: several at once save its start, and show that
    # none hides another.
    (unreadable_root, unreadable_folder_above, store_on_a_read_only_disk),
    (another_disk_in_place_of_a_root, store_not_writable, state_not_writable),
    (disk_below_a_root_gone, a_part_of_the_store_not_writable),
    (
        unreadable_folder_below,
        unreadable_picture,
        too_few_watches,
        too_few_instances,
        disk_too_small,
    ),
    (store_is_a_file,),
    (newer_format,),
    (damaged_store,),
    (frozen_daemon,),
    (weaviate_down,),
    (weaviate_key_wrong,),
    (weaviate_too_old,),
    (weaviate_collection_of_another,),
    (weights_missing,),
    (weights_that_do_not_fit,),
    (weights_named_and_not_there, port_taken),
    (page_open_to_all, token_file_missing),
    (token_refused,),
    (intent_missing, channel_unseen, commands_sent_elsewhere),
    (discord_away,),
]
