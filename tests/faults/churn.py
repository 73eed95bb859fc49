"""Many threads that do to a tree whatever can be done to files and folders, all at once."""

import ctypes
import mmap
import os
import random
import shutil
import threading
import time
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from tests.pictures import jpeg

AT_FDCWD, RENAME_EXCHANGE = -100, 2
FOLDERS = [b"d%d" % n for n in range(6)] + [b"d\xff", "é".encode(), b"with blank"]
PICTURES = 150
_libc = ctypes.CDLL(None, use_errno=True)


@cache
def picture(seed: int) -> bytes:
    """Tiny, and one of few: copies and moves of equal bytes are part of the mess."""
    return jpeg(seed % PICTURES, (24, 16))


class Churn:
    """`run` returns when every thread has done its share, not counting what failed.

    What it did depends on the seed, what came of it also on how the threads met."""

    def __init__(
        self,
        tree: Path,
        outside: Path,
        seed: int,
        *,
        operations: int,
        threads: int = 16,
        utf8_only: bool = False,
    ) -> None:
        """`outside` is a folder of the same file system that nobody watches."""
        outside.mkdir(exist_ok=True)
        self._tree, self._outside = os.fsencode(tree), os.fsencode(outside)
        self._seed = seed
        self._utf8_only = utf8_only
        self._each = operations // threads
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(threads)]

    def run(self, pause_seconds: float = 0) -> float:
        """The seconds it took. `pause_seconds`: on average between two operations of a thread."""
        self._pause_seconds = pause_seconds
        started = time.monotonic()
        self.start()
        self.join()
        return time.monotonic() - started

    def start(self, pause_seconds: float = 0) -> None:
        """In the background."""
        self._pause_seconds = pause_seconds
        for thread in self._threads:
            thread.start()

    @property
    def busy(self) -> bool:
        """Whether a thread is at work."""
        return any(thread.is_alive() for thread in self._threads)

    def join(self) -> None:
        """Wait for the end; every file may be read then."""
        for thread in self._threads:
            thread.join()
        for parent, folders, names in os.walk(self._tree):
            for name in folders + names:
                with suppress(OSError):
                    path = os.path.join(parent, name)
                    if not os.path.islink(path):
                        os.chmod(path, 0o755)

    def _work(self, number: int) -> None:
        dice = random.Random(f"{self._seed}/{number}")
        acts = [act for act, weight in ACTS for _ in range(weight)]
        done = 0
        while done < self._each:
            act = dice.choice(acts)
            with suppress(OSError, shutil.Error, ValueError):  # somebody else was faster
                act(self, dice)
                done += 1
            if self._pause_seconds:
                time.sleep(dice.uniform(0, 2 * self._pause_seconds))

    # ---- names ------------------------------------------------------------------------------

    def _folder(self, dice: random.Random) -> bytes:
        depth = dice.choice([0, 1, 1, 2, 3])
        names = (self._spelled(dice.choice(FOLDERS)) for _ in range(depth))
        return os.path.join(self._tree, *names)

    def _spelled(self, name: bytes) -> bytes:
        return name.decode("utf-8", "ignore").encode() if self._utf8_only else name

    def _file(self, dice: random.Random) -> bytes:
        number = dice.randrange(40)
        name = dice.choice(
            [
                b"%d.jpg" % number,
                b"%d.jpg" % number,
                b"%d.jpg" % number,
                b"%d.JPG" % number,
                b"caf\xe9%d.jpg" % number,
                f"café{number}.jpg".encode(),
                unicodedata.normalize("NFD", f"café{number}.jpg").encode(),
                b"back\\slash\n%d.jpeg" % number,
                b"%d.txt" % number,
                b".%d.jpg.tmp" % number,
            ]
        )
        return os.path.join(self._folder(dice), self._spelled(name))

    # ---- what can be done -------------------------------------------------------------------

    def create(self, dice: random.Random) -> None:
        file = self._file(dice)
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "wb") as stream:
            stream.write(picture(dice.randrange(PICTURES)))

    def write_in_parts(self, dice: random.Random) -> None:
        data = picture(dice.randrange(PICTURES))
        with open(self._file(dice), "wb") as stream:
            for start in range(0, len(data), 200):
                stream.write(data[start : start + 200])
                stream.flush()
                time.sleep(dice.choice([0, 0, 0.001, 0.05]))

    def append(self, dice: random.Random) -> None:
        with open(self._file(dice), "r+b") as stream:
            stream.seek(0, os.SEEK_END)
            stream.write(dice.randbytes(8))

    def overwrite(self, dice: random.Random) -> None:
        with open(self._file(dice), "r+b") as stream:
            stream.seek(20)
            stream.write(dice.randbytes(1))

    def truncate(self, dice: random.Random) -> None:
        file = self._file(dice)
        os.truncate(file, os.path.getsize(file) * 2 // 3)

    def map_and_write(self, dice: random.Random) -> None:
        with open(self._file(dice), "r+b") as stream, mmap.mmap(stream.fileno(), 0) as memory:
            memory[-1] = dice.randrange(256)

    def replace(self, dice: random.Random) -> None:
        file = self._file(dice)
        temporary = file + b".%d.part" % dice.randrange(100)
        with open(temporary, "wb") as stream:
            stream.write(picture(dice.randrange(PICTURES)))
        os.replace(temporary, file)

    def rename_file(self, dice: random.Random) -> None:
        os.rename(self._file(dice), self._file(dice))

    def rename_case(self, dice: random.Random) -> None:
        file = self._file(dice)
        os.rename(file, file.swapcase() if b"/" not in file else _swap(file))

    def rename_folder(self, dice: random.Random) -> None:
        source, target = self._folder(dice), self._folder(dice)
        if self._tree not in (source, target):  # a root that is another folder is another root
            os.rename(source, target)

    def folder_over_folder(self, dice: random.Random) -> None:
        source, target = self._folder(dice), self._folder(dice)
        if self._tree not in (source, target):
            shutil.rmtree(target)
            os.rename(source, target)

    def move_out(self, dice: random.Random) -> None:
        source = dice.choice([self._folder, self._file])(dice)
        if source != self._tree:
            os.rename(source, os.path.join(self._outside, b"%d" % dice.randrange(8)))

    def move_in(self, dice: random.Random) -> None:
        source = os.path.join(self._outside, b"%d" % dice.randrange(8))
        target = (self._folder if os.path.isdir(source) else self._file)(dice)
        if target != self._tree:
            os.rename(source, target)

    def exchange(self, dice: random.Random) -> None:
        pick = dice.choice([self._file, self._folder])
        paths = pick(dice), dice.choice([self._file, pick])(dice)
        if self._tree not in paths:
            _libc.renameat2(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE)

    def copy(self, dice: random.Random) -> None:
        shutil.copy2(self._file(dice), self._file(dice))

    def copy_folder(self, dice: random.Random) -> None:
        source, target = self._folder(dice), self._folder(dice)
        if source != self._tree and not target.startswith(source):
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)

    def delete(self, dice: random.Random) -> None:
        os.unlink(self._file(dice))

    def delete_folder(self, dice: random.Random) -> None:
        folder = self._folder(dice)
        if folder != self._tree:
            shutil.rmtree(folder)

    def link(self, dice: random.Random) -> None:
        os.link(self._file(dice), self._file(dice))

    def link_symbolically(self, dice: random.Random) -> None:
        target = dice.choice([b"..", b"nowhere", self._tree, self._file(dice)])
        os.symlink(target, self._file(dice))

    def forbid(self, dice: random.Random) -> None:
        file = self._file(dice)
        if not os.path.islink(file):
            os.chmod(file, dice.choice([0, 0o644]))

    def touch(self, dice: random.Random) -> None:
        times = dice.choice([(0, 0), (10**9, 10**9), (4 * 10**9, 4 * 10**9)])
        os.utime(self._file(dice), times, follow_symlinks=False)

    def file_and_folder(self, dice: random.Random) -> None:
        file = self._file(dice)
        if os.path.isdir(file):
            shutil.rmtree(file)
            with open(file, "wb") as stream:
                stream.write(picture(dice.randrange(PICTURES)))
        else:
            os.unlink(file)
            os.mkdir(file)
            with open(os.path.join(file, b"inside.jpg"), "wb") as stream:
                stream.write(picture(dice.randrange(PICTURES)))


def _swap(file: bytes) -> bytes:
    folder, name = os.path.split(file)
    return os.path.join(folder, name.swapcase())


ACTS: list[tuple[Callable[[Churn, random.Random], None], int]] = [
    (Churn.create, 12),
    (Churn.write_in_parts, 2),
    (Churn.append, 4),
    (Churn.overwrite, 3),
    (Churn.truncate, 2),
    (Churn.map_and_write, 2),
    (Churn.replace, 5),
    (Churn.rename_file, 6),
    (Churn.rename_case, 2),
    (Churn.rename_folder, 2),
    (Churn.folder_over_folder, 1),
    (Churn.move_out, 2),
    (Churn.move_in, 3),
    (Churn.exchange, 3),
    (Churn.copy, 3),
    (Churn.copy_folder, 1),
    (Churn.delete, 5),
    (Churn.delete_folder, 1),
    (Churn.link, 3),
    (Churn.link_symbolically, 2),
    (Churn.forbid, 2),
    (Churn.touch, 3),
    (Churn.file_and_folder, 1),
]
