"""Makes the fixtures of the format that the code at hand writes: `python -m tests.formats.make`.

Run once, before the number changes; the folder it makes is committed and never made anew.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from core import backup, stores
from tests.pictures import jpeg
from tests.project import Project

HERE = Path(__file__).parent
PICTURES = 6


def main() -> None:
    """Pictures, their index in LanceDB, and a backup of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=HERE)
    top = parser.parse_args().into
    into = top / f"index-{stores.FORMAT}"
    with tempfile.TemporaryDirectory() as work:
        project = Project(Path(work) / "project")
        for number in range(PICTURES):
            file = project.dataset / f"{number % 2}" / f"{number}.jpg"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(jpeg(number))
            os.utime(file, ns=(10**18, 10**18))
        project.cli("sync")
        project.cli("verify")
        project.cli("backup", top / f"backup-{backup.FORMAT}.lookalike")
        shutil.copytree(project.dataset, into / "dataset")
        shutil.copytree(project.folder / "var/index", into / "index")
        (into / "index" / "daemon.lock").unlink()
    sys.stdout.write(f"{into}\n")


if __name__ == "__main__":
    main()
