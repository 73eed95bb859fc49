"""What the managers of a server set for it, in state/bot/servers.json."""

from dataclasses import asdict, dataclass
from pathlib import Path

from core.files import read_json, write_json


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """None: as configured."""

    number: int | None = None
    """Matches in an answer."""
    folder: str | None = None
    """Searched where no other is named: ROOT or ROOT/folder."""


class Settings:
    """Read once, written at each change; blocking only then."""

    def __init__(self, file: Path) -> None:
        self._file = file
        document = read_json(file)
        self._servers: dict[str, ServerSettings] = {}
        for server, values in document.items() if isinstance(document, dict) else ():
            try:
                self._servers[server] = ServerSettings(**values)
            except TypeError:
                continue  # damaged, or of another version

    def of(self, server: int | None) -> ServerSettings:
        """Those of a server; of none: as configured."""
        return self._servers.get(str(server), ServerSettings())

    def put(self, server: int, settings: ServerSettings) -> None:
        """Replace them. OSError if they cannot be written."""
        servers = self._servers | {str(server): settings}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_json(self._file, {name: asdict(one) for name, one in servers.items()})
        self._servers = servers
