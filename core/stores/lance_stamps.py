"""The stamps of a large table, packed: a million as a dict of tuples would take 900 MB."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.records import IndexedStamp, Place
from core.stores import lance_arrow as arrow
from core.stores.stamps import Numbers

_FOLDER = r"/?[^/]*$"
"""What is cut off a path to name its folder."""


class PackedStamps(Mapping[Place, IndexedStamp]):
    """Stamps in Arrow columns, sorted by folder; the tuples of one folder are made when it is
    asked for. Asked in the order of a walk, every folder is made once."""

    def __init__(self, parts: list[pa.Table]) -> None:
        """`parts` have STAMP_COLUMNS and no place twice; emptied, to free them column by column."""
        rows = pa.concat_tables(parts)
        parts.clear()
        roots = rows["root"].combine_chunks()
        paths = rows["path"].combine_chunks()
        folders = pc.binary_join_element_wise(
            roots, pc.replace_substring_regex(paths, _FOLDER, "", max_replacements=1), "/"
        ).dictionary_encode()
        codes = folders.indices.to_numpy()
        order = pa.array(np.argsort(codes, kind="stable"))
        ends = np.cumsum(np.bincount(codes, minlength=len(folders.dictionary))).tolist()
        names = (name.split("/", 1) for name in folders.dictionary.to_pylist())
        self._slices = {
            Place(root, path): (start, end)
            for (root, path), start, end in zip(names, [0, *ends], ends, strict=False)
        }
        del roots, paths
        columns = {}
        for name in rows.column_names:
            columns[name] = rows[name].combine_chunks().take(order)
            rows = rows.drop_columns([name])
        self._rows = pa.table(columns)
        # The same memory once more, as a slice of a table costs more than a small folder.
        self._paths = columns["path"]
        self._numbers = arrow.numbers(columns)
        self._racy = np.flatnonzero(columns["racy"].to_numpy(zero_copy_only=False)).tolist()
        self._last: tuple[Place, Mapping[Place, IndexedStamp]] | None = None

    def folders(self) -> Iterator[Place]:
        """Every folder that holds rows."""
        return iter(self._slices)

    def inside(self, folder: Place) -> Mapping[Place, IndexedStamp]:
        """The rows directly in the folder."""
        if self._last is None or self._last[0] != folder:
            start, end = self._slices.get(folder, (0, 0))
            rows = self._rows.slice(start, end - start)
            self._last = folder, dict(zip(arrow.places(rows), arrow.stamps(rows), strict=True))
        return self._last[1]

    def numbers(self, folder: Place) -> dict[str, Numbers | None]:
        """See ByFolder."""
        start, end = self._slices.get(folder, (0, 0))
        paths = self._paths.slice(start, end - start).to_numpy(zero_copy_only=False).tolist()
        found = zip(*(column[start:end].tolist() for column in self._numbers), strict=True)
        files: dict[str, Numbers | None] = dict(zip(paths, found, strict=True))
        for row in self._racy[bisect_left(self._racy, start) : bisect_left(self._racy, end)]:
            files[paths[row - start]] = None
        return files

    def __getitem__(self, place: Place) -> IndexedStamp:
        return self.inside(place.parent)[place]

    def __iter__(self) -> Iterator[Place]:
        for folder in self._slices:
            yield from self.inside(folder)

    def __len__(self) -> int:
        return len(self._rows)
