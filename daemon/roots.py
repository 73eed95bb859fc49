"""Whether a root is the folder we know: nothing is deleted below one that is not.

The same is asked of every disk that is mounted below a root.
"""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.files import read_json, write_json
from core.paths import path_bytes, path_text
from core.records import IndexedStamp, Place
from daemon.identity import Identity, NoMarkerError, agrees, identity_of
from daemon.mounts import MountTable, below, holding

SAMPLE_AGAIN_SECONDS = 30
AGREEING_SHARE = 0.9
"""A restored or relocated root may lack a few files; another disk lacks nearly all of them."""

Stamps = Callable[[], Mapping[Place, IndexedStamp]]


class Roots:
    """Knows every root again, by file system, inode and a sample of its files."""

    def __init__(
        self,
        folders: Mapping[str, Path],
        file: Path,
        *,
        marker: str | None = None,
        steady_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`marker` is the name of a file that must be in every root."""
        self.folders = dict(folders)
        self._file = file
        self._marker = marker
        self._steady_clock = steady_clock
        self._trusted: dict[Place, tuple[int, int]] = {}
        """Recognised by a sample, for as long as generation and device number stay."""
        self._refused: dict[Place, tuple[Identity, int, float]] = {}
        """The identity that was refused last, in which generation, and until when it is not
        sampled again."""
        self._seen: dict[Place, tuple[Identity, int]] = {}
        """Identity and device number with which each was recognised last."""
        self._away: dict[str, tuple[int, float, dict[Place, str]]] = {}
        self._generation = 0
        self._table: MountTable | None
        try:
            self._table = MountTable()
        except OSError:  # no /proc
            self._table = None
        document = read_json(file)
        self._known: dict[str, Any] = document if isinstance(document, dict) else {}

    def close(self) -> None:
        """Idempotent."""
        if self._table:
            self._table.close()
            self._table = None

    @property
    def generation(self) -> int:
        """Grows with every change of a mount on this machine. What was seen in one generation was
        seen on one and the same disk."""
        self._generation += bool(self._table and self._table.changed())
        return self._generation

    def problem(self, root: str, stamps: Stamps) -> str | None:
        """Why the root must be left alone, as a sentence; None if it is healthy.

        `stamps` is called only for a root that has changed its identity: it must agree with what
        is indexed of it.
        """
        return self._verdict(
            root, lambda: self._recognised(Place(root, ""), self.folders[root], stamps)
        )

    def glance(self, root: str) -> str | None:
        """Of `problem` what can be told at once, without the index and from any thread: that the
        folder is not the one recognised last. None for a root that has not been recognised yet."""
        seen = self._seen.get(Place(root, ""))
        problem = self._verdict(root, lambda: self._as_seen(root, seen)) if seen else None
        # Recognised anew meanwhile: the news is what counts.
        return problem if seen is self._seen.get(Place(root, "")) else None

    def _verdict(self, root: str, recognised: Callable[[], bool]) -> str | None:
        folder = self.folders[root]
        try:
            if recognised():
                with os.scandir(folder) as entries:
                    next(entries, None)
                return None
        except NoMarkerError:
            return (
                f"The folder of root '{root}', {folder}, has no file {self._marker} "
                "(watch.marker): its disk is not mounted, or the file was never made."
            )
        except OSError as error:
            return (
                f"The folder of root '{root}', {folder}, cannot be read ({error.strerror}); "
                "its pictures stay indexed as they were."
            )
        return (
            f"The folder of root '{root}', {folder}, is not the one that was indexed: another "
            f"disk, or none, is mounted there. If it is right so, run: lookalike adopt {root}"
        )

    def _as_seen(self, root: str, seen: tuple[Identity, int]) -> bool:
        identity, device = identity_of(self.folders[root], self._marker)
        return (identity, device if not identity.file_system else seen[1]) == seen

    def away(self, root: str, stamps: Callable[[Place], Stamps]) -> dict[Place, str]:
        """Places below a healthy root whose disk is not mounted, or is another one; and why.

        `stamps(place)` reads what is indexed at and below a place.
        """
        now, generation = self._steady_clock(), self.generation
        seen_in, until, found = self._away.get(root, (-1, 0.0, {}))
        if seen_in != generation or (found and now >= until):
            found = self._look_for_disks(root, stamps)
            self._away[root] = (generation, now + SAMPLE_AGAIN_SECONDS, found)
        return found

    def shared(self, root: str) -> str | None:
        """The type of file system, of the root or below it, that others may change without a word
        to us; None if there is none, or it cannot be known."""
        if self._table is None:
            return None
        mounts = self._table.read()
        top = self._top(root)
        inside = [holding(mounts, top), *(mount for _, mount in below(mounts, top))]
        return next((mount.kind for mount in inside if mount and mount.shared), None)

    def adopt(self, root: str) -> None:
        """From now on the folder is the root, and the disks below it are its disks, whatever was
        there before."""
        identity, _ = identity_of(self.folders[root], self._marker)
        known = {k: v for k, v in self._known.items() if k.partition("/")[0] != root}
        known[root] = list(identity)
        for path in self._mounted(root):
            place = Place(root, path_text(path))
            known[str(place)] = list(identity_of(self._full(place))[0])
            self._refused.pop(place, None)
        self._refused.pop(Place(root, ""), None)
        self._away.pop(root, None)
        self._save(known)

    def _look_for_disks(self, root: str, stamps: Callable[[Place], Stamps]) -> dict[Place, str]:
        away = {}
        mounted = {Place(root, path_text(path)) for path in self._mounted(root)}
        for place in mounted:
            try:
                if not self._recognised(place, self._full(place), stamps(place)):
                    away[place] = (
                        "another disk is mounted there; "
                        f"if it is right so, run: lookalike adopt {root}"
                    )
            except OSError as error:
                away[place] = str(error.strerror)
        known = [Place(root, key.removeprefix(root + "/")) for key in self._known if "/" in key]
        for place in known:
            if str(place).startswith(root + "/") and place not in mounted and stamps(place)():
                away[place] = (
                    f"its disk is not mounted; if it has gone for good, run: lookalike adopt {root}"
                )
        return away

    def _mounted(self, root: str) -> set[bytes]:
        if self._table is None:
            return set()
        return {path for path, _ in below(self._table.read(), self._top(root))}

    def _top(self, root: str) -> bytes:
        return os.fsencode(self.folders[root].resolve())

    def _full(self, place: Place) -> Path:
        return self.folders[place.root] / os.fsdecode(path_bytes(place.path))

    def _recognised(self, place: Place, folder: Path, stamps: Stamps) -> bool:
        generation, marker = self.generation, None if place.path else self._marker
        identity, device = identity_of(folder, marker)
        known = self._known.get(str(place)) == list(identity)
        # Without an id, another disk of the same kind has the same identity: a sample must tell.
        if known and (identity.file_system or self._trusted.get(place) == (generation, device)):
            self._accept(place, identity, device)
            return True
        refused, then, until = self._refused.get(place, (None, 0, 0.0))
        now = self._steady_clock()
        if (refused, then) == (identity, generation) and now < until:
            return False
        indexed = stamps()
        share = 0 if known else AGREEING_SHARE
        if indexed and not agrees(self.folders[place.root], indexed, share):
            self._refused[place] = (identity, generation, now + SAMPLE_AGAIN_SECONDS)
            return False
        # The sample may be of a disk that was mounted after the first look.
        if identity_of(folder, marker) != (identity, device):
            return False
        if not known and self.generation != generation:
            return False
        self._trusted[place] = (generation, device)
        if not known:
            self._save({**self._known, str(place): list(identity)})
        self._accept(place, identity, device)
        return True

    def _accept(self, place: Place, identity: Identity, device: int) -> None:
        self._refused.pop(place, None)
        if self._seen.get(place) != (identity, device):
            self._seen[place] = (identity, device)

    def _save(self, known: dict[str, Any]) -> None:
        self._known = known
        write_json(self._file, known, durable=True)
