from pathlib import Path

import numpy as np

from daemon.recent import KEEP_SECONDS, RecentlyDeleted

VECTOR = np.array([0.6, 0.8], np.float32)


def test_a_deleted_vector_is_found_by_content_and_embedder(tmp_path: Path) -> None:
    recent = RecentlyDeleted(tmp_path / "r.sqlite")
    recent.keep("m", [("d1", VECTOR, b"jpeg"), ("d2", VECTOR, None)])
    found = recent.find("m", ["d1", "d2", "d3"])
    assert found["d1"][1] == b"jpeg"
    assert found["d2"][1] is None
    np.testing.assert_array_equal(found["d1"][0], VECTOR)
    assert recent.find("other", ["d1"]) == {}
    recent.close()


def test_old_rows_and_too_many_rows_go(tmp_path: Path) -> None:
    now = [0.0]
    recent = RecentlyDeleted(tmp_path / "r.sqlite", clock=lambda: now[0], max_bytes=5000)
    recent.keep("m", [("old", VECTOR, None)])
    now[0] = KEEP_SECONDS + 1.0
    recent.keep("m", [("first", VECTOR, bytes(4000))])
    now[0] += 1
    recent.keep("m", [("second", VECTOR, bytes(4000))])
    recent.prune()
    assert recent.find("m", ["old", "first", "second"]).keys() == {"second"}
    recent.forget()
    assert recent.find("m", ["second"]) == {}
    recent.close()


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "r.sqlite").write_bytes(b"rubbish" * 1000)
    recent = RecentlyDeleted(tmp_path / "r.sqlite")
    assert recent.find("m", ["d"]) == {}
    recent.close()
