"""How fast pictures come into the index on this machine: measured on some of them."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from cli.doctor.facts import Facts, Pace
from core.bootstrap import open_decoder
from core.decoder import Decoder, Picture
from core.embedders import Embedder
from core.errors import DecoderError, ImageError
from core.preprocess import Preprocessing
from core.reader import ChangingError, read_content
from core.records import FileStamp, Place

_DECODING_SECONDS = 2.0
_EMBEDDING_SECONDS = 3.0
_FEWEST_PICTURES = 64
"""A tree of fewer than can be tried in that time is not worth the precision."""

Pixels = NDArray[np.uint8]


def measure(facts: Facts, embedder: Embedder, *, on_cpu: bool) -> Pace:
    """Reads and decodes a sample of the tree, then embeds it, again and again for some seconds."""
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4
    facts.show("Measuring how fast pictures are decoded", 0, None)
    enough = max(_FEWEST_PICTURES, facts.pictures)
    with closing(open_decoder(facts.config, workers=workers)) as decoder:
        decoded, pictures = _decoding(facts, decoder, embedder.preprocessing, workers, enough)
    facts.show("Measuring how fast the model is", 0, None)
    embedded = _embedding(facts, embedder, [picture.pixels for picture in pictures], enough)
    together = embedded
    if decoded is not None:
        # Both need the same cores, unless the model has a device of its own.
        together = 1 / (1 / decoded + 1 / embedded) if on_cpu else min(decoded, embedded)
    thumbnails = [len(picture.thumbnail) for picture in pictures]
    return Pace(
        together, embedded, decoded, sum(thumbnails) / len(thumbnails) if pictures else None
    )


def _decoding(
    facts: Facts, decoder: Decoder, preprocessing: Preprocessing, workers: int, enough: int
) -> tuple[float | None, list[Picture]]:
    sample = [item for tree in facts.trees.values() for item in tree.sample]
    if not sample:
        return None, []
    deadline = time.monotonic() + 60

    def one(item: tuple[Place, FileStamp]) -> Picture | None:
        place, stamp = item
        if time.monotonic() >= deadline:
            return None
        try:
            folder = facts.config.roots[place.root]
            data = read_content(folder, place, stamp, facts.config.images.max_megabytes).data
            return decoder.decode(data, preprocessing)
        except (ImageError, DecoderError, ChangingError, OSError):
            return None

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, sample[:workers]))  # starts the decoders
        started = time.monotonic()
        deadline = started + _DECODING_SECONDS
        pictures: list[Picture] = []
        done = 0
        while time.monotonic() < deadline and done < enough:
            found = [picture for picture in pool.map(one, sample) if picture is not None]
            if not found:
                break
            done += len(found)
            pictures = max(pictures, found, key=len)
        seconds = time.monotonic() - started
    return (done / seconds if done else None), pictures


def _embedding(facts: Facts, embedder: Embedder, some: list[Pixels], enough: int) -> float:
    size = embedder.preprocessing.size
    some = some or [np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)]
    count = embedder.batch_size * embedder.streams
    pixels = np.stack([some[n % len(some)] for n in range(count)])
    embedder.embed(pixels)  # the first time takes longer
    started = time.monotonic()
    done = 0
    while not done or (done < enough and time.monotonic() - started < _EMBEDDING_SECONDS):
        embedder.embed(pixels)
        done += count
        facts.show("Measuring how fast the model is", done, None)
    return done / (time.monotonic() - started)
