"""A daemon with mounts and limits of its own, in a user namespace: nobody else is touched."""

import subprocess
from pathlib import Path

import pytest

from tests.project import TOP, Project

FLAGS = "-Urm"


class Namespace:
    """Lives between `with` and its end, and with it everything that is mounted in it."""

    def __enter__(self) -> "Namespace":
        if subprocess.run(["unshare", FLAGS, "true"], capture_output=True, check=False).returncode:
            pytest.skip(f"this kernel does not permit 'unshare {FLAGS}'")
        self._holder = subprocess.Popen(
            ["unshare", FLAGS, "sh", "-c", "echo; exec cat"],
            cwd=TOP,  # python -m runs what lies there
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        self._holder.stdout.readline()  # it is inside now
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.communicate()

    def command(self, *arguments: str | Path) -> list[str]:
        """The same command, inside; it keeps its process id."""
        enter = ["nsenter", "-t", str(self._holder.pid), "-U", "-m", "-w"]
        return [*enter, "--preserve-credentials", *map(str, arguments)]

    def run(self, *arguments: str | Path) -> None:
        subprocess.run(self.command(*arguments), check=True, timeout=60)

    def limit(self, name: str, value: int) -> None:
        """Of inotify, for this namespace alone."""
        self.run("sh", "-c", f"echo {value} > /proc/sys/user/{name}")

    def inside(self, path: Path) -> Path:
        """Where this process sees what lies at the path inside."""
        return Path(f"/proc/{self._holder.pid}/root") / path.relative_to("/")

    def launch(self, project: Project) -> None:
        """Start the project's daemon inside."""
        with (project.folder / "daemon.log").open("a") as log:
            project.daemon = subprocess.Popen(
                self.command(*project.command("daemon")),
                env=project.environ,
                stderr=log,
            )
