"""Lists, adds, tries and removes policies, and shows what they said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._render import Cell, Table

if TYPE_CHECKING:
    from tract.agent.policies.log import PolicyRecord
    from tract.agent.policies.policy import Policy

_HEADER = ("policy", "kind", "mode", "priority", "autonomy", "fields")
_LOG_HEADER = ("time", "event", "policy", "verdict", "outcome", "reason")
_SHARED = frozenset({"name", "priority", "mode", "autonomy"})


@click.group(name="policy")
def command() -> None:
    """List, add, remove and try the rules that look after a tract."""


@command.command(name="list")
@json_option
@click.pass_obj
def listed(app: App) -> None:
    """List the policies: name, kind, mode, priority, autonomy, other fields."""
    with app.read() as t:
        policies = t.policies
        rules = list(policies.values())
        document = {"ceiling": policies.ceiling.value, "is_paused": policies.is_paused}
    app.emit(
        {"policies": [_json(rule) for rule in rules], **document}, [Table([_row(rule) for rule in rules], _HEADER)]
    )


@command.command()
@click.argument("kind")
@click.argument("fields", nargs=-1, metavar="[FIELD=VALUE]...")
@json_option
@click.pass_obj
def add(app: App, *, kind: str, fields: tuple[str, ...]) -> None:
    """Put a policy of KIND in force; a VALUE is JSON or text, as in `mode=shadow` or `roles='["user"]'`."""
    given = dict(_field(field) for field in fields)
    with app.write() as t:
        rule = t.policies.add(kind, **given)
    app.emit({"policy": _json(rule)}, [Table([_row(rule)], _HEADER)])


def _field(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise click.UsageError("Write fields as NAME=VALUE.")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


@command.command()
@click.argument("name")
@json_option
@click.pass_obj
def remove(app: App, *, name: str) -> None:
    """Take the policy NAME out of force."""
    with app.write() as t:
        rule = t.policies.remove(name)
    app.emit({"policy": _json(rule)}, [Table([_row(rule)], _HEADER)])


@command.command(name="test")
@click.argument("revision", type=REVISION, required=False)
@json_option
@click.pass_obj
def tried(app: App, *, revision: str | None) -> None:
    """Say what the policies would have done about the history of REVISION (HEAD if not given); nothing is changed."""
    with app.read() as t:
        _emit(app, t.policies.test(revision))


@command.command()
@click.option("--policy", help="Only what this policy said.")
@click.option("--outcome", help="Only with this outcome, such as `denied`.")
@json_option
@click.pass_obj
def log(app: App, *, policy: str | None, outcome: str | None) -> None:
    """List what the policies said, the newest first: time, event, policy, verdict, outcome, reason."""
    with app.read() as t:
        _emit(app, t.policies.log.find(policy=policy, outcome=outcome))


def _emit(app: App, records: list[PolicyRecord]) -> None:
    rows: list[list[Cell]] = [
        [one.at.isoformat(timespec="seconds"), one.event, one.policy, one.verdict, one.outcome, one.reason]
        for one in records
    ]
    names = ("event", "verb", "policy", "verdict", "mode", "outcome", "reason", "operation")
    told = [{"at": one.at.isoformat(), **{name: getattr(one, name) for name in names}} for one in records]
    app.emit({"evaluations": told}, [Table(rows, _LOG_HEADER)], is_paged=True)


def _json(rule: Policy) -> dict[str, Any]:
    return {"kind": rule.kind, **rule.model_dump(mode="json")}


def _row(rule: Policy) -> list[Cell]:
    others = rule.model_dump(mode="json", exclude_defaults=True, exclude=set(_SHARED))
    return [
        (rule.name, "magenta"), rule.kind, rule.mode, str(rule.priority), rule.autonomy.value,
        " ".join(f"{name}={json.dumps(value)}" for name, value in others.items()),
    ]  # fmt: skip
