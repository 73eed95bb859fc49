"""What is on its way through the model, shared by runs that nest: nothing is embedded twice."""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from core.decoder import Picture
from core.reader import Content
from core.records import Vector

Batch = list[tuple[Content, Picture]]
Vectors = NDArray[np.float32]
Embedded = tuple[Vector, bytes]
"""A vector and the thumbnail."""


class UnderWay:
    """One run's."""

    def __init__(self, outer: "Sequence[UnderWay]") -> None:
        """`outer`: those of the runs that wait for this one to end."""
        self._outer = outer
        self._waiting: defaultdict[str, list[Content]] = defaultdict(list)
        """Files whose bytes are being embedded for the first of them."""
        self.batches: deque[tuple[Batch, Future[Vectors]]] = deque()
        self._found: dict[str, Embedded] = {}
        """What inner runs embedded of what waits here."""

    def is_waited_for(self, digest: str) -> bool:
        """Whether a file with these bytes waits already."""
        return digest in self._waiting

    def wait(self, content: Content) -> bool:
        """Let it wait; whether it is the first, which is embedded for all with the same bytes."""
        first = content.digest not in self._waiting
        self._waiting[content.digest].append(content)
        return first

    def no_longer(self, digest: str) -> list[Content]:
        """Everything that waited for these bytes."""
        return self._waiting.pop(digest)

    def found(self, digest: str) -> Embedded | None:
        """What an inner run has embedded of what waits here; told once."""
        return self._found.pop(digest, None)

    def tell(self, fresh: Mapping[str, Embedded]) -> None:
        """These were embedded: the runs around this one may wait for some of them."""
        for outer in self._outer:
            outer._found |= {d: known for d, known in fresh.items() if d in outer._waiting}

    def around(self, digest: str) -> Embedded | None:
        """What an outer run is just putting through the model, once it is through: a file that was
        moved while it was read is not embedded twice."""
        for outer in self._outer:
            for batch, future in outer.batches:
                for row, (content, picture) in enumerate(batch):
                    if content.digest == digest:
                        return future.result()[row], picture.thumbnail
        return None
