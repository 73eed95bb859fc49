"""F36: break every safety rule on purpose, and see a test fail.

`python -m tests.faults.mutants [WORDS]` copies the tree, makes one small edit at a time, and runs
the test named for it. Prints a table; the exit code is 1 if a mutant survives.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.faults.mutant import Mutant
from tests.faults.mutants_of_runs import RUNS
from tests.project import TOP

COPIED = ("core", "daemon", "cli", "tests", "pyproject.toml", "config.yaml", "dataset")


MACHINE = "tests/faults/test_machine.py"
ENGINE = "tests/faults/test_engine.py"
MUTANTS = [
    Mutant(
        "a root must be the one we know",
        "daemon/root_check.py", "return self._roots.problem(",
        "return None and self._roots.problem(",
        ENGINE,
    ),
    Mutant(
        "only ENOENT and ENOTDIR say that a file is gone",
        "daemon/scanner.py", "{errno.ENOENT, errno.ENOTDIR}",
        "{errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}", "tests/daemon/test_scanner.py",
    ),
    Mutant(
        "what a scan did not see is looked at once more",
        "daemon/deletions.py", "if place in stamps and place not in away and self._gone(place)",
        "if place in stamps", ENGINE,
    ),
    Mutant(
        "before and after it is read, a file must be what the scan saw",
        "core/reader.py",
        "return stat.S_ISREG(status.st_mode) and file_stamp(status) == stamp", "return True",
        "tests/core/test_reader.py",
    ),
    Mutant(
        "no symlink is followed",
        "core/reader.py", "deeper = os.open(part, flags | os.O_NOFOLLOW, dir_fd=descriptor)",
        "deeper = os.open(part, flags, dir_fd=descriptor)", "tests/core/test_reader.py",
    ),
    Mutant(
        "what was read too early is read again",
        "core/stores/stamps.py", "None if row.racy else row.stamp", "row.stamp",
        "tests/daemon/test_plan.py",
    ),
    Mutant(
        "what was read too early is read again, in a large table",
        "core/stores/lance_stamps.py", "files[paths[row - start]] = None", "pass",
        "tests/core/stores/test_lance_stamps.py",
    ),
    Mutant(
        "a changed file is indexed anew",
        "daemon/plan.py", "if known == numbers and path not in rejected:",
        "if known is not _NO_ROW and path not in rejected:", "tests/daemon/test_plan.py",
    ),
    Mutant(
        "a row without a file goes",
        "daemon/plan.py", "[place for place in places if place in within]", "[]", MACHINE,
    ),
    Mutant(
        "a row outside the places asked for stays",
        "daemon/plan.py", "[place for place in places if place in within]", "places",
        "tests/daemon/test_plan.py",
    ),
    Mutant(
        "a rejected file is tried again when it changes",
        "daemon/plan.py", "if rejection and rejection.stamp == stamp and", "if rejection and",
        "tests/daemon/test_plan.py",
    ),
    Mutant(
        "an old result never overwrites a newer one",
        "daemon/row_writer.py", "if not self._monitor.superseded(row.place)]", "]", ENGINE,
    ),
    Mutant(
        "deletions come last",
        "daemon/sync.py",
        "        outcome = self._ingest.run(",
        "        self._deletions.delete(root, plan.absent, stamps, monitor, report)\n"
        "        outcome = self._ingest.run(",
        ENGINE,
    ),
    Mutant(
        "many deletions are held",
        "daemon/holds.py", "lately + len(doubtful) <= limit" , "True", "tests/daemon/test_holds.py",
    ),
    Mutant(
        "the last picture of a root is held",
        "daemon/holds.py", "if self._share < 1 and len(allowed) >= rows:", "if False:",
        "tests/daemon/test_holds.py",
    ),
    Mutant(
        "what is held as lost goes once it is found elsewhere",
        "daemon/sync.py",
        "self._deletions.release_moved(outcome.found_again, monitor, report)", "pass", ENGINE,
    ),
    Mutant(
        "held files that are there but broken can be approved",
        "daemon/deletions.py",
        "if place not in within or place in still or place not in stamps:",
        "if place not in within:", ENGINE,
    ),
    Mutant(
        "a moved file under way is not embedded twice",
        "daemon/known.py", "elif known := self._under_way.around(digest):",
        "elif known := None:", ENGINE,
    ),
    Mutant(
        "what was overtaken on its way from the model is remembered",
        "daemon/row_writer.py", "self._keep(self.fresh.keys() - {row.digest for row in rows})",
        "pass", "-k away_for_a_moment tests/faults/test_engine.py",
    ),
    Mutant(
        "what the store did not take is remembered",
        "daemon/ingest.py", "                self._remember_embedded()\n",
        "                pass\n", "-k store_fails tests/faults/test_engine.py",
    ),
    Mutant(
        "overwritten rows are remembered",
        "daemon/row_writer.py",
        "        self._recent.keep_rows(self._index, self._overwritten(rows))\n", "",
        ENGINE,
    ),
    Mutant(
        "deleted rows are remembered",
        "daemon/deletions.py", "            self._recent.keep_rows(self._index, batch)\n", "",
        ENGINE,
    ),
    Mutant(
        "a place that was hinted is looked at",
        "daemon/debouncer.py", "ready[place] = self._entries.pop(place).since\n",
        "self._entries.pop(place)\n",
        "tests/daemon/test_debouncer.py",
    ),
    Mutant(
        "a young file is left alone",
        "daemon/sync.py", "if young and place not in waited_for:", "if False:", ENGINE,
    ),
    Mutant(
        "without an id of the file system, a sample must agree",
        "daemon/roots.py", "(identity.file_system or self._trusted", "(True or self._trusted",
        "tests/daemon/test_roots.py",
    ),
    Mutant(
        "a disk that was away for a moment is no evidence",
        "daemon/deletions.py", "if self._check.generation != generation:", "if False:", ENGINE,
    ),
    Mutant(
        "a disk below a root is known like the root",
        "daemon/roots.py", "        return away\n", "        return {}\n",
        "tests/faults/test_nested_disks.py",
    ),
    Mutant(
        "a marker that is asked for must be there",
        "daemon/identity.py", "if marker else None", "if False else None",
        "tests/daemon/test_roots.py",
    ),
    Mutant(
        "a name in another spelling is another name",
        "daemon/spelling.py", "in _other_spellings(name):", "in ():",
        "tests/daemon/test_spelling.py",
    ),
    Mutant(
        "a watcher that hears nothing is replaced",
        "daemon/canary.py", "silent.append(root)", "pass", "tests/daemon/test_canary.py",
    ),
    Mutant(
        "a file from the future does not wait until its time has come",
        "daemon/sync.py", "young = 0 <= now_ns - stamp.ctime_ns <",
        "young = now_ns - stamp.ctime_ns <", "-k future tests/faults/test_engine.py",
    ),
    Mutant(
        "a file from the future is not read again and again",
        "core/reader.py", "<= stamp.ctime_ns <= started_ns + _COARSE_TICK_NS",
        "<= stamp.ctime_ns", "tests/core/test_reader.py",
    ),
    Mutant(
        "times are compared for equality, never for order",
        "daemon/plan.py", "if known == numbers and path not in rejected:",
        "if known and known[1:2] >= numbers[1:2] and path not in rejected:",
        "-k older_file tests/faults/test_engine.py",
    ),
    Mutant(
        "what cannot be listed is unknown, not empty",
        "daemon/sync.py", "if place not in unknown]", "]", ENGINE,
    ),
    Mutant(
        "the whole root is looked at after lost events",
        "daemon/debouncer.py", "        self.add(whole, now)\n", "        pass\n",
        "tests/daemon/test_debouncer.py",
    ),
    Mutant(
        "an error is no absence",
        "daemon/scanner.py", "{errno.ENOENT, errno.ENOTDIR}",
        "{errno.ENOENT, errno.ENOTDIR, errno.EIO}", ENGINE,
    ),
    Mutant(
        "only regular files are pictures",
        "daemon/scanner.py", "if plain(name) and entry.is_file(follow_symlinks=False):",
        "if plain(name):", "tests/daemon/test_scanner.py",
    ),
    Mutant(
        "a link to a folder is no folder",
        "daemon/scanner.py", "elif entry.is_dir(follow_symlinks=False):", "elif entry.is_dir():",
        "tests/daemon/test_scanner.py",
    ),
    Mutant(
        "lost events are noticed",
        "daemon/armed_root.py", "if mask & IN_Q_OVERFLOW:", "if False:",
        "tests/daemon/test_watcher.py",
    ),
    Mutant(
        "new folders are watched",
        "daemon/armed_root.py",
        "self._walks.append(_Walk(path, settled=bool(mask & IN_MOVED_TO)))", "pass",
        "tests/daemon/test_watcher.py",
    ),
    Mutant(
        "all is compared again and again",
        "daemon/pace.py", "        return self._rescan_seconds\n",
        "        return 1e9\n", "-k lost_event tests/faults/test_churn.py",
    ),
    Mutant(
        "a root must be the one we know, on a real disk",
        "daemon/root_check.py", "return self._roots.problem(",
        "return None and self._roots.problem(", "tests/faults/test_disks.py",
    ),
    Mutant(
        "a root that has gone is noticed while the loop is busy",
        "daemon/sentry.py", "self._tell(root, problem)", "pass",
        "-k busy tests/faults/test_disks.py",
    ),
    Mutant(
        "one failing look is no lost disk",
        "daemon/sentry.py", "if self._glance(root) and not", "if not",
        "tests/daemon/test_sentry.py",
    ),
    Mutant(
        "a sample counts for the disk it was taken of",
        "daemon/roots.py", "if identity_of(folder, marker) != (identity, device):", "if False:",
        "tests/daemon/test_roots.py",
    ),
    Mutant(
        "a disk that comes and goes is watched again soon",
        "daemon/root_keeper.py", "if disk else LONGEST_BACKOFF_SECONDS", "if False else 60",
        "tests/daemon/test_watcher.py",
    ),
    Mutant(
        "many deletions are held, by a real daemon",
        "daemon/holds.py", "lately + len(doubtful) <= limit", "True",
        "tests/faults/test_mass_deletion.py",
    ),
    Mutant(
        "running out of watches is said",
        "daemon/watched_tree.py", "                wd = _NONE_LEFT\n", "                pass\n",
        "-m faults -k watches tests/faults/test_limits.py",
    ),
    Mutant(
        "a thread that has died is replaced",
        "daemon/board.py", "if not (self._thread and self._thread.is_alive()):",
        "if not self._thread:", "-m faults -k status tests/faults/test_threads.py",
    ),
    Mutant(
        "damaged notes are lost notes",
        "core/files.py", "    except (OSError, ValueError):\n        return None",
        "    except OSError:\n        return None",
        "-m faults -k corrupted tests/faults/test_store_and_clock.py",
    ),
    Mutant(
        "an unlisted name in another spelling, on a share",
        "daemon/spelling.py", "in _other_spellings(name):", "in ():",
        "-k any_case tests/faults/test_share.py",
    ),
    *RUNS,
]  # fmt: skip


def main(words: Iterable[str]) -> int:
    """The exit code."""
    wanted = " ".join(words)
    alive = 0
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        for name in COPIED:
            source = TOP / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, copy / name)
        print("| rule | killed by | took |\n| --- | --- | --- |")
        for mutant in [each for each in MUTANTS if wanted in each.rule]:
            started = time.monotonic()
            killer = _killer(copy, mutant)
            alive += not killer
            verdict = killer or "**nothing: it survives**"
            print(f"| {mutant.rule} | {verdict} | {time.monotonic() - started:.1f} s |", flush=True)
    print(f"\n{len(MUTANTS)} mutants, {alive} alive" if not wanted else f"\n{alive} alive")
    return int(alive > 0)


def _killer(copy: Path, mutant: Mutant) -> str | None:
    """The test that fails."""
    file = copy / mutant.file
    text = file.read_text()
    assert text.count(mutant.old) == 1, f"{mutant.file} has not one {mutant.old!r}"
    try:
        file.write_text(text.replace(mutant.old, mutant.new))
        test = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider",
             *mutant.test.split()],
            cwd=copy, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
    finally:
        file.write_text(text)
    assert test.returncode in (0, 1), test.stdout + test.stderr
    if test.returncode == 0:
        return None
    failed = [line for line in test.stdout.splitlines() if line.startswith("FAILED ")]
    if not failed:
        return f"a time limit: {mutant.test}"
    return failed[0].removeprefix("FAILED ").partition(" - ")[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
