"""A backup holds all of an index, across stores, and a file that is not whole changes nothing."""

import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from core.backup import MANIFEST, ROWS, THUMBNAILS, BackupError, rows_schema
from core.backup.reader import BackupReader
from core.backup.restore import restore
from core.backup.writer import write_backup
from core.errors import AppError
from core.paths import path_text
from core.records import Place
from core.stores import Catalogue, Database
from core.stores.weaviate import WeaviateDatabase
from tests.conftest import Weaviate
from tests.core.stores.helpers import DIM, contents, digest, open_database, record, vector

NAME = "colour-layout/1/stretch-64"
JPEG = b"\xff\xd8\xff\xe0 a picture"
ODD = [path_text(name) for name in (b"not utf-8 \xff.jpg", b"it's \n.jpg", "日本/🐈.jpg")]
STORES = ["memory", "lance", pytest.param("weaviate", marks=pytest.mark.weaviate)]


def quiet(*_: object) -> None:
    pass


def no_total(_: str) -> None:
    return None


@pytest.fixture
def databases(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[str], Database]]:
    opened: list[Database] = []

    def open_(kind: str) -> Database:
        if kind == "weaviate":
            server: Weaviate = request.getfixturevalue("weaviate_server")
            name = request.getfixturevalue("weaviate_name")
            opened.append(WeaviateDatabase(server.url(name), writable=True, api_key=server.key))
        else:
            opened.append(open_database(kind, tmp_path / f"{kind}-{len(opened)}"))
        return opened[-1]

    yield open_
    for database in opened:
        database.close()


@pytest.fixture
def lance(databases: Callable[[str], Database]) -> Database:
    return databases("lance")


