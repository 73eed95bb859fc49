"""Watching where there is no inotify: watchdog's own observer, which must be looked after."""

import os
from pathlib import Path

from watchdog import events
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from daemon.armed_root import identity
from daemon.signals import Ignored, SafeSink, Sink, Trouble

JOIN_SECONDS = 0.9

ENDED = "The thread that watched root '{}' ended; a new one watches it."
_CHANGED = "Another folder now lies where root '{}' was."

# Never FileOpened or FileClosedNoWrite: our own reading would wake us for ever. Created and moved
# folders must be among them, else new folders are not watched (watchdog #990).
STOCK_EVENTS: list[type[events.FileSystemEvent]] = [
    events.FileCreatedEvent,
    events.FileModifiedEvent,
    events.FileMovedEvent,
    events.FileDeletedEvent,
    events.FileClosedEvent,
    events.DirCreatedEvent,
    events.DirMovedEvent,
    events.DirDeletedEvent,
]


class StockRoot(events.FileSystemEventHandler):
    """A root watched by watchdog's own observer, where there is no inotify. Its events are hints
    for what they name; its losses are repaired by the rescan."""

    watches = failed_watches = 0
    heard_seconds = None

    def __init__(self, root: str, path: Path, sink: Sink, ignored: Ignored) -> None:
        self._root = root
        self._path = path
        self._sink = SafeSink(sink)
        self._ignored = ignored
        self._observer: BaseObserver | None = None
        self._identity: tuple[int, int] | None = None
        self._top = b""
        self._announce = False
        self._told: str | None = None

    @property
    def armed(self) -> bool:
        observer = self._observer
        return (
            observer is not None
            and observer.is_alive()
            and all(emitter.is_alive() for emitter in observer.emitters)
        )

    def wait_armed(self, _timeout_seconds: float) -> bool:
        self._announce = True
        return self.armed

    def ensure(self) -> None:
        try:
            found = identity(self._path)
        except OSError as error:
            self.stop()
            detail = f"The folder of root '{self._root}' cannot be watched: {error.strerror}."
            self._tell(Trouble.ROOT_GONE, detail)
            return
        if self._observer and found != self._identity:
            self._tell(Trouble.ROOT_CHANGED, _CHANGED.format(self._root))
            self.stop()
        elif self._observer and not self.armed:
            self._tell(Trouble.READER_DIED, ENDED.format(self._root))
            self.stop()
        if self._observer is None:
            self._start(found)

    def replace(self) -> None:
        self.stop()
        self.ensure()

    def ask_to_stop(self) -> None:
        pass  # its threads do not wait for a next turn

    def stop(self) -> None:
        observer, self._observer = self._observer, None
        if observer:
            self._announce = True
            observer.stop()
            observer.join(JOIN_SECONDS)

    def on_any_event(self, event: events.FileSystemEvent) -> None:
        for name in {event.src_path, event.dest_path} - {""}:
            path = os.fsencode(name)
            relative = path.removeprefix(self._top).lstrip(b"/")
            if not path.startswith(self._top):
                relative = b""  # spelt in a way we do not know: look everywhere
            if not relative or not self._ignored(self._root, relative, event.is_directory):
                settled = isinstance(event, events.FileClosedEvent | events.FileMovedEvent)
                self._sink.hint(self._root, relative, settled=settled)

    def _start(self, found: tuple[int, int]) -> None:
        top = self._path.resolve()
        self._identity, self._top = found, os.fsencode(top)
        observer = Observer()
        try:
            observer.schedule(self, str(top), recursive=True, event_filter=STOCK_EVENTS)
            observer.start()
        except OSError as error:
            detail = f"Root '{self._root}' cannot be watched ({error.strerror}): it is scanned."
            self._tell(Trouble.WATCH_LIMIT, detail)
            return
        self._observer, self._told = observer, None
        if self._announce:
            self._sink.hint(self._root, b"", settled=False)

    def _tell(self, trouble: Trouble, detail: str) -> None:
        if detail != self._told:  # a root may be gone for days
            self._told = detail
            self._sink.trouble(self._root, trouble, detail)
