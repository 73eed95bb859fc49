import logging
import mmap
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from daemon.armed_root import ArmedRoot
from daemon.losses import Lost
from daemon.root_keeper import RootKeeper
from daemon.signals import SafeSink
from daemon.watcher import Trouble, Watcher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
HERE = Path(__file__).parents[2]


class Recorder:
    """A sink that keeps what it is told, with the time."""

    def __init__(self) -> None:
        self.hints: list[tuple[float, bytes, bool]] = []
        self.troubles: list[Trouble] = []
        self.details: list[str] = []

    def hint(self, root: str, path: bytes, *, settled: bool) -> None:
        assert root == "r"
        self.hints.append((time.monotonic(), path, settled))

    def trouble(self, root: str, trouble: Trouble, detail: str) -> None:
        assert root == "r"
        self.troubles.append(trouble)
        self.details.append(detail)

    def hinted(self, path: bytes, *, since: float = 0.0) -> bool:
        """Whether a look at the hinted places would see this path."""
        return any(
            at >= since and (not hint or path == hint or path.startswith(hint + b"/"))
            for at, hint, _ in list(self.hints)
        )

    def settled(self, path: bytes) -> bool | None:
        return {hint: settled for _, hint, settled in list(self.hints)}.get(path)


def eventually(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


def ignored(_root: str, path: bytes, _is_dir: bool) -> bool:  # noqa: FBT001 - the Watcher's shape
    return path.rpartition(b"/")[2].startswith(b".")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "top").mkdir()
    return tmp_path / "top"


@pytest.fixture
def sink() -> Recorder:
    return Recorder()


@pytest.fixture
def watcher(top: Path, sink: Recorder) -> Iterator[Watcher]:
    with Watcher({"r": top}, sink, ignored) as watcher:
        assert watcher.wait_armed(5)
        yield watcher


def caught_up(top: Path, sink: Recorder) -> None:
    """Every event from before this call has been told: the kernel keeps their order."""
    name = f"caught-up-{time.monotonic_ns()}"
    (top / name).touch()
    eventually(lambda: sink.hinted(os.fsencode(name)))
    (top / name).unlink()


# ---- files ----------------------------------------------------------------------------------


def create(file: Path) -> None:
    file.write_bytes(b"x")


def append(file: Path) -> None:
    with file.open("ab") as handle:
        handle.write(b"more")


def write_mapped(file: Path) -> None:
    with file.open("r+b") as handle, mmap.mmap(handle.fileno(), 0) as mapped:
        mapped[0:1] = b"y"


CHANGES = [
    pytest.param(create, b"new.jpg", True, id="created-and-closed"),
    pytest.param(lambda file: file.mkdir(), b"new.jpg", False, id="folder-created"),
    pytest.param(append, b"old.jpg", True, id="appended-and-closed"),
    pytest.param(write_mapped, b"old.jpg", True, id="written-through-mmap-and-closed"),
    pytest.param(lambda file: os.truncate(file, 0), b"old.jpg", False, id="truncated"),
    pytest.param(lambda file: os.utime(file, (1, 1)), b"old.jpg", False, id="times-set"),
    pytest.param(lambda file: file.chmod(0), b"old.jpg", False, id="mode-set"),
    pytest.param(lambda file: file.unlink(), b"old.jpg", False, id="deleted"),
    pytest.param(lambda file: file.symlink_to("x"), b"new.jpg", False, id="symlink"),
    pytest.param(
        lambda file: os.link(file.parent / "old.jpg", file), b"new.jpg", False, id="hard-link"
    ),
    pytest.param(
        lambda file: (file.parent / "old.jpg").rename(file), b"new.jpg", True, id="renamed-to"
    ),
    pytest.param(
        lambda file: file.rename(file.parent / "new.jpg"), b"old.jpg", False, id="renamed-away"
    ),
    pytest.param(create, b"caf\xe9 \n.jpg", True, id="not-utf-8"),
]