def fill(database: Database) -> list[str]:
    """Rows with copies, odd names and great numbers; the digests."""
    database.write_catalogue(Catalogue("index-1", NAME))
    store = database.vectors(NAME, DIM)
    rows = [record(f"{n % 7}/{n}.jpg", n // 2, racy=n % 3 == 0) for n in range(200)]
    rows += [record(path, 500 + n, root="other") for n, path in enumerate(ODD)]
    rows = [
        record(row.place.path, n, root=row.place.root, thumbnail=JPEG + bytes([n % 256]))
        for n, row in enumerate(rows)
    ]
    store.upsert(rows)
    return [row.digest for row in rows]


def saved(database: Database, folder: Path) -> Path:
    file = folder / "index.backup"
    write_backup(database, file, no_total, quiet)
    return file


def put_back(database: Database, file: Path, *, replace: bool = False) -> None:
    with BackupReader(file) as backup:
        restore(database, backup, replace=replace, progress=quiet)


def whole(database: Database, digests: list[str]) -> dict[str, Any]:
    catalogue = database.catalogue()
    assert catalogue is not None
    store = database.vectors(catalogue.serving)
    answers = contents(store, [1, 7], [Place("pics", "3"), Place("other", "")], digests)
    return {"index": catalogue.created, "model": catalogue.serving, **answers}


@pytest.mark.parametrize("target", STORES)
@pytest.mark.parametrize("origin", STORES)
def test_an_index_comes_back_whole_in_any_store(
    databases: Callable[[str], Database], tmp_path: Path, origin: str, target: str
) -> None:
    first = databases(origin)
    digests = fill(first)
    before = whole(first, digests)
    file = saved(first, tmp_path)
    second = first if origin == target == "weaviate" else databases(target)
    put_back(second, file, replace=second is first)
    assert whole(second, digests) == before
    assert [(h.rows, h.role) for h in second.holdings()] == [(203, "serving")]


def test_a_restore_needs_leave_to_replace(lance: Database, tmp_path: Path) -> None:
    digests = fill(lance)
    file = saved(lance, tmp_path)
    lance.vectors(NAME, DIM).upsert([record("later", 900)])
    with pytest.raises(BackupError, match=r"has 204 rows.*--replace"):
        put_back(lance, file)
    assert lance.vectors(NAME).count() == 204
    put_back(lance, file, replace=True)
    assert whole(lance, digests)["count"][0] == 203


def test_nothing_to_back_up_is_a_sentence_and_leaves_no_file(
    lance: Database, tmp_path: Path
) -> None:
    with pytest.raises(AppError, match="nothing is indexed"):
        saved(lance, tmp_path)
    assert not list(tmp_path.glob("*backup*"))


def test_what_is_no_backup_is_never_overwritten(lance: Database, tmp_path: Path) -> None:
    fill(lance)
    precious = tmp_path / "index.backup"
    precious.write_bytes(b"a picture")
    with pytest.raises(BackupError, match="is no backup: it is not replaced"):
        saved(lance, tmp_path)
    assert precious.read_bytes() == b"a picture"
    precious.unlink()
    saved(lance, tmp_path)
    saved(lance, tmp_path)  # a backup may be
    assert not list(tmp_path.glob(".*.part"))


def test_a_backup_is_of_one_moment_while_the_writer_goes_on(tmp_path: Path) -> None:
    from core.stores.lance import LanceDatabase

    writer = LanceDatabase(tmp_path / "index", writable=True)
    writer.write_catalogue(Catalogue("index-1", NAME))
    store = writer.vectors(NAME, DIM)
    store.upsert([record(f"{n}.jpg", n) for n in range(10_000)])
    reader = LanceDatabase(tmp_path / "index", writable=False)
    pieces = reader.vectors(NAME).rows()
    found = list(next(pieces))
    store.upsert([record(f"{n}.jpg", n + 20_000) for n in range(0, 10_000, 2)])
    store.delete([record(f"{n}.jpg").id for n in range(1, 10_000, 2)])
    found += [row for piece in pieces for row in piece]
    assert {(row.place.path, row.digest) for row in found} == {
        (f"{n}.jpg", digest(n)) for n in range(10_000)
    }
    reader.close()
    writer.close()


def test_a_killed_restore_leaves_the_old_index_and_can_be_repeated(
    lance: Database, tmp_path: Path
) -> None:
    digests = fill(lance)
    file = saved(lance, tmp_path)
    lance.vectors(NAME, DIM).upsert([record("later", 900)])

    class Killed(BaseException):
        pass

    def die(what: str, *_: object) -> None:
        if what == "Restoring rows":
            raise Killed

    with BackupReader(file) as backup, pytest.raises(Killed):
        restore(lance, backup, replace=True, progress=die)
    assert lance.vectors(NAME).count() == 204
    assert {h.role for h in lance.holdings()} == {"serving", "leftover"}
    put_back(lance, file, replace=True)
    assert whole(lance, digests)["count"][0] == 203
    assert {h.role for h in lance.holdings()} == {"serving"}


# ---- damaged and hostile files ------------------------------------------------------------------


def parts(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def pack(file: Path, content: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> None:
    """With digests and lengths that fit, so that only what is inside is wrong."""
    import hashlib

    manifest = json.loads(content[MANIFEST])
    for name in (ROWS, THUMBNAILS):
        data = content[name]
        manifest["parts"][name] |= {
            "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()
        }  # fmt: skip
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, data in (content | {MANIFEST: json.dumps(manifest).encode()}).items():
            archive.writestr(name, data)


def changed_manifest(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(content: dict[str, bytes]) -> None:
        content[MANIFEST] = json.dumps(json.loads(content[MANIFEST]) | changes).encode()

    return change


def changed_row(column: str, value: Any) -> Callable[[dict[str, bytes]], None]:
    def change(content: dict[str, bytes]) -> None:
        rows = pa.ipc.open_stream(content[ROWS]).read_all()
        values = rows[column].to_pylist()
        values[1] = value
        at = rows.schema.get_field_index(column)
        field = rows.schema.field(at)
        content[ROWS] = stream(rows.set_column(at, field, pa.array(values, field.type)))

    return change


def stream(rows: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(rows)
    return sink.getvalue()


def compressed(content: dict[str, bytes]) -> None:
    rows = pa.ipc.open_stream(content[ROWS]).read_all()
    content[ROWS] = stream(rows, compression="zstd")


def twice(content: dict[str, bytes]) -> None:
    rows = pa.ipc.open_stream(content[ROWS]).read_all()
    content[ROWS] = stream(pa.concat_tables([rows.slice(0, len(rows) - 1), rows.slice(0, 1)]))
    roots = {"pics": 201, "other": 2}
    changed_manifest(roots=roots)(content)


def other_columns(content: dict[str, bytes]) -> None:
    rows = pa.ipc.open_stream(content[ROWS]).read_all()
    content[ROWS] = stream(rows.drop_columns(["racy"]))


def longer(content: dict[str, bytes]) -> None:
    content[ROWS] += b"more"


def empty(content: dict[str, bytes]) -> None:
    content[ROWS] = b""


def huge_message(content: dict[str, bytes]) -> None:
    content[ROWS] = b"\xff\xff\xff\xff" + struct.pack("<I", 0x7FFFFFF0) + b"x" * 100


def no_jpeg(content: dict[str, bytes]) -> None:
    rows = pa.ipc.open_stream(content[THUMBNAILS]).read_all()
    jpegs = [b"<script>", *rows["jpeg"].to_pylist()[1:]]
    content[THUMBNAILS] = stream(rows.set_column(1, rows.schema.field(1), pa.array(jpegs)))


def another_file(content: dict[str, bytes]) -> None:
    content["../evil"] = b"x"


HOSTILE = {
    "newer format": (changed_manifest(format=2), "format 2, this version reads up to 1"),
    "no backup": (changed_manifest(kind="else"), "no backup of Lookalike"),
    "unknown key": (changed_manifest(more=1), "manifest is damaged"),
    "embedder": (changed_manifest(embedder="../../x\x1b[2J"), "wrong embedder"),
    "dim": (changed_manifest(dim=-1), "wrong dim"),
    "other dim": (changed_manifest(dim=8), "other columns"),
    "index": (changed_manifest(index="a/../b"), "wrong index"),
    "roots": (changed_manifest(roots={"pics": 1}), "wrong number of rows"),
    "root counts": (changed_manifest(roots={"pics": 3, "other": 200}), "not those of its man"),
    "root": (changed_row("root", "../etc"), "root in it has no valid name"),
    "parent path": (changed_row("path", "a/../../b"), "path in it is not valid"),
    "absolute path": (changed_row("path", "/etc/passwd"), "path in it is not valid"),
    "no path": (changed_row("path", ""), "path in it is not valid"),
    "hidden parent": (changed_row("path", "a/\\x2e\\x2e/b"), "path in it is not valid"),
    "raw control": (changed_row("path", "a\x1b[2Jb"), "path in it is not valid"),
    "zero byte": (changed_row("path", "a\\x00b"), "path in it is not valid"),
    "digest": (changed_row("digest", "Z" * 64), "no SHA-256"),
    "size": (changed_row("size_bytes", -1), "size in it is negative"),
    "no value": (changed_row("digest", None), "a value is missing|is damaged"),
    "zero vector": (changed_row("vector", [0.0] * DIM), "unit length"),
    "nan vector": (changed_row("vector", [float("nan")] * DIM), "unit length"),
    "long vector": (changed_row("vector", [2.0] + [0.0] * (DIM - 1)), "unit length"),
    "compressed": (compressed, "packed"),
    "a place twice": (twice, "stands in it twice"),
    "other columns": (other_columns, "other columns"),
    "longer": (longer, "something follows its end|is damaged"),
    "empty": (empty, "is damaged"),
    "huge message": (huge_message, "damaged|asks for more"),
    "no jpeg": (no_jpeg, "no JPEG"),
    "another file": (another_file, "no backup of Lookalike"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("good")
    database = open_database("memory", folder)
    fill(database)
    return saved(database, folder).read_bytes()


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_with_a_sentence_and_nothing_changes(
    good: bytes, tmp_path: Path, case: str
) -> None:
    change, sentence = HOSTILE[case]
    file = tmp_path / "x.backup"
    file.write_bytes(good)
    content = parts(file)
    change(content)
    pack(file, content)
    refused(file, sentence)


def test_a_packed_file_is_refused(good: bytes, tmp_path: Path) -> None:
    file = tmp_path / "x.backup"
    file.write_bytes(good)
    pack(file, parts(file), zipfile.ZIP_DEFLATED)
    refused(file, "packed")


@pytest.mark.parametrize("length", [0, 10, 0.3, 0.9, 0.999])
def test_a_cut_file_is_refused(good: bytes, tmp_path: Path, length: float) -> None:
    file = tmp_path / "x.backup"
    file.write_bytes(good[: int(length if length > 1 else length * len(good))])
    refused(file, "cannot be restored")


def test_any_flipped_byte_is_noticed_or_harmless(good: bytes, tmp_path: Path) -> None:
    """Harmless are only those of zip's own bookkeeping, such as a time."""
    whole_index = None
    file = tmp_path / "x.backup"
    for at in np.random.default_rng(1).integers(0, len(good), 150).tolist():
        damaged = bytearray(good)
        damaged[at] ^= 0x41
        file.write_bytes(damaged)
        database = open_database("memory", tmp_path)
        try:
            put_back(database, file)
        except BackupError as error:
            assert "cannot be restored" in str(error)
            assert database.catalogue() is None
            continue
        found = [row.digest for piece in database.vectors(NAME).rows() for row in piece]
        whole_index = whole_index or sorted(found)
        assert sorted(found) == whole_index


def refused(file: Path, sentence: str) -> None:
    database = open_database("memory", file.parent)
    fill(database)
    before = whole(database, [digest(0)])
    with pytest.raises(BackupError, match=sentence) as raised:
        put_back(database, file, replace=True)
    assert str(raised.value).endswith("Nothing was changed.")
    assert "\x1b" not in str(raised.value)
    assert whole(database, [digest(0)]) == before
    assert len(database.holdings()) == 1


def test_a_vector_of_the_schema_is_what_we_say(tmp_path: Path) -> None:
    database = open_database("memory", tmp_path)
    fill(database)
    rows = pa.ipc.open_stream(parts(saved(database, tmp_path))[ROWS]).read_all()
    assert rows.schema == rows_schema(DIM)
    first = rows.slice(0, 1).to_pylist()[0]
    assert first["path"] == "0/0.jpg"
    assert np.array_equal(np.array(first["vector"], np.float32), vector(0))
