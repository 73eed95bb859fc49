import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.mounts import Mount, Mounts, MountTable, below, holding

MOUNT = """
import os, select, subprocess, sys
sys.path.insert(0, sys.argv[2])
from daemon.mounts import Mounts
top = sys.argv[1]
os.mkdir(top + "/a b")
mounts = Mounts(os.fsencode(top))
poll = select.poll()
poll.register(mounts.fileno(), select.POLLPRI | select.POLLERR)
assert poll.poll(0) == []
subprocess.run(["mount", "-t", "tmpfs", "none", top + "/a b"], check=True)
assert poll.poll(1000)
assert mounts.changed() == ({b"a b"}, set())
assert mounts.changed() == (set(), set())
subprocess.run(["umount", "-l", top + "/a b"], check=True)
assert poll.poll(1000)
assert mounts.changed() == (set(), {b"a b"})
subprocess.run(["mount", "-t", "tmpfs", "none", top], check=True)
assert mounts.changed() == (set(), set())  # of the top itself: found by its identity
"""


def test_mounts_below_a_folder_are_noticed(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel lets nobody mount in a namespace of their own")
    here = Path(__file__).parents[2]
    subprocess.run(
        ["unshare", "-Urm", sys.executable, "-c", MOUNT, str(tmp_path), str(here)], check=True
    )


def test_mounts_elsewhere_do_not_matter(tmp_path: Path) -> None:
    mounts = Mounts(os.fsencode(tmp_path))
    assert mounts.changed() == (set(), set())
    mounts.close()


def test_the_mount_on_top_holds_the_folder() -> None:
    mounts = [
        Mount(b"1", b"/", "ext4"),
        Mount(b"2", b"/data", "xfs"),
        Mount(b"3", b"/data", "nfs4"),
        Mount(b"4", b"/data/a", "tmpfs"),
    ]
    assert holding(mounts, b"/data/b") == mounts[2]
    assert holding(mounts, b"/data/a") == mounts[3]
    assert holding(mounts, b"/database") == mounts[0]
    assert below(mounts, b"/data") == [(b"a", mounts[3])]
    assert [path for path, _ in below(mounts, b"/")] == [b"data", b"data", b"data/a"]


@pytest.mark.parametrize(
    ("kind", "shared"),
    [
        *[(kind, True) for kind in ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse")],
        *[(kind, False) for kind in ("ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuseblk")],
    ],
)
def test_file_systems_that_others_write_to_are_known(kind: str, *, shared: bool) -> None:
    assert Mount(b"1", b"/", kind).shared is shared


def test_the_table_of_this_machine_is_read() -> None:
    table = MountTable()
    proc = holding(table.read(), b"/proc")
    assert proc is not None
    assert proc.kind == "proc"
    table.close()
