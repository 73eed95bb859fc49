"""The commands and their options; each one's work is in a module of its own, imported when asked
for, so that `--help` answers at once."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from core.errors import AppError

app = typer.Typer(
    help="Finds the pictures that look like yours.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Context = typer.Context


@app.callback()
def _common(
    context: Context,
    config: Annotated[
        Path, typer.Option(envvar="LOOKALIKE_CONFIG", help="The configuration.")
    ] = Path("config.yaml"),
) -> None:
    context.obj = config


@app.command()
def up(context: Context) -> None:
    """Run everything; Ctrl-C stops it."""
    from cli.up import up as run

    raise typer.Exit(run(context.obj))


@app.command()
def daemon(context: Context) -> None:
    """Keep the index equal to the folders."""
    from core.config import load_config
    from daemon.runner import run

    raise typer.Exit(run(load_config(context.obj)))


@app.command()
def bot(context: Context) -> None:
    """Answer pictures in Discord."""
    from bot.runner import run
    from core.config import load_config

    raise typer.Exit(run(load_config(context.obj)))


@app.command()
def web(context: Context) -> None:
    """Serve the page and the API."""
    from core.config import load_config
    from web.runner import run

    raise typer.Exit(run(load_config(context.obj)))


@app.command()
def sync(
    context: Context,
    paths: Annotated[list[Path] | None, typer.Argument(help="Default: every root.")] = None,
    *,
    json: JsonOption = False,
) -> None:
    """One pass now: make the index agree with the disk."""
    from cli.orders import sync as run

    raise typer.Exit(run(context.obj, paths or [], as_json=json))


@app.command()
def search(
    context: Context,
    image: Annotated[Path, typer.Argument(help="A picture, anywhere.")],
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="How many matches.")] = 10,
    under: Annotated[
        str | None, typer.Option(help="Only below this folder: ROOT or ROOT/folder.")
    ] = None,
    max_distance: Annotated[
        float | None, typer.Option(min=0, max=2, help="Nothing farther than this.")
    ] = None,
    *,
    json: JsonOption = False,
) -> None:
    """The closest matches of a picture, with their distances (0 = identical)."""
    from cli.search import search as run

    raise typer.Exit(run(context.obj, image, k, under, max_distance, as_json=json))


@app.command()
def verify(
    context: Context,
    *,
    content: Annotated[bool, typer.Option("--content", help="Hash every file again.")] = False,
    json: JsonOption = False,
) -> None:
    """Compare index and disk, change nothing; exit code 1 if they differ."""
    from cli.verify import verify as run

    raise typer.Exit(run(context.obj, content=content, as_json=json))


@app.command()
def status(context: Context, *, json: JsonOption = False) -> None:
    """What the daemon is doing; what is indexed, rejected, held."""
    from cli.status import status as run

    raise typer.Exit(run(context.obj, as_json=json))


@app.command()
def approve(context: Context, *, json: JsonOption = False) -> None:
    """Release the deletions that are held back."""
    from cli.orders import approve as run

    raise typer.Exit(run(context.obj, as_json=json))


@app.command()
def adopt(context: Context, root: str, *, json: JsonOption = False) -> None:
    """Accept what is mounted now as this root."""
    from cli.orders import adopt as run

    raise typer.Exit(run(context.obj, root, as_json=json))


@app.command()
def forget(
    context: Context,
    root: Annotated[str | None, typer.Argument(help="The root's name.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every root.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete the rows of a root; the files stay."""
    if (root is None) != everything:
        raise typer.BadParameter("name one root, or say --all", param_hint="ROOT")
    from cli.orders import forget as run

    raise typer.Exit(run(context.obj, root, as_json=json))


@app.command()
def doctor(context: Context, *, json: JsonOption = False) -> None:
    """What is wrong here or soon will be, and what to do; exit code 1 on a problem."""
    from cli.doctor.command import doctor as run

    raise typer.Exit(run(context.obj, as_json=json))


@app.command()
def backup(
    context: Context,
    file: Annotated[Path, typer.Argument(help="Replaced if it is a backup.")],
    *,
    json: JsonOption = False,
) -> None:
    """Save the index in one file; the daemon may go on."""
    from cli.backup import backup as run

    raise typer.Exit(run(context.obj, file, as_json=json))


@app.command()
def restore(
    context: Context,
    file: Annotated[Path, typer.Argument(help="What `backup` wrote, here or elsewhere.")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where something is indexed already.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make a backup the index; nothing is embedded anew."""
    from cli.backup import restore as run

    raise typer.Exit(run(context.obj, file, replace=replace, as_json=json))


@app.command()
def models(context: Context, *, json: JsonOption = False) -> None:
    """The indexes there are, and the models that can be configured."""
    from cli.models import models as run

    raise typer.Exit(run(context.obj, as_json=json))


@app.command()
def model(context: Context) -> None:
    """Serve one model to all parts on this machine."""
    from core.config import load_config
    from core.serving.runner import run

    run(load_config(context.obj))


@app.command("install-service")
def install_service(
    context: Context,
    *,
    user: Annotated[bool, typer.Option("--user", help="Yours, not the machine's.")] = False,
    bot: Annotated[bool, typer.Option("--bot", help="The Discord bot, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    no_start: Annotated[bool, typer.Option("--no-start", help="Only install.")] = False,
    uninstall: Annotated[
        bool, typer.Option("--uninstall", help="Stop and remove it; all data stays.")
    ] = False,
    root: Annotated[
        Path | None, typer.Option(help="Write below this folder; start nothing.")
    ] = None,
) -> None:
    """Run everything as a service of systemd."""
    from cli import install_service as service

    wish = service.Wish(user=user, bot=bot, start=not no_start, yes=yes, root=root)
    run = service.uninstall(wish) if uninstall else service.install(context.obj, wish)
    raise typer.Exit(run)


def main() -> None:
    """The console script: errors become sentences and exit codes here and nowhere else."""
    try:
        app()
    except AppError as error:
        from core.logs import announce

        announce(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(1)


if __name__ == "__main__":
    main()
