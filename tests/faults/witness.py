"""Looks at an index all the time, and remembers what it ever held."""

import threading

from tests.faults.oracle import in_store
from tests.project import Project


class Witness(threading.Thread):
    """Between `with` and its end."""

    def __init__(self, project: Project) -> None:
        super().__init__()
        self._project = project
        self._over = threading.Event()
        self.digests: set[str] = set()
        self.names: set[bytes] = set()

    def run(self) -> None:
        while not self._over.wait(0.05):
            rows = in_store(self._project)[0]
            self.digests |= set(rows.values())
            self.names |= set(rows)

    def __enter__(self) -> "Witness":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()
