"""Commits a text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._describe import commit_json
from tract.cli._render import Heading, Table
from tract.errors import InvalidContentError

if TYPE_CHECKING:
    from tract.objects.commit import CommitInfo
    from tract.porcelain.tract import Tract


@click.command()
@click.argument("text", required=False)
@click.option("-m", "--message", metavar="MSG", help="What to show in the log; derived from the text if not given.")
@click.option("--role", type=click.Choice(["user", "assistant", "system"]), help="Who says it.  [default: user]")
@click.option(
    "--file", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Take the text from a file."
)
@click.option("--edit", "target", type=REVISION, metavar="TARGET", help="Replace the text of this commit instead.")
@json_option
@click.pass_obj
def command(
    app: App, *, text: str | None, message: str | None, role: str | None, path: Path | None, target: str | None
) -> None:
    """Commit TEXT on the current branch; `-` reads it from stdin.

    The text is kept as it is, the line feed at its end included.
    """
    if target is not None and role is not None:
        raise click.UsageError("An edit keeps the role: give either --edit or --role.")
    said = _text(text, path)
    with app.write() as t:
        if target is not None:
            info = t.edit(target, said, message=message)
        else:
            info = _writers(t)[role or "user"](said, message=message)
        branch = t.current_branch or "detached"
    app.emit(
        {"branch": branch, "commit": commit_json(info)},
        [
            Heading(["[", (branch, "green"), " ", (info.short_hash, "yellow"), "] ", info.message]),
            Table([[info.hash, str(info.tokens), str(info.context_tokens)]])
            if not sys.stdout.isatty()
            else Heading([f"{info.tokens:,} tokens, {info.context_tokens:,} in the context"]),
        ],
    )


def _writers(t: Tract) -> Mapping[str, Callable[..., CommitInfo]]:
    return {"user": t.user, "assistant": t.assistant, "system": t.system}


def _text(text: str | None, path: Path | None) -> str:
    """Return the text to commit: the argument, a file or stdin.

    Raises:
        InvalidContentError: It is empty, or not UTF-8.
    """
    if (text is None) == (path is None):
        raise click.UsageError("Give the text, `-` to read it from stdin, or --file.")
    if path is None and text != "-":
        said = text or ""
    else:
        data = sys.stdin.buffer.read() if path is None else path.read_bytes()
        try:
            said = data.decode()
        except UnicodeDecodeError as error:
            raise InvalidContentError("The text is not UTF-8.", hint="Convert it first, as with iconv.") from error
    if not said:
        raise InvalidContentError("There is nothing to commit.", hint="Give a text.")
    return said
