"""`lookalike install-service`: shows what it will do, asks, and does it; or takes it back."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.install_plan import Plan, below, ours, plan
from cli.output import say
from cli.units import TARGET
from core.errors import AppError, UsageError


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the person asked for."""

    user: bool = False
    bot: bool = False
    start: bool = True
    yes: bool = False
    root: Path | None = None

    @property
    def top(self) -> Path:
        """Everything is written below it."""
        return self.root or Path("/")


def install(config_file: Path, wish: Wish, environ: Mapping[str, str] = os.environ) -> int:
    """The exit code: 1 where the question was declined. Again is as good as once."""
    _check(wish)
    # Not resolved: the link in a virtual environment is what makes it one.
    python = Path(sys.executable)
    todo = plan(config_file, python, environ, wish.top, user=wish.user, bot=wish.bot)
    files = {below(wish.top, path): text for path, text in todo.files.items()}
    configuration = {below(wish.top, path): text for path, text in todo.configuration.items()}
    folders = [below(wish.top, path) for path in todo.folders]
    changed = {path: text for path, text in files.items() if _differs(path, text)}
    new = [folder for folder in folders if not folder.is_dir()]
    systemctl = _systemctl(wish)
    commands = _commands(todo, wish, systemctl, changed=bool(changed))
    for path, text in files.items():
        verb = "keep" if path not in changed else "change" if path.exists() else "write"
        say(f"{verb}  {path} ({len(text.splitlines())} lines)")
    for path in configuration:
        say(f"write  {path}, the configuration; it is yours from then on")
    for folder in new:
        say(f"make   {folder}")
    links = {below(wish.top, link): file for link, file in todo.links.items()} if wish.root else {}
    for link in links:
        say(f"link   {link}")
    for command in commands:
        say(f"run    {' '.join(command)}")
    if not _agreed("Go on?", wish):
        return 1
    for folder in new:
        folder.mkdir(parents=True, mode=0o700)
    for path, text in [*configuration.items(), *changed.items()]:
        _write(path, text)
    for link, file in links.items():
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(file)
    for command in commands:
        _run(command)
    say(_next_steps(wish))
    return 0


def uninstall(wish: Wish, environ: Mapping[str, str] = os.environ) -> int:
    """Stops, disables and removes our units; index, state, configuration and user stay."""
    _check(wish)
    systemctl = _systemctl(wish)
    files = [below(wish.top, path) for path in ours(environ, user=wish.user)]
    files = [path for path in files if path.is_file()]
    if not files:
        say("No service of Lookalike is installed there.")
        return 0
    units = [path.name for path in files if path.suffix in (".service", ".target")]
    before, after = [], []
    if wish.root is None:
        before = [[*systemctl, "stop", *units], [*systemctl, "disable", *units]]
        after = [[*systemctl, "daemon-reload"]]
    for command in [*before, *after]:
        say(f"run    {' '.join(command)}")
    for path in files:
        say(f"remove {path}")
    if not _agreed("Index, state and configuration stay. Go on?", wish):
        return 1
    for command in before:
        _run(command)
    for path in files:
        for wants in path.parent.glob("*.wants"):
            (wants / path.name).unlink(missing_ok=True)
            if not any(wants.iterdir()):
                wants.rmdir()
        path.unlink()
    for command in after:
        _run(command)
    return 0


def _check(wish: Wish) -> None:
    if wish.root is not None and not wish.root.is_absolute():
        raise UsageError("--root must be an absolute path.")
    if wish.root is None and not wish.user and os.geteuid() != 0:
        raise AppError("A service of the system needs root: use sudo, or --user for one of yours.")


def _systemctl(wish: Wish) -> list[str]:
    """The command's beginning. AppError where it could do nothing for us."""
    if wish.root is not None:
        return []  # links are all that it would make
    command = ["systemctl", *(["--user"] if wish.user else [])]
    if shutil.which("systemctl") is None:
        raise AppError("There is no systemctl here: docs/operations.md says how to go without.")
    answer = subprocess.run(
        [*command, "show", "--property=Version"], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        why = answer.stderr.strip().splitlines()
        raise AppError(
            f"systemctl cannot reach a service manager ({why[0] if why else 'no reason given'}). "
            "docs/operations.md says how to run Lookalike without one."
        )
    return command


def _commands(todo: Plan, wish: Wish, systemctl: list[str], *, changed: bool) -> list[list[str]]:
    if wish.root is not None:
        return []
    commands = [*todo.commands, [*systemctl, "daemon-reload"]]
    commands.append([*systemctl, "enable", *todo.units])
    if wish.start:
        # Restarts what runs, starts what does not; a first start may fetch weights for minutes.
        commands.append([*systemctl, "--no-block", "restart" if changed else "start", TARGET])
    return commands


def _differs(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") != text
    except FileNotFoundError:
        return True


def _agreed(question: str, wish: Wish) -> bool:
    if wish.yes:
        return True
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    say("Nothing was changed.")
    return False


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.chmod(0o644)
    new.replace(path)


def _run(command: list[str]) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise AppError(
            f"`{' '.join(command)}` failed: {answer.stderr.strip() or answer.returncode}\n"
            "What was done before it stays; the same command again goes on from there."
        )


def _next_steps(wish: Wish) -> str:
    if wish.root is not None:
        return f"Written below {wish.root}; it starts when that system does."
    if wish.user:
        return (
            "See: lookalike status; journalctl --user --unit 'lookalike*'. "
            "To run while you are logged out: loginctl enable-linger"
        )
    return (
        "See: sudo -u lookalike lookalike --config /etc/lookalike/config.yaml status; "
        "journalctl --unit 'lookalike*'. The user lookalike must be able to read the pictures."
    )
