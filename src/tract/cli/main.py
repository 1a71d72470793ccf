"""The `tract` command: the options every command shares, and where commands are found."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
from typing import Any

import click

from tract import __version__
from tract.cli import commands
from tract.cli._context import App
from tract.cli._errors import quiet_pipe, translated


class Commands(click.Group):
    """The commands of the package `tract.cli.commands`, each loaded when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands, sorted."""
        return sorted(_modules())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command *cmd_name*, or `None`."""
        module = _modules().get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(f"{commands.__name__}.{module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command to run; name the nearest one if there is none."""
        name = args[0] if args else ""
        if not ctx.resilient_parsing and name not in _modules() and not name.startswith("-"):
            near = difflib.get_close_matches(name, _modules(), n=1)
            raise click.UsageError(f"No command `{name}`." + (f" Did you mean `{near[0]}`?" if near else ""), ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader of stdout who left is no error."""
        with quiet_pipe():
            return super().invoke(ctx)

    def main(self, *args: Any, **options: Any) -> Any:
        """Run with errors translated; always ends in `SystemExit`."""
        with translated():
            options["standalone_mode"] = False
            sys.exit(super().main(*args, **options) or 0)


def _modules() -> dict[str, str]:
    """Return the module of each command."""
    names = [module.name for module in pkgutil.iter_modules(commands.__path__)]
    return {name.rstrip("_").replace("_", "-"): name for name in names if not name.startswith("_")}


@click.group(
    cls=Commands,
    name="tract",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--db", metavar="PATH", envvar="TRACT_DB", help="The store: a file or a database URL.  [env: TRACT_DB]")
@click.option("--tract", default="default", metavar="NAME", help="Which tract of the store.")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Whether to print colour."
)
@click.option(
    "--at-op", "at_operation", type=click.IntRange(min=1), metavar="N", help="Look at how it was after operation N."
)
@click.version_option(__version__, prog_name="tract", message="%(prog)s %(version)s")
@click.pass_context
# click passes the context by position and the rest by name.
def root(  # noqa: PLR0917
    ctx: click.Context,
    db: str | None,
    tract: str,
    is_json: bool,  # noqa: FBT001
    color: str,
    at_operation: int | None,
) -> None:
    """Version control for LLM context.

    The store is --db, else TRACT_DB, else `.tract.db` here or in a folder above. Without a command,
    show where the store stands.
    """
    ctx.obj = App(db=db or None, tract=tract, color=color, is_json=is_json, at_operation=at_operation)
    if ctx.invoked_subcommand is not None:
        return
    status = root.get_command(ctx, "status")
    if ctx.obj.find() is None or status is None:
        click.echo(ctx.get_help())
    else:
        ctx.invoke(status)


def main() -> None:
    """Run `tract`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that cannot show a letter gets its escape, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    root.main(prog_name="tract")
