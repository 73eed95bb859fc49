"""Which embedders' rows a daemon keeps: the table of DESIGN section 4, on the memory store."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.config import Config, Model
from core.embedders import Embedder
from core.errors import ConfigError, ModelError
from core.preprocess import Preprocessing
from core.stores import Catalogue
from core.stores.memory import MemoryDatabase
from daemon.mirrors import TRY_AGAIN_SECONDS, Mirrors


class Fake:
    """An Embedder that only has a name."""

    dim, batch_size, streams, preprocessing = 4, 1, 1, Preprocessing("stretch", 64)

    def __init__(self, name: str) -> None:
        self.name = name

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.tile(np.eye(1, 4, dtype=np.float32), (len(pixels), 1))


REAL, OTHER, PREVIEW = "real/1/stretch-64", "other/1/stretch-64", "colour-layout/1/stretch-64"


class World:
    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.weights = True
        self.now = 0.0

    def mirrors(self, *, fallback: bool = True, loadable: bool = True) -> Mirrors:
        def configured(_: Config) -> Embedder:
            if not self.weights:
                raise ModelError("No weights.")
            return Fake(REAL)

        def named(_: Config, name: str) -> Embedder:
            if not loadable:
                raise ModelError("Not here.")
            return Fake(name)

        model = Model(name="real", fallback="colour-layout" if fallback else None)
        mirrors = Mirrors(
            Config(roots={"r": Path("/r")}, model=model),
            self.database,
            open_configured=configured,
            open_named=named,
            open_preview=lambda: Fake(PREVIEW),
            steady_clock=lambda: self.now,
        )
        mirrors.open()
        return mirrors

    def has(self, serving: str, building: str | None = None) -> None:
        self.database.write_catalogue(Catalogue("c", serving, building))


@pytest.fixture
def world() -> World:
    return World()


def names(mirrors: Mirrors) -> tuple[str | None, str | None, str, str | None]:
    serving = mirrors.serving.name if mirrors.serving else None
    building = mirrors.building.name if mirrors.building else None
    return serving, building, mirrors.catalogue.serving, mirrors.catalogue.building


def test_a_new_index_is_the_configured_models(world: World) -> None:
    mirrors = world.mirrors()
    assert names(mirrors) == (REAL, None, REAL, None)
    assert mirrors.problem is None


def test_without_weights_a_new_index_is_an_announced_preview(world: World) -> None:
    world.weights = False
    mirrors = world.mirrors()
    assert names(mirrors) == (PREVIEW, None, PREVIEW, None)
    assert str(mirrors.problem).startswith("Preview:")


def test_without_weights_and_fallback_nothing_starts(world: World) -> None:
    world.weights = False
    with pytest.raises(ConfigError, match="No weights"):
        world.mirrors(fallback=False)
    assert world.database.catalogue() is None


def test_a_real_index_is_never_replaced_by_the_preview(world: World) -> None:
    world.weights = False
    world.has(REAL)
    mirrors = world.mirrors()
    assert names(mirrors) == (None, None, REAL, None)
    assert "until the weights are back" in str(mirrors.problem)


def test_weights_that_come_back_let_a_real_index_go_on(world: World) -> None:
    world.weights = False
    world.has(REAL)
    mirrors = world.mirrors()
    world.weights = True
    assert not mirrors.retry(), "not at once"
    world.now += TRY_AGAIN_SECONDS
    assert mirrors.retry()
    assert names(mirrors) == (REAL, None, REAL, None)
    assert mirrors.problem is None


def test_weights_that_come_let_the_real_index_be_built_beside_the_preview(world: World) -> None:
    world.weights = False
    mirrors = world.mirrors()
    world.weights = True
    world.now += TRY_AGAIN_SECONDS
    assert mirrors.retry()
    assert names(mirrors) == (PREVIEW, REAL, PREVIEW, REAL)
    mirrors.switch()
    assert names(mirrors) == (REAL, None, REAL, None)
    assert mirrors.problem is None


def test_another_model_is_built_beside_the_old_one(world: World) -> None:
    world.has(OTHER)
    assert names(world.mirrors()) == (OTHER, REAL, OTHER, REAL)


def test_an_old_model_that_cannot_be_loaded_answers_as_it_is(world: World) -> None:
    world.has(OTHER)
    assert names(world.mirrors(loadable=False)) == (None, REAL, OTHER, REAL)


def test_a_build_goes_on_where_it_was_and_another_one_is_dropped(world: World) -> None:
    world.has(OTHER, building=REAL)
    world.database.vectors(REAL, 4)
    assert names(world.mirrors()) == (OTHER, REAL, OTHER, REAL)
    world.has(OTHER, building=PREVIEW)
    assert names(world.mirrors()) == (OTHER, REAL, OTHER, REAL)


def test_back_to_the_serving_model_drops_the_build(world: World) -> None:
    world.has(REAL, building=OTHER)
    assert names(world.mirrors()) == (REAL, None, REAL, None)


def test_a_switch_deletes_the_old_rows(world: World) -> None:
    world.has(OTHER)
    for name in (OTHER, REAL):
        world.database.vectors(name, 4)
    mirrors = world.mirrors()
    mirrors.switch()
    assert [(h.embedder, h.role) for h in world.database.holdings()] == [(REAL, "serving")]


def test_what_a_daemon_killed_after_the_switch_left_is_deleted_at_the_next_start(
    world: World,
) -> None:
    world.has(REAL)
    for name in (OTHER, REAL):
        world.database.vectors(name, 4)
    world.mirrors()
    assert [h.embedder for h in world.database.holdings()] == [REAL]