@pytest.mark.parametrize(("change", "name", "settled"), CHANGES)
def test_a_change_is_hinted(
    change: Callable[[Path], None],
    name: bytes,
    settled: bool,  # noqa: FBT001
    top: Path,
    sink: Recorder,
) -> None:
    folder = top / "a/b"
    folder.mkdir(parents=True)
    (folder / "old.jpg").write_bytes(b"x")
    with Watcher({"r": top}, sink, ignored) as watcher:
        assert watcher.wait_armed(5)
        change(folder / os.fsdecode(name))
        eventually(lambda: sink.settled(b"a/b/" + name) is settled)
    assert sink.troubles == []


@pytest.mark.usefixtures("watcher")
def test_a_file_still_open_is_not_settled(top: Path, sink: Recorder) -> None:
    with (top / "a.jpg").open("wb", buffering=0) as file:
        file.write(b"x")
        eventually(lambda: sink.settled(b"a.jpg") is False)
        caught_up(top, sink)
        assert sink.settled(b"a.jpg") is False
    eventually(lambda: sink.settled(b"a.jpg") is True)


def test_a_file_written_in_many_pieces_gives_few_hints(top: Path, sink: Recorder) -> None:
    armed = ArmedRoot("r", top, SafeSink(sink), ignored)
    armed.turn(0)
    with (top / "a").open("wb", buffering=0) as a, (top / "b").open("wb", buffering=0) as b:
        for _ in range(2000):  # by turns, else the kernel merges the events itself
            a.write(b"x")
            b.write(b"x")
    armed.turn(0)
    armed.close()
    assert [path for _, path, _ in sink.hints] == [b"a", b"b"]


def test_reading_is_not_hinted(top: Path, sink: Recorder) -> None:
    (top / "a.jpg").write_bytes(b"x")
    with Watcher({"r": top}, sink, ignored) as watcher:
        assert watcher.wait_armed(5)
        (top / "a.jpg").read_bytes()
        list(top.iterdir())
        caught_up(top, sink)
    assert sink.settled(b"a.jpg") is None


# ---- folders --------------------------------------------------------------------------------


@pytest.mark.usefixtures("watcher")
def test_files_in_deep_new_folders_are_never_missed(top: Path, sink: Recorder) -> None:
    made: dict[bytes, float] = {}
    for number in range(200):
        folder = top / f"{number}/b/c/d/e"
        folder.mkdir(parents=True)
        made[os.fsencode((folder / "x.jpg").relative_to(top))] = time.monotonic()
        (folder / "x.jpg").touch()  # hinted, perhaps, before this thread is on again
    eventually(lambda: all(sink.hinted(file, since=at) for file, at in made.items()))
    for number in range(200):  # and every folder is watched from now on
        (top / f"{number}/b/c/d/e/y.jpg").touch()
    eventually(lambda: all(sink.settled(b"%d/b/c/d/e/y.jpg" % n) for n in range(200)))


def test_a_folder_moved_in_is_hinted_and_watched(
    tmp_path: Path, top: Path, sink: Recorder, watcher: Watcher
) -> None:
    (tmp_path / "outside/sub").mkdir(parents=True)
    (tmp_path / "outside").rename(top / "in")
    eventually(lambda: sink.settled(b"in"))
    assert watcher.watches == 3
    (top / "in/sub/x.jpg").touch()
    eventually(lambda: sink.settled(b"in/sub/x.jpg"))


def test_a_renamed_folder_reports_under_its_new_name_only(
    top: Path, sink: Recorder, watcher: Watcher
) -> None:
    (top / "old/sub").mkdir(parents=True)
    eventually(lambda: watcher.watches == 3)
    (top / "old").rename(top / "new")
    eventually(lambda: sink.hinted(b"old") and sink.settled(b"new"))
    sink.hints.clear()
    (top / "new/sub/x.jpg").touch()
    caught_up(top, sink)
    assert sink.settled(b"new/sub/x.jpg")
    assert not sink.hinted(b"old/sub/x.jpg")
    assert watcher.watches == 3


def test_a_folder_renamed_again_and_again_is_followed(
    top: Path, sink: Recorder, watcher: Watcher
) -> None:
    (top / "a0/sub").mkdir(parents=True)
    for number in range(100):
        (top / f"a{number}").rename(top / f"a{number + 1}")
    eventually(lambda: sink.settled(b"a100"))  # hinted when all below it is watched
    (top / "a100/sub/x.jpg").touch()
    eventually(lambda: sink.settled(b"a100/sub/x.jpg"))
    assert watcher.watches == 3


