"""Prints the script that lets a shell complete commands, options, branches and commits."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

_SHELLS: Final = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    r"""Print the script that completes names in SHELL.

    \b
    eval "$(tract completion bash)"        in ~/.bashrc
    eval "$(tract completion zsh)"         in ~/.zshrc
    tract completion fish | source         in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "tract", "_TRACT_COMPLETE").source())
