"""Finds commits by what they say and what is known of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import click

from tract.cli._context import REVISION, TAG, App, json_option
from tract.cli._describe import LOG_HEADER, commit_json, commit_row
from tract.cli._moment import MOMENT
from tract.cli._render import Table
from tract.errors import NotCanonicalError
from tract.objects.commit import OPS, ORIGINS

if TYPE_CHECKING:
    from tract.objects.commit import CommitInfo
    from tract.porcelain.tract import Tract

_CONDITION: Final = re.compile(r"\s*([^\s=!<>]+)\s*(!=|<=|>=|=|<|>|\bin\b|\bbetween\b)\s*(\S.*?)\s*\Z", re.DOTALL)


class Pair(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases of click only
    """`key=value`, the value JSON or plain text."""

    name = "pair"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """Return key and value."""
        key, equals, said = value.partition("=")
        if not equals or not key:
            self.fail(f"`{value}` is no pair. Write key=value.", param, ctx)
        return key, parsed(said)


class Condition(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases of click only
    """`temperature>0.5`: a field, an operator and a value."""

    name = "condition"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str, Any]:
        """Return field, operator and value."""
        match = _CONDITION.match(value)
        if match is None:
            self.fail(f"`{value}` is no condition. Write temperature>0.5, or `model in a,b`.", param, ctx)
        field, operator, said = match.groups()
        wanted = parsed(said)
        if operator in {"in", "between"} and not isinstance(wanted, list):
            wanted = [parsed(one.strip()) for one in said.split(",")]
        return field, operator, wanted


@click.command()
@click.argument("text", required=False)
@click.option("--type", "content_type", metavar="TYPE", help="Its content is of this type, such as dialogue.")
@click.option("--tag", type=TAG, metavar="NAME", help="This tag points to it.")
@click.option("--op", type=click.Choice(sorted(OPS)), help="It does this.")
@click.option("--author", metavar="TEXT", help="Its author contains this.")
@click.option("--origin", type=click.Choice(sorted(ORIGINS)), help="Its content came from there.")
@click.option("--since", type=MOMENT, metavar="TIME", help="Committed then or later: 2026-01-31, 2h, 3d, yesterday.")
@click.option("--until", type=MOMENT, metavar="TIME", help="Committed before then.")
@click.option("--metadata", type=Pair(), multiple=True, metavar="KEY=VALUE", help="Its metadata has this.")
@click.option(
    "--config", "conditions", type=Condition(), multiple=True, metavar="CONDITION", help="As `temperature>0.5`."
)
@click.option("--at", "at", type=REVISION, metavar="REV", help="Search the history of this commit instead of HEAD's.")
@click.option("-n", "--limit", type=click.IntRange(min=0), help="Only the newest few.")
@json_option
@click.pass_obj
def command(app: App, /, *, conditions: tuple[Any, ...], limit: int | None, **wanted: Any) -> None:
    """Show the commits that hold TEXT and are all else that is asked for, newest first.

    TEXT may be in any case; no character in it stands for others. A value of --metadata and --config is JSON
    or plain text; the operators are `= != < <= > >= in between`. The columns are those of `tract log`. The exit
    code is 0 as well if nothing is found.
    """
    wanted["metadata"] = dict(wanted["metadata"]) or None
    with app.read() as t:
        found = _find(t, conditions, limit, wanted)
    app.emit(
        {"commits": [commit_json(info) for info in found]},
        [Table([commit_row(info) for info in found], LOG_HEADER)],
        is_paged=True,
    )


def _find(t: Tract, conditions: tuple[Any, ...], limit: int | None, wanted: dict[str, Any]) -> list[CommitInfo]:
    if not conditions:
        return t.find(limit=limit, **wanted)
    configured = t.query_by_config(*conditions, at=wanted["at"])
    if all(value is None for name, value in wanted.items() if name != "at"):
        return configured[:limit]
    names = {info.hash for info in configured}
    return [info for info in t.find(**wanted) if info.hash in names][:limit]


def parsed(text: str) -> Any:
    """Return *text* as JSON, or as it is."""
    from tract.objects.hashing import parse_json

    try:
        return parse_json(text)
    except NotCanonicalError:
        return text