def test_a_folder_moved_out_is_watched_no_longer(
    tmp_path: Path, top: Path, sink: Recorder, watcher: Watcher
) -> None:
    (top / "a/b").mkdir(parents=True)
    eventually(lambda: watcher.watches == 3)
    (top / "a").rename(tmp_path / "outside")
    eventually(lambda: watcher.watches == 1)
    assert sink.hinted(b"a")
    sink.hints.clear()
    (tmp_path / "outside/b/x.jpg").touch()
    caught_up(top, sink)
    assert {path for _, path, _ in sink.hints if not path.startswith(b"caught-up")} == set()


def test_a_deleted_tree_leaves_no_watch(top: Path, sink: Recorder, watcher: Watcher) -> None:
    for number in range(50):
        (top / f"a/{number}/b").mkdir(parents=True)
    eventually(lambda: watcher.watches == 102)
    shutil.rmtree(top / "a")
    eventually(lambda: watcher.watches == 1)
    assert sink.hinted(b"a")
    (top / "a").mkdir()
    eventually(lambda: watcher.watches == 2)


def test_ignored_folders_and_links_are_not_watched(tmp_path: Path, sink: Recorder) -> None:
    top = tmp_path / "top"
    (top / ".git/objects").mkdir(parents=True)
    (top / "a").mkdir()
    (top / "link").symlink_to("a")
    with Watcher({"r": top}, sink, ignored) as watcher:
        assert watcher.wait_armed(5)
        assert watcher.watches == 2
        (top / ".git/objects/x").touch()
        (top / "a/.hidden.jpg").touch()
        (top / "a/.new").mkdir()
        caught_up(top, sink)
        assert watcher.watches == 2
        (top / "a/.new").rename(top / "a/new")
        eventually(lambda: watcher.watches == 3)
    assert not any(b"/." in b"/" + path for _, path, _ in sink.hints)


def test_a_folder_whose_mode_changes_is_looked_at(
    top: Path, sink: Recorder, watcher: Watcher
) -> None:
    (top / "a").mkdir(mode=0)
    eventually(lambda: sink.hinted(b"a"))
    sink.hints.clear()
    (top / "a").chmod(0o755)
    eventually(lambda: sink.hinted(b"a") and watcher.watches == 2)


def folders_below(top: Path) -> list[Path]:
    return [Path(above) / name for above, names, _ in os.walk(top) for name in names]


