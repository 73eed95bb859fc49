"""Counts what lies below a root, with the function that the scan itself uses."""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from core.candidates import Candidates
from core.paths import path_bytes
from core.records import FileStamp, Place
from daemon.scanner import Findings, Scanner

SAMPLE = 64
"""Pictures that are decoded to learn how fast that goes."""
_SHOW_EVERY = 500


@dataclass
class Tree:
    """One root."""

    pictures: int = 0
    size_bytes: int = 0
    findings: Findings = field(default_factory=Findings)
    unreadable: int = 0
    """Pictures that this user may not read."""
    first_unreadable: Place | None = None
    latest_ns: int = 0
    """When the kernel last noted a change of a picture: nobody can set this time."""
    sample: list[tuple[Place, FileStamp]] = field(default_factory=list)


def count(root: str, folder: Path, candidates: Candidates, show: Callable[[int], None]) -> Tree:
    """Look at all of it, open nothing."""
    tree = Tree()
    base = os.fsencode(folder) + b"/"
    dice = random.Random(root)  # the same pictures each time, so that figures can be compared
    listings = Scanner(root, folder, candidates).look(Place(root, ""), tree.findings)
    seen = ((Place(root, path), FileStamp(*n)) for listing in listings for path, n in listing.files)
    for place, stamp in seen:
        if tree.pictures % _SHOW_EVERY == 0:
            show(tree.pictures)
        tree.pictures += 1
        tree.size_bytes += stamp.size_bytes
        tree.latest_ns = max(tree.latest_ns, stamp.ctime_ns)
        if not os.access(base + path_bytes(place.path), os.R_OK):
            tree.unreadable += 1
            tree.first_unreadable = tree.first_unreadable or place
        # Each picture is in the sample with the same chance, however many follow.
        if len(tree.sample) < SAMPLE:
            tree.sample.append((place, stamp))
        elif (at := dice.randrange(tree.pictures)) < SAMPLE:
            tree.sample[at] = (place, stamp)
    return tree
