"""A unit file's [Service] section, and which of its lines hold without a service manager."""

import subprocess
from pathlib import Path

APPLIED = {
    "AmbientCapabilities", "CacheDirectory", "CapabilityBoundingSet", "Environment", "Group",
    "KeyringMode", "LimitNOFILE", "LockPersonality", "MemoryDenyWriteExecute",
    "NoNewPrivileges", "PrivateDevices", "PrivateMounts", "PrivateTmp", "PrivateUsers",
    "ProtectClock", "ProtectControlGroups", "ProtectHome", "ProtectHostname",
    "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectSystem",
    "ReadWritePaths", "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime",
    "RestrictSUIDSGID", "RuntimeDirectory", "StateDirectory", "SystemCallArchitectures",
    "SystemCallErrorNumber", "SystemCallFilter", "UMask", "User",
}  # fmt: skip
OUTSIDE = {
    "DevicePolicy": "a control group's",
    "DeviceAllow": "a control group's",
    "IPAddressAllow": "a control group's",
    "IPAddressDeny": "a control group's",
    "MemoryMax": "a control group's",
    "TasksMax": "a control group's",
    "ProtectProc": "takes a /proc that only the machine's own root may mount",
    "RemoveIPC": "is for after the end",
}
"""What restricts a service and cannot be applied here, and why."""
LIFE = {
    "CacheDirectoryMode", "EnvironmentFile", "ExecStart", "KillMode",
    "LoadCredential", "NotifyAccess", "Restart", "RestartPreventExitStatus",
    "RestartSec", "TimeoutStartSec", "TimeoutStopSec", "Type", "WatchdogSec",
}  # fmt: skip
"""How a service lives; restricts nothing."""
FOLDERS = {
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "RuntimeDirectory": "/run",
}


class Unit:
    """One file; `places` says which folder stands for one of the unit's."""

    def __init__(self, file: Path, places: dict[str, str]) -> None:
        self.name = file.name
        self._places = sorted(places.items(), key=lambda place: -len(place[0]))
        self._lines: list[tuple[str, str]] = []
        section = ""
        for line in file.read_text().splitlines():
            if line.startswith("["):
                section = line
            elif section == "[Service]" and line and line[0] not in "#;":
                key, _, value = line.partition("=")
                self._lines.append((key, value))
        unknown = {key for key, _ in self._lines} - APPLIED - OUTSIDE.keys() - LIFE
        if unknown:
            raise SystemExit(f"{self.name}: nothing here knows {', '.join(sorted(unknown))}.")

    def all(self, key: str) -> list[str]:
        """Every line of the key, with our folders in it."""
        return [self._placed(value) for each, value in self._lines if each == key]

    def last(self, key: str) -> str:
        return ["", *self.all(key)][-1]

    def yes(self, key: str) -> bool:
        return self.last(key) in ("yes", "true", "on", "1")

    def not_applied(self) -> list[str]:
        """The lines that would restrict more under a service manager."""
        keys = dict.fromkeys(key for key, _ in self._lines if key in OUTSIDE)
        return [f"{key} ({OUTSIDE[key]})" for key in keys]

    def writable(self) -> list[str]:
        """The folders that stay writable; systemd makes those of FOLDERS itself."""
        paths = [path for line in self.all("ReadWritePaths") for path in line.split()]
        for key, above in FOLDERS.items():
            for name in self.last(key).split():
                made = Path(self._placed(f"{above}/{name}"))
                made.mkdir(parents=True, exist_ok=True)
                paths.append(str(made))
        return paths

    def calls(self) -> set[str]:
        """The system calls that its SystemCallFilter lines let through; none: all."""
        lines = self.all("SystemCallFilter")
        if not lines:
            return set()
        groups = call_groups()
        if lines[0].startswith("~"):
            raise SystemExit(f"{self.name}: its SystemCallFilter must begin with what it allows.")
        allowed = names(groups, ["@default"])
        for line in lines:
            listed = names(groups, line.removeprefix("~").split())
            allowed = allowed - listed if line.startswith("~") else allowed | listed
        return allowed

    def _placed(self, value: str) -> str:
        for theirs, ours in self._places:
            value = value.replace(theirs, ours)
        return value


def call_groups() -> dict[str, list[str]]:
    """What systemd means by @system-service and the like."""
    said = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    groups: dict[str, list[str]] = {}
    group: list[str] = []
    for line in said.splitlines():
        word = line.strip()
        if line.startswith("@"):
            group = groups[word] = []
        elif line.startswith("#"):
            group = []  # those in no group
        elif word and not word.startswith("#"):
            group.append(word)
    return groups


def names(groups: dict[str, list[str]], words: list[str]) -> set[str]:
    found: set[str] = set()
    for word in words:
        found |= names(groups, groups[word]) if word.startswith("@") else {word}
    return found
