"""Offers the tools of a tract to MCP clients."""

from __future__ import annotations

from typing import cast

import click

from tract.agent.toolkit.profiles import PROFILES, Profile
from tract.cli._context import App


@click.command()
@click.option(
    "--profile", type=click.Choice(PROFILES), default="self", show_default=True, help="What the tools may do."
)
@click.option("--only", multiple=True, metavar="TOOL", help="Offer this tool, and others named so; repeatable.")
@click.option("--http", "is_http", is_flag=True, help="Serve on a port of this machine instead of stdio.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port for --http; any free one by default.")
@click.pass_obj
def command(app: App, *, profile: str, only: tuple[str, ...], is_http: bool, port: int) -> None:
    """Serve a toolkit over the Model Context Protocol, on stdin and stdout or, with --http, on a port.

    Over HTTP the address and a token are printed once; each request has to carry the token.
    """
    from tract.cli import _mcp

    with app.read() if profile == "read" else app.write(actor="mcp") as t:
        kit = t.as_tools(cast("Profile", profile), only=only or None)
        if is_http:
            _mcp.serve_http(kit, port, _announce)
        else:
            _mcp.serve_stdio(kit)


def _announce(address: str, token: str) -> None:
    click.echo(address)
    click.echo(f"Authorization: Bearer {token}")
