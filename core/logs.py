"""What the parts say while they work, on stderr: text for people, lines for the journal, JSON.

Whatever is said, by whomever, is one event: a name of a file cannot forge another.
"""

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
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


logger = logging.getLogger(__name__)

_OURS = ("core", "daemon", "bot", "web", "cli")
# Controls of all kinds, line ends that only some programs take for such, marks that turn the
# direction of text, and halves of characters: what could draw a line that nobody wrote.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Of syslog, by the least level that has it; what is below is 7."""


def escape(text: str) -> str:
    """`text` on one line, with every character that could mislead written as what it is."""
    return _UNSAFE.sub(lambda found: repr(found[0])[1:-1], text)


def _message(record: logging.LogRecord) -> str:
    message = record.getMessage()
    if record.name == "py.warnings":  # the second line is the source
        message = message.partition("\n")[0]
    return message.rstrip("\n")


class _Text(logging.Formatter):
    """A line an event; a traceback follows it, indented, so that no line of it begins one."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join([self.head(record) + escape(_message(record)), *_trace(self, record)])

    def head(self, record: logging.LogRecord) -> str:
        return f"{self.formatTime(record, '%H:%M:%S')} {record.levelname} "


class _Journal(_Text):
    """The journal dates its lines itself, and shows and filters what begins each as a priority."""

    def format(self, record: logging.LogRecord) -> str:
        priority = next((code for least, code in _PRIORITIES if record.levelno >= least), 7)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).split("\n"))

    def head(self, record: logging.LogRecord) -> str:  # noqa: ARG002 - the priority says it
        return ""


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC)
        document = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        text = json.dumps(document, ensure_ascii=False)
        return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    if not record.exc_info:
        return []
    lines = formatter.formatException(record.exc_info).split("\n")
    return [f"  {escape(line)}" for line in lines]


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what sys.stderr is at the moment: a progress bar puts itself in between."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _stream: TextIO) -> None:
        pass


def set_up_logging(log: LogSettings, environ: Mapping[str, str] = os.environ) -> None:
    """One handler on stderr, for all that any library says."""
    handler = _Stderr()
    if log.format == "json":
        handler.setFormatter(_Json())
    elif log.format == "auto" and _is_journal(environ):
        handler.setFormatter(_Journal())
    else:
        handler.setFormatter(_Text())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for ours in _OURS:
        logging.getLogger(ours).setLevel(log.level.upper())
    logging.captureWarnings(capture=True)


def catch_everything() -> None:
    """For a process that is one of the parts: what nobody caught is an event like all others."""
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda failed: _log_uncaught(
        failed.exc_type, failed.exc_value, failed.exc_traceback
    )
    sys.unraisablehook = lambda failed: logger.error(
        "An error nobody could catch: %s",
        failed.err_msg or "in a destructor",
        exc_info=failed.exc_value,
    )


def announce(sentence: str, level: int = logging.ERROR) -> None:
    """A sentence of a part for whoever started it: as it is where people read, else an event."""
    handlers = logging.getLogger().handlers
    if any(isinstance(handler.formatter, _Json | _Journal) for handler in handlers):
        logger.log(level, "%s", sentence)
    else:
        sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if error is None or issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    logger.critical("%s was not caught", kind.__name__, exc_info=(kind, error, trace))


def _is_journal(environ: Mapping[str, str]) -> bool:
    """Whether stderr leads there: the variable is inherited by whoever redirects it, too."""
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
