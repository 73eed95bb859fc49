"""What the parts say while they work: text for people, JSON for machines, always on stderr."""

import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from typing import Protocol, TextIO


class LogSettings(Protocol):
    """Those of core.config, which a small process need not import."""

    @property
    def level(self) -> str:
        """debug, info, warning or error."""
        ...

    @property
    def format(self) -> str:
        """auto, text or json."""
        ...


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what sys.stderr is at the moment: a progress bar puts itself in between."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _stream: TextIO) -> None:
        pass


def set_up_logging(log: LogSettings, environ: Mapping[str, str] = os.environ) -> None:
    """One handler on stderr. The journal dates its lines itself, so there ours carry no time."""
    handler = _Stderr()
    if log.format == "json":
        handler.setFormatter(_Json())
    elif "JOURNAL_STREAM" in environ:
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for ours in ("core", "daemon", "bot", "web", "cli"):
        logging.getLogger(ours).setLevel(log.level.upper())
    logging.captureWarnings(capture=True)