@pytest.mark.parametrize("seed", range(3))
def test_after_any_churn_exactly_the_folders_there_are_watched(
    seed: int, tmp_path: Path, top: Path, sink: Recorder, watcher: Watcher
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()

    def churn(random: Random) -> None:
        for number in range(150):
            inside = folders_below(top)
            some, other = random.choice(inside or [top / "missing"]), random.choice([top, *inside])
            name = f"{random.randrange(4)}"
            with suppress(OSError):  # the other thread was faster, or it cannot be done
                match random.randrange(7):
                    case 0 | 1:
                        (other / name / "x/y").mkdir(parents=True)
                    case 2 | 3:
                        some.rename(other / name)
                    case 4:
                        some.rename(outside / f"{threading.get_ident()}-{number}")
                    case 5:
                        random.choice(list(outside.iterdir()) or [some]).rename(other / name)
                    case 6:
                        shutil.rmtree(some)

    randoms = [Random(f"{seed}-{thread}") for thread in range(2)]
    threads = [threading.Thread(target=churn, args=(random,)) for random in randoms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    folders = folders_below(top)
    caught_up(top, sink)
    eventually(lambda: watcher.watches == 1 + len(folders))
    sink.hints.clear()
    for path in folders:
        (path / "new.jpg").touch()
    for path in folders_below(outside):
        (path / "out.jpg").touch()
    caught_up(top, sink)
    hinted = {path for _, path, _ in sink.hints if path.endswith(b".jpg")}
    assert hinted == {os.fsencode(path.relative_to(top)) + b"/new.jpg" for path in folders}


# ---- losses ---------------------------------------------------------------------------------


def test_an_overflow_is_told_and_everything_is_hinted(top: Path) -> None:
    queued = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    go_on = threading.Event()

    class Stalled(Recorder):
        def hint(self, root: str, path: bytes, *, settled: bool) -> None:
            super().hint(root, path, settled=settled)
            go_on.wait(20)

    sink = Stalled()
    (top / "a").touch()
    with Watcher({"r": top}, sink, ignored) as watcher:
        assert watcher.wait_armed(5)
        (top / "b").touch()
        eventually(lambda: sink.hints)  # it stalls now
        for number in range(queued + 2000):
            os.link(top / "a", top / f"{number}")
        (top / "late/sub").mkdir(parents=True)  # lost, both of them
        go_on.set()
        eventually(lambda: Trouble.OVERFLOW in sink.troubles and sink.hinted(b""), 10)
        (top / "late/sub/x.jpg").touch()
        eventually(lambda: sink.settled(b"late/sub/x.jpg"))
        assert sink.troubles == [Trouble.OVERFLOW]


def test_a_root_deleted_and_made_again_is_armed_again(
    top: Path, sink: Recorder, watcher: Watcher
) -> None:
    (top / "sub").mkdir()
    shutil.rmtree(top)
    eventually(lambda: sink.troubles == [Trouble.ROOT_GONE])
    assert watcher.armed == set()
    (top / "sub").mkdir(parents=True)
    eventually(lambda: watcher.armed == {"r"})
    eventually(lambda: sink.hinted(b""))
    (top / "sub/x.jpg").touch()
    eventually(lambda: sink.settled(b"sub/x.jpg"))
    assert sink.troubles == [Trouble.ROOT_GONE]


def test_a_root_moved_away_hints_no_more(
    tmp_path: Path, top: Path, sink: Recorder, watcher: Watcher
) -> None:
    top.rename(tmp_path / "away")
    eventually(lambda: sink.troubles == [Trouble.ROOT_GONE])
    assert watcher.watches == 0
    (tmp_path / "away/x.jpg").touch()
    top.mkdir()
    eventually(lambda: watcher.armed)
    caught_up(top, sink)
    assert sink.settled(b"x.jpg") is None


def test_a_root_whose_parent_is_replaced_is_armed_anew(tmp_path: Path, sink: Recorder) -> None:
    top = tmp_path / "parent/top"
    top.mkdir(parents=True)
    with Watcher({"r": top}, sink, ignored) as watcher:  # no event comes for this
        assert watcher.wait_armed(5)
        (tmp_path / "other/top").mkdir(parents=True)
        (tmp_path / "parent").rename(tmp_path / "gone")
        (tmp_path / "other").rename(tmp_path / "parent")
        eventually(lambda: Trouble.ROOT_CHANGED in sink.troubles)
        eventually(lambda: watcher.armed and sink.hinted(b""))
        (top / "x.jpg").touch()
        eventually(lambda: sink.settled(b"x.jpg"))


def test_a_missing_root_is_told_once_and_armed_when_it_appears(
    tmp_path: Path, sink: Recorder
) -> None:
    (tmp_path / "there").mkdir()
    with Watcher({"r": tmp_path / "top"}, sink, ignored) as watcher:
        started = time.monotonic()
        assert not watcher.wait_armed(30)
        assert time.monotonic() - started < 10  # it says so, it does not wait
        for _ in range(4):
            time.sleep(0.2)
            watcher.ensure()
        assert sink.troubles == [Trouble.ROOT_GONE]
        assert str(tmp_path) not in sink.details[0]
        (tmp_path / "top/a").mkdir(parents=True)
        eventually(lambda: watcher.armed == {"r"} and sink.hinted(b""))
        (tmp_path / "top/a/x.jpg").touch()
        eventually(lambda: sink.settled(b"a/x.jpg"))


def test_a_missing_root_does_not_stop_the_others(top: Path, tmp_path: Path) -> None:
    hints: list[tuple[str, bytes]] = []

    class Both(Recorder):
        def hint(self, root: str, path: bytes, *, settled: bool) -> None:  # noqa: ARG002
            hints.append((root, path))

        def trouble(self, root: str, trouble: Trouble, detail: str) -> None:  # noqa: ARG002
            assert root == "missing"

    roots = {"missing": tmp_path / "missing", "there": top}
    with Watcher(roots, Both(), ignored) as watcher:
        watcher.wait_armed(5)
        assert watcher.armed == {"there"}
        (top / "x.jpg").touch()
        eventually(lambda: ("there", b"x.jpg") in hints)


def test_a_root_may_be_a_link(tmp_path: Path, top: Path, sink: Recorder) -> None:
    (tmp_path / "link").symlink_to(top)
    with Watcher({"r": tmp_path / "link"}, sink, ignored) as watcher:
        assert watcher.wait_armed(5)
        (top / "x.jpg").touch()
        eventually(lambda: sink.settled(b"x.jpg"))


def test_an_error_of_the_sink_is_logged_once_and_stops_nothing(
    top: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Recorder):
        def hint(self, root: str, path: bytes, *, settled: bool) -> None:
            super().hint(root, path, settled=settled)
            raise ValueError("broken")

    sink = Broken()
    with Watcher({"r": top}, sink, ignored) as watcher:
        assert watcher.wait_armed(5)
        for name in ("a", "b", "c"):
            (top / name).touch()
            eventually(lambda name=name: sink.settled(os.fsencode(name)))  # type: ignore[misc]
        assert watcher.armed == {"r"}
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert sink.troubles == []


def test_an_error_of_ours_arms_the_root_anew(
    top: Path, sink: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    def fails_once(root: str, path: bytes, is_dir: bool) -> bool:  # noqa: FBT001
        if path == b"bad" and not sink.troubles:
            raise ValueError("bad")
        return ignored(root, path, is_dir)

    with Watcher({"r": top}, sink, fails_once) as watcher:
        assert watcher.wait_armed(5)
        (top / "bad").touch()
        eventually(lambda: sink.troubles == [Trouble.READER_DIED])
        eventually(lambda: watcher.armed and sink.hinted(b""))
        (top / "good").touch()
        eventually(lambda: sink.settled(b"good"))
    assert "The watcher of root 'r' failed" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_is_replaced(top: Path, sink: Recorder) -> None:
    def ends_once(root: str, path: bytes, is_dir: bool) -> bool:  # noqa: FBT001
        if path == b"bad" and not sink.troubles:
            raise SystemExit  # the one exception that ends a thread without a word
        return ignored(root, path, is_dir)

    with Watcher({"r": top}, sink, ends_once) as watcher:
        assert watcher.wait_armed(5)
        (top / "bad").touch()
        eventually(lambda: not watcher.armed)
        eventually(lambda: watcher.ensure() or (watcher.armed and sink.hinted(b"")))
        assert sink.troubles == [Trouble.READER_DIED]
        (top / "good").touch()
        eventually(lambda: sink.settled(b"good"))


def test_failing_again_and_again_waits_longer_and_longer(sink: Recorder) -> None:
    attempts: list[float] = []

    def arm() -> ArmedRoot:
        attempts.append(time.monotonic())
        raise Lost(Trouble.WATCH_LIMIT, "No.")

    keeper = RootKeeper("r", arm, SafeSink(sink))
    while len(attempts) < 3:
        keeper.turn(0.05)
    first, second, third = attempts
    assert second - first < 0.5
    assert third - second >= 1
    assert sink.troubles == [Trouble.WATCH_LIMIT]


def test_a_disk_that_comes_and_goes_is_watched_again_within_seconds(sink: Recorder) -> None:
    now, attempts = [100.0], []

    def arm() -> ArmedRoot:
        attempts.append(now[0])
        raise Lost(Trouble.ROOT_CHANGED, "another")

    keeper = RootKeeper("r", arm, SafeSink(sink), steady_clock=lambda: now[0])
    for _ in range(60):
        keeper.turn(0)
        now[0] += 1
    pauses = [after - before for before, after in pairwise(attempts)]
    assert pauses[:4] == [1, 1, 2, 4]
    assert max(pauses) == 4


# ---- starting and stopping ------------------------------------------------------------------


def test_changes_before_the_root_is_armed_are_left_to_the_first_scan(
    top: Path, sink: Recorder
) -> None:
    with Watcher({"r": top}, sink, ignored) as watcher:
        assert watcher.wait_armed(5)
        caught_up(top, sink)
    assert not any(path == b"" for _, path, _ in sink.hints)


def test_a_root_armed_after_the_wait_is_hinted_as_a_whole(top: Path) -> None:
    wait_over, sink = threading.Event(), Recorder()
    (top / "a").mkdir()

    def slow(_root: str, _path: bytes, _is_dir: bool) -> bool:  # noqa: FBT001
        return not wait_over.wait(10)

    with Watcher({"r": top}, sink, slow) as watcher:
        assert not watcher.wait_armed(0.05)
        wait_over.set()
        eventually(lambda: watcher.armed and sink.hinted(b""))


def test_events_are_hinted_while_a_large_tree_is_still_being_armed(
    top: Path, sink: Recorder
) -> None:
    for number in range(600):
        (top / f"{number}").mkdir()
    armed = ArmedRoot("r", top, SafeSink(sink), ignored)
    armed.turn(0)
    assert not armed.complete
    (top / "x.jpg").touch()
    armed.turn(0)
    assert sink.settled(b"x.jpg")
    for _ in range(3):
        armed.turn(0)
    assert armed.complete
    assert armed.watches == 601
    armed.close()


def test_stopping_is_quick_and_may_be_repeated(top: Path, sink: Recorder) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    watcher = Watcher({"r": top}, sink, ignored)
    watcher.stop()  # never started
    seconds = []
    for _ in range(3):
        watcher.start()
        watcher.start()
        assert watcher.wait_armed(5)
        started = time.monotonic()
        watcher.stop()
        watcher.stop()
        seconds.append(time.monotonic() - started)
        assert watcher.armed == set()
        assert watcher.watches == 0
    assert min(seconds) < 1  # a busy machine delays one of them, not all
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_sink_that_hangs_does_not_hold_up_the_stop(top: Path) -> None:
    hanging, go_on = threading.Event(), threading.Event()

    class Hanging(Recorder):
        def hint(self, root: str, path: bytes, *, settled: bool) -> None:  # noqa: ARG002
            hanging.set()
            go_on.wait(30)

    watcher = Watcher({"r": top}, Hanging(), ignored)
    watcher.start()
    assert watcher.wait_armed(5)
    (top / "a").touch()
    assert hanging.wait(20)
    started = time.monotonic()
    watcher.stop()
    assert time.monotonic() - started < 10
    go_on.set()


def test_the_stock_observer_hints_too(top: Path, tmp_path: Path, sink: Recorder) -> None:
    """What macOS and Windows get."""
    with Watcher({"r": top}, sink, ignored, inotify=False) as watcher:
        assert watcher.wait_armed(5)
        (top / "a.jpg").write_bytes(b"x")
        eventually(lambda: sink.settled(b"a.jpg"))
        (top / "a.jpg").rename(top / "b.jpg")
        eventually(lambda: sink.hinted(b"b.jpg"))
        (top / ".hidden").touch()
        (top / "b.jpg").unlink()
        eventually(lambda: sink.settled(b"b.jpg") is False)
        assert not sink.hinted(b".hidden")
        top.rename(tmp_path / "away")
        top.mkdir()
        watcher.ensure()
        assert sink.troubles == [Trouble.ROOT_CHANGED]
        assert sink.hinted(b"")
        (top / "c.jpg").touch()
        eventually(lambda: sink.settled(b"c.jpg"))
        shutil.rmtree(top)
        watcher.ensure()
        watcher.ensure()
        assert sink.troubles == [Trouble.ROOT_CHANGED, Trouble.ROOT_GONE]
        assert watcher.armed == set()


# ---- what needs a namespace of its own ------------------------------------------------------

SCRIPT = """
import os, subprocess, sys, time
from pathlib import Path
sys.path[:0] = [{here!r}, {tests!r}]
from test_watcher import Recorder, Trouble, Watcher, caught_up, eventually, ignored
top, sink = Path({top!r}), Recorder()
def run(*command): subprocess.run(command, check=True)
def limit(name, value): Path("/proc/sys/user/" + name).write_text(str(value))
"""


def in_a_namespace(flags: str, top: Path, script: str) -> None:
    if subprocess.run(["unshare", flags, "true"], capture_output=True, check=False).returncode:
        pytest.skip(f"this kernel does not permit 'unshare {flags}'")
    head = SCRIPT.format(here=str(HERE), tests=str(Path(__file__).parent), top=str(top))
    done = subprocess.run(
        ["unshare", flags, sys.executable, "-c", head + script],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr


def test_without_watches_left_the_rest_is_watched_and_told(top: Path) -> None:
    script = """
limit("max_inotify_watches", 50)
for number in range(100):
    (top / f"{number}/sub").mkdir(parents=True)
with Watcher({"r": top}, sink, ignored) as watcher:
    assert watcher.wait_armed(5)
    assert (watcher.watches, watcher.failed_watches) == (50, 151)
    assert sink.troubles == [Trouble.WATCH_LIMIT], sink.troubles
    assert "No space left" in sink.details[0]
    (top / "x.jpg").touch()
    eventually(lambda: sink.settled(b"x.jpg"))
    (top / "new").mkdir()  # one more without a watch: hinted, not told again
    eventually(lambda: sink.hinted(b"new") and watcher.failed_watches == 152)
    assert sink.troubles == [Trouble.WATCH_LIMIT], sink.troubles
"""
    in_a_namespace("-Ur", top, script)


def test_without_instances_left_it_says_so_and_tries_again(top: Path) -> None:
    script = """
limit("max_inotify_instances", 0)
with Watcher({"r": top}, sink, ignored) as watcher:
    assert not watcher.wait_armed(5)
    assert sink.troubles == [Trouble.WATCH_LIMIT], sink.troubles
    limit("max_inotify_instances", 10)
    eventually(lambda: watcher.armed and sink.hinted(b""), 10)
"""
    in_a_namespace("-Ur", top, script)


def test_an_unmounted_root_is_noticed_at_once(top: Path) -> None:
    script = """
LOST = {Trouble.UNMOUNT, Trouble.ROOT_CHANGED}
def noticed(*command):
    with Watcher({"r": top}, sink, ignored) as watcher:
        assert watcher.wait_armed(5)
        sink.troubles.clear()
        run(*command)
        eventually(lambda: LOST & set(sink.troubles))
        eventually(lambda: watcher.armed and sink.hinted(b""))
run("mount", "-t", "tmpfs", "none", top)
(top / "sub").mkdir()
noticed("umount", top)
noticed("mount", "-t", "tmpfs", "none", top)  # over the folder: inotify says nothing
with (top / "busy").open("w"):
    noticed("umount", "-l", top)  # says nothing either, until the file is closed
"""
    in_a_namespace("-Urm", top, script)


def test_a_disk_mounted_below_a_root_is_watched_and_its_unmounting_told(top: Path) -> None:
    script = """
(top / "disk").mkdir()
with Watcher({"r": top}, sink, ignored) as watcher:
    assert watcher.wait_armed(5)
    run("mount", "-t", "tmpfs", "none", top / "disk")
    eventually(lambda: sink.hinted(b"disk"))
    (top / "disk/sub").mkdir()
    eventually(lambda: watcher.watches == 3)
    (top / "disk/sub/x.jpg").touch()
    eventually(lambda: sink.settled(b"disk/sub/x.jpg"))
    sink.hints.clear()
    run("umount", top / "disk")
    eventually(lambda: sink.troubles == [Trouble.UNMOUNT])
    eventually(lambda: sink.hinted(b"disk") and watcher.watches == 2)
    assert "'r/disk'" in sink.details[0]
    (top / "disk/x.jpg").touch()
    eventually(lambda: sink.settled(b"disk/x.jpg"))
"""
    in_a_namespace("-Urm", top, script)
