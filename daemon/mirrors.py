"""Which indexes this daemon keeps: the one that answers, and the one being built beside it."""

import logging
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import replace

from core.config import Config
from core.embedders import Embedder
from core.errors import ConfigError, ModelError
from core.stores import Catalogue, Database, VectorStore
from daemon.report import SyncReport

logger = logging.getLogger(__name__)

TRY_AGAIN_SECONDS = 600


class Mirrors:
    """Decides which embedders' rows are kept in step, and when the one takes over.

    Only here does anything fall back to the preview, and only where no row of the configured
    model is at stake (DESIGN section 4).
    """

    def __init__(
        self,
        config: Config,
        database: Database,
        *,
        open_configured: Callable[[Config], Embedder],
        open_named: Callable[[Config, str], Embedder],
        open_preview: Callable[[], Embedder],
        steady_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._database = database
        self._open_configured = open_configured
        self._open_named = open_named
        self._open_preview = open_preview
        self._steady_clock = steady_clock
        self._try_again = 0.0
        self.serving: Embedder | None = None
        """Kept in step and answering; None = it answers as it is, and nothing is written."""
        self.building: Embedder | None = None
        self.problem: str | None = None
        """What a person should know of the model: a sentence."""
        self.catalogue: Catalogue

    def open(self) -> None:
        """Choose. ConfigError if the configured model cannot be had and nothing stands in."""
        catalogue = self._database.catalogue()
        try:
            wanted = self._open_configured(self._config)
        except ModelError as missing:
            self._without_weights(catalogue, missing)
            return
        if catalogue is None:
            self._create(wanted)
            return
        self.catalogue = catalogue
        if catalogue.serving == wanted.name:
            self.serving = wanted
            if catalogue.building:
                self._database.drop(catalogue.building)
                self._write(replace(catalogue, building=None))
            return
        self._build(wanted)
        if self.serving is None:
            self._open_serving(catalogue.serving)

    def retry(self) -> bool:
        """Look for the missing weights again, every ten minutes; True if they were found."""
        if self.problem is None or self.building or self._steady_clock() < self._try_again:
            return False
        self._try_again = self._steady_clock() + TRY_AGAIN_SECONDS
        try:
            wanted = self._open_configured(self._config)
        except ModelError:
            return False
        except ConfigError as error:  # found, but of no use
            self.problem = str(error)
            return False
        if wanted.name == self.catalogue.serving:
            self.serving, self.problem = wanted, None
        else:
            self._build(wanted)
        return True

    def switch(self) -> None:
        """The index being built is complete: from now on it answers, and the old one goes."""
        assert self.building is not None
        old = self.catalogue.serving
        self._write(replace(self.catalogue, serving=self.building.name, building=None))
        self.serving, self.building, self.problem = self.building, None, None
        self._database.drop(old)
        logger.info("%s answers from now on; the rows of %s are gone", self.serving.name, old)

    def _without_weights(self, catalogue: Catalogue | None, missing: ModelError) -> None:
        self._try_again = self._steady_clock() + TRY_AGAIN_SECONDS
        if self._config.model.fallback is None:
            raise ConfigError(str(missing)) from None
        preview = self._open_preview()
        if catalogue is None:
            self._create(preview)
        else:
            self.catalogue = catalogue
            if catalogue.serving == preview.name:
                self.serving = preview
        if self.serving is preview:
            self.problem = (
                f"Preview: pictures are compared by colour and layout only, not by "
                f"{self._config.model.name}. {missing}"
            )
        else:
            self.problem = f"Nothing is indexed until the weights are back. {missing}"

    def _open_serving(self, name: str) -> None:
        try:
            self.serving = self._open_named(self._config, name)
        except (ModelError, ConfigError) as error:
            logger.warning("The old index answers as it is until the new one is built: %s", error)

    def _build(self, wanted: Embedder) -> None:
        if self.catalogue.building not in (None, wanted.name):
            self._database.drop(self.catalogue.building)
        self.building = wanted
        self._write(replace(self.catalogue, building=wanted.name))
        self.problem = (
            f"The index of {wanted.name} is being built; until it is complete, "
            f"{self.catalogue.serving} answers."
        )

    def _create(self, embedder: Embedder) -> None:
        self.serving = embedder
        self._write(Catalogue(created=uuid.uuid4().hex, serving=embedder.name))

    def _write(self, catalogue: Catalogue) -> None:
        self._database.write_catalogue(catalogue)
        self.catalogue = catalogue


def switch_blocker(
    report: SyncReport, old: VectorStore, roots: Collection[str], *, holding: bool
) -> str | None:
    """What the old index has and the new one, which `report` says is complete, would lose: a
    sentence, or None."""
    foreign = sorted(old.roots().keys() - set(roots))
    if report.suspended:
        what = " ".join(report.suspended.values())
    elif report.failed and old.count(list(report.failed)):
        what = f"{min(report.failed)} cannot be read, and it is indexed."
    elif holding:
        what = "Deletions are held back: run `lookalike approve`, or bring the files back."
    elif foreign:
        what = f"Rows of roots that are no longer configured: `lookalike forget {foreign[0]}`."
    else:
        return None
    return f"The new index is complete, but the old one goes on answering. {what}"
