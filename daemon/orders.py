"""What a person decides about a root: the engine carries it out, and would not by itself."""

from core.errors import AppError, UsageError
from core.records import Place
from daemon.engine import Engine
from daemon.sync import SyncReport


def approve(engine: Engine) -> SyncReport:
    """Release what is held."""
    return engine.sync(engine.holds.approve())


def adopt(engine: Engine, root: str) -> None:
    """Accept the folder that is there now as the root."""
    folders = engine.config.roots
    if root not in folders:
        raise UsageError(f"There is no root '{root}'; there are: {', '.join(folders)}.")
    try:
        engine.roots.adopt(root)
    except OSError as error:
        raise AppError(f"{folders[root]} cannot be adopted: {error.strerror}.") from None


def forget(engine: Engine, root: str | None) -> int:
    """Delete the rows of a root (None: of all), and what is remembered of deleted rows. Returns how
    many rows the index that answers had of it."""
    catalogue = engine.mirrors.catalogue
    store = engine.database.vectors(catalogue.serving)
    known = store.roots()
    if root is not None and root not in known and root not in engine.config.roots:
        raise UsageError(f"No root '{root}' is configured or indexed.")
    stores = [store]
    if catalogue.building:
        stores.append(engine.database.vectors(catalogue.building))
    for each in stores:
        for name in [root] if root is not None else list(each.roots()):
            each.delete([place.id for place in each.stamps([Place(name, "")])])
            engine.holds.forget(name)
    engine.recent.forget()
    for place in [p for p in engine.rejections if root in (None, p.root)]:
        del engine.rejections[place]
    store.maintain()
    engine.refresh()
    return sum(known.values()) if root is None else known.get(root, 0)
