"""A daemon broken on purpose, once for each fault test that had never been seen to fail."""

from tests.faults.mutant import Mutant

RUNS = [
    Mutant(
        "F2: a daemon that was killed compares everything when it starts",
        "daemon/pace.py", "        self._next_scan = self._next_build = self._not_before = _NOW\n",
        "        self._next_scan = 1e9\n        self._next_build = self._not_before = _NOW\n",
        "-m faults tests/faults/test_churn.py::test_churn_with_sigkills[4-400]",
    ),
    Mutant(
        "F3: a row written twice is one row",
        "core/stores/lance_rows.py", "merge.use_index(use_index=False).execute(rows)",
        "table.add(rows)",
        "-m faults tests/faults/test_crash_points.py::test_killed_at[rows-before]",
    ),
    Mutant(
        "F8: a root must be the one we know, in the middle of work",
        "daemon/root_check.py", "return self._roots.problem(",
        "return None and self._roots.problem(",
        "-m faults tests/faults/test_disks.py::test_unmounted_in_the_middle_of_work[400-5]",
    ),
    Mutant(
        "F12: new folders are watched, as fast as they are made",
        "daemon/armed_root.py",
        "self._walks.append(_Walk(path, settled=bool(mask & IN_MOVED_TO)))", "pass",
        "-m faults tests/faults/test_files.py::test_folders_made_as_fast_as_possible[100]",
    ),
    Mutant(
        "F13: known bytes cost no embedding",
        "daemon/known.py", " if digest in vectors:\n", " if False:\n",
        "tests/faults/test_files.py::test_a_folder_moved_every_way[300]",
    ),
    Mutant(
        "F14: half a picture is no picture",
        "core/images.py", "        picture.load()\n",
        "        from PIL import ImageFile\n\n"
        "        ImageFile.LOAD_TRUNCATED_IMAGES = True\n        picture.load()\n",
        "tests/faults/test_files.py::test_no_vector_of_half_a_picture[12-0.5]",
    ),
    Mutant(
        "F15: hidden names are no pictures",
        "core/candidates.py",
        "name.startswith((b\".\", _NEVER_BEGINS))", "name.startswith(_NEVER_BEGINS)",
        "-k hidden tests/faults/test_programs.py",
    ),
    Mutant(
        "F16: a call that fails is no absence",
        "daemon/scanner.py", "{errno.ENOENT, errno.ENOTDIR}",
        "{errno.ENOENT, errno.ENOTDIR, errno.EIO}",
        "-m faults tests/faults/test_system_calls.py::test_system_calls_fail[a-few-seconds]",
    ),
    Mutant(
        "F18: what has failed is tried again soon",
        "daemon/pace.py",
        "min(LONGEST_BACKOFF_SECONDS, max(1.0, self._backoff_seconds * 2))", "1e6",
        "-m faults tests/faults/test_store_and_clock.py::test_the_store_is_away[360-800]",
    ),
    Mutant(
        "F22: a bad file is rejected, and said so",
        "daemon/outcome.py",
        "            case ImageError():\n", "            case SystemError():\n",
        "tests/faults/test_load.py::test_bad_files_among_good_ones[40-14]",
    ),
    Mutant(
        "F27: a status that cannot be written ends nothing",
        "daemon/board.py", "            OSError\n", "            ZeroDivisionError\n",
        "-k notes tests/faults/test_full_disk.py",
    ),
    Mutant(
        "F30: a file that was closed waits less",
        "daemon/armed_root.py", "batch.hints[path] = bool(mask & (IN_CLOSE_WRITE | IN_MOVED_TO))",
        "batch.hints[path] = False",
        "-m faults tests/faults/test_load.py::test_latency_on_an_idle_machine",
    ),
    Mutant(
        "F32: a daemon that is asked to stops",
        "daemon/service.py", "            while not engine.stop.is_set():\n",
        "            while True:\n",
        "-m faults tests/faults/test_load.py::test_a_stop_under_load[0.3]",
    ),
    Mutant(
        "F35: new folders are watched, whatever the churn",
        "daemon/armed_root.py",
        "self._walks.append(_Walk(path, settled=bool(mask & IN_MOVED_TO)))", "pass",
        "-m faults -k UTF tests/faults/test_event_layers.py",
    ),
]  # fmt: skip
