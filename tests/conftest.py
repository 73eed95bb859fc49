"""What every kind of test may ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path / "project")
    yield made
    if made.daemon:
        made.daemon.kill()
        made.daemon.wait()
