"""Thumbnails beside the Lance tables: one file per digest.

Files, not a table: Lance never finishes a fragment below 1 Mi rows, so each compaction would write
every thumbnail anew (1.1 GB at 100,000), and without compaction reading slows with every commit.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

_FILE = re.compile(r"([0-9a-f]{62})\.jpg")


class ThumbnailFolder:
    """JPEG files at `aa/bbbb….jpg`, where aabbbb… is the digest. Failures are OSErrors."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, thumbnails: Mapping[str, bytes]) -> None:
        """Write those that are not there yet."""
        for digest, jpeg in thumbnails.items():
            file = self._file(digest)
            # A file of no bytes is what a power cut leaves.
            with suppress(FileNotFoundError):
                if file.stat().st_size:
                    continue
            unfinished = file.with_suffix(".part")
            try:
                unfinished.write_bytes(jpeg)
            except FileNotFoundError:  # there are 256 folders, and many thousands of files
                file.parent.mkdir(parents=True, exist_ok=True)
                unfinished.write_bytes(jpeg)
            unfinished.replace(file)  # in one step: readers see all of it or nothing

    def read(self, digests: Collection[str]) -> dict[str, bytes]:
        """The bytes of those that are there."""
        found = {}
        for digest in digests:
            with suppress(FileNotFoundError, NotADirectoryError):
                if jpeg := self._file(digest).read_bytes():
                    found[digest] = jpeg
        return found

    def digests(self) -> Iterator[str]:
        """Every digest that has a file."""
        for folder in self._subfolders():
            for file in folder.iterdir():
                if match := _FILE.fullmatch(file.name):
                    yield folder.name + match[1]

    def delete(self, digests: Collection[str]) -> None:
        """Delete the files of these digests, and what a killed writer left unfinished."""
        for digest in digests:
            self._file(digest).unlink(missing_ok=True)
        for folder in self._subfolders():
            for unfinished in folder.glob("*.part"):
                unfinished.unlink(missing_ok=True)

    def _subfolders(self) -> list[Path]:
        try:
            return [entry for entry in self._folder.iterdir() if entry.is_dir()]
        except FileNotFoundError:
            return []

    def _file(self, digest: str) -> Path:
        return self._folder / digest[:2] / f"{digest[2:]}.jpg"
