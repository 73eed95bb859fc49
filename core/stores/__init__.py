"""The seam behind which vectors live."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from core.errors import StoreError
from core.records import Hit, ImageId, ImageRecord, IndexedStamp, Place, Vector

FORMAT = 2
"""Number of the layout written by this version; a store with a higher one is refused.

1: rows of an embedder in one table. 2: the catalogue also names an edition of the serving rows.
"""


Role = Literal["serving", "building", "leftover"]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The one row that says what a database holds."""

    created: str
    """Random id given when the index was created; counters belong to it."""
    serving: str
    """Name of the embedder whose rows answer."""
    building: str | None = None
    """Name of the embedder whose rows are being built beside them."""
    format: int = FORMAT
    edition: str = ""
    """Which rows of the serving embedder: a restore writes an edition of its own beside those that
    answer. What is being built has none."""

    @property
    def roles(self) -> dict[tuple[str, str], Role]:
        """What it names: embedder and edition -> what their rows are there for."""
        roles: dict[tuple[str, str], Role] = {(self.serving, self.edition): "serving"}
        if self.building:
            roles[self.building, ""] = "building"
        return roles

    def edition_of(self, name: str) -> str:
        """Of the embedder `name`."""
        return self.edition if name == self.serving else ""


def table_name(embedder: str, edition: str) -> str:
    """Names the table of these rows: a hash, as an embedder's name may hold what no file name
    and no collection's name may."""
    full = f"{embedder} {edition}" if edition else embedder
    return hashlib.sha256(full.encode()).hexdigest()[:12]


def checked_catalogue(catalogue: Catalogue, address: str) -> Catalogue:
    """The catalogue itself, or StoreError where its format is newer than this version."""
    if catalogue.format > FORMAT:
        raise StoreError(
            f"The index in {address} has format {catalogue.format}, this version reads up to "
            f"{FORMAT}. Please update Lookalike, or name another place under 'store'."
        )
    return catalogue


@dataclass(frozen=True, slots=True)
class Holding:
    """Rows that are there, whether the catalogue names them or not."""

    key: str
    """What the store calls their table."""
    embedder: str | None
    """None for what is left of a table that was being deleted."""
    rows: int
    size_bytes: int | None
    """On disk, without thumbnails; None where only the server knows."""
    role: Role


class VectorStore(Protocol):
    """The rows of one embedder. `under` holds places; a row at or below any of them counts;
    None = every row. Whatever cannot be done raises StoreError with a sentence."""

    @property
    def dim(self) -> int:
        """Numbers a vector."""
        ...

    def upsert(self, records: Sequence[ImageRecord]) -> None:
        """Write rows by id, and their thumbnails by digest. Idempotent; once it returns, every
        reader sees the rows. Of two records of one id the later counts; a thumbnail that is
        stored stays. ValueError, before anything is written, on a vector that is not float32,
        finite, unit length, (dim,), and on a digest that is not 64 hex digits."""
        ...

    def delete(self, ids: Collection[ImageId]) -> None:
        """Delete rows by id; unknown ids are fine."""
        ...

    def search(self, vector: Vector, k: int, under: Sequence[Place] | None = None) -> list[Hit]:
        """The k nearest rows, nearest first, ties by place. ValueError as for upsert."""
        ...

    def get(self, ids: Collection[ImageId]) -> dict[ImageId, ImageRecord]:
        """Rows by id, without thumbnails; unknown ids are left out."""
        ...

    def locate(
        self, digests: Collection[str], under: Sequence[Place] | None = None
    ) -> dict[str, list[Place]]:
        """Every place of each digest, in order; unknown digests are left out."""
        ...

    def count(self, under: Sequence[Place] | None = None) -> int:
        """Number of rows."""
        ...

    def stamps(self, under: Sequence[Place] | None = None) -> Mapping[Place, IndexedStamp]:
        """What is indexed. Reads no vectors and no thumbnails."""
        ...

    def roots(self) -> dict[str, int]:
        """Name of every root that has rows -> how many."""
        ...

    def find_vectors(self, digests: Collection[str]) -> dict[str, Vector]:
        """Vectors by content, of any row that has it; unknown digests are left out."""
        ...

    def thumbnails(self, digests: Collection[str]) -> dict[str, bytes]:
        """JPEG bytes by content; unknown digests are left out."""
        ...

    def rows(self) -> Iterator[list[ImageRecord]]:
        """Every row once, in pieces of some thousands, without thumbnails. Embedded, they are as
        they all were at one moment; on a server each is as it was when its piece was read, and
        what is written or deleted meanwhile may be among them or not. StoreError if they vanish."""
        ...

    def add_thumbnails(self, thumbnails: Mapping[str, bytes]) -> None:
        """Write JPEG bytes by content, before the rows that need them. What is stored stays."""
        ...

    def maintain(self) -> None:
        """Compaction, clean-up, vector index, thumbnails that no row of any embedder needs:
        called by the writer at quiet times. Cheap when there is nothing to do."""
        ...


class Database(Protocol):
    """A place that holds a catalogue and one VectorStore per embedder name."""

    address: str
    """For people: a path or URL, without secrets."""

    def catalogue(self) -> Catalogue | None:
        """None = nothing was ever indexed here. StoreError if the format is too new."""
        ...

    def claim(self) -> None:
        """For a writer, before anything else: take the right to write here, which only one has at
        a time. AppError if another has it; StoreAwayError if that cannot be found out now. Where
        a lock beside the store does the same there is nothing to do."""
        ...

    def write_catalogue(self, catalogue: Catalogue) -> None:
        """Replace the catalogue in one step."""
        ...

    def vectors(
        self, name: str, dim: int | None = None, *, edition: str | None = None
    ) -> VectorStore:
        """The rows of the embedder `name`. A writer that says `dim` creates what is missing; to
        others it is empty until the writer has. StoreError if the format is too new.

        Args:
            edition: None = the one that the catalogue names.
        """
        ...

    def holdings(self) -> list[Holding]:
        """All rows there are: those that answer, those being built, what was left behind."""
        ...

    def sweep(self) -> None:
        """For the writer: delete all rows that the catalogue does not name, as a writer that was
        killed between two steps leaves them. Nothing without a catalogue."""
        ...

    def drop(self, name: str) -> None:
        """Delete every row of the embedder `name`; unknown is fine. Stores handed out before
        are empty and not to be written: ask for `vectors` again."""
        ...

    def close(self) -> None:
        """Release what is held; idempotent."""
        ...
