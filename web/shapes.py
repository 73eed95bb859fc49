"""The JSON of the API, described for OpenAPI; core.answers and core.state make the documents."""

from typing import Literal

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """Every answer that is no success."""

    error: str = Field(description="A sentence for the person who asked.")


class File(BaseModel):
    """One file below a root."""

    root: str
    path: str = Field(description="Below the root; odd bytes are written \\xNN.")


class Found(File):
    """One picture found; files with the same bytes are one picture."""

    id: str = Field(description="Opaque; the same for as long as the file stays where it is.")
    distance: float = Field(ge=0, le=2, description="Cosine distance; 0 = identical.")
    copies: list[File] = Field(description="Where else the same bytes are.")


class Timings(BaseModel):
    """Milliseconds."""

    decode: float
    embed: float
    search: float


class Matches(BaseModel):
    """The closest pictures, nearest first."""

    model: str = Field(description="By which model they were compared.")
    matches: list[Found]
    timings_ms: Timings


class RejectedFile(File):
    """A file that is no picture for us, and why."""

    reason: str


class Rejected(BaseModel):
    """Every rejected file."""

    rejected: list[RejectedFile]


State = Literal["starting", "scanning", "watching", "suspended", "stopped", "unknown"]


class Root(BaseModel):
    """One root."""

    state: State
    reason: str | None
    indexed: int


class Work(BaseModel):
    """How far a long piece of work is."""

    done: int
    total: int
    per_second: float
    seconds_left: float | None


class Standing(BaseModel):
    """What the daemon does."""

    state: State
    roots: dict[str, Root]
    model: str | None
    store: Literal["lancedb", "weaviate"]
    indexed: int
    pending: int
    rejected: int
    skipped: int
    held_deletions: int
    embedded_total: int
    problems: list[str]
    last_scan: str | None
    progress: Work | None


class Health(BaseModel):
    """For whoever watches over processes."""

    status: Literal["ok"]
