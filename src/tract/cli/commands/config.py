"""Reads and changes the settings of a tract."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

import tract
from tract.cli._context import App, json_option
from tract.cli._render import Cell, Table
from tract.errors import InvalidInputError, NotCanonicalError

if TYPE_CHECKING:
    from tract.porcelain.tract import Tract


class Setting(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases of click only
    """The name of a setting, such as `budget.limit_tokens`."""

    name = "setting"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return *value* if there is such a setting."""
        known = _names()
        if value not in known:
            near = difflib.get_close_matches(value, known, n=1)
            more = f"Did you mean `{near[0]}`?" if near else f"Settings are {', '.join(known)}."
            self.fail(f"no setting `{value}`. {more}", param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """Return the settings that begin with *incomplete*."""
        return [CompletionItem(name) for name in _names() if name.startswith(incomplete)]


def _names() -> list[str]:
    """Return every setting, those of the budget with a dot."""
    from tract.objects.config import OPERATIONS, TokenBudget

    names = sorted(tract.TractConfig.model_fields)
    of_models = [f"{operation}.{name}" for operation in OPERATIONS for name in _model_fields()]
    return [*names, *sorted(f"budget.{name}" for name in TokenBudget.model_fields), *of_models]


def _model_fields() -> list[str]:
    """Return what can be set of an operation's model; a client cannot be written down."""
    return [name for name in tract.LLMConfig.model_fields if name != "llm"]


def _values(t: Tract) -> dict[str, Any]:
    values: dict[str, Any] = t.config.model_dump(mode="json")
    budget = values["budget"] or {}
    inner = {name: budget.get(name.removeprefix("budget.")) for name in _names() if name.startswith("budget.")}
    kept = {f"{operation}.{name}": value for operation in t.models for name, value in _kept(t, operation).items()}
    return {**values, **inner, **kept}


def _kept(t: Tract, operation: str) -> dict[str, Any]:
    """Return the model settings kept for *operation*, `None` where there is none."""
    choice = t.models[operation]
    named = {"provider": choice.provider, "base_url": choice.base_url, "model": choice.model, **choice.settings}
    own = {name: one.value for name, one in named.items() if one is not None and one.source == "operation"}
    return {**dict.fromkeys(_model_fields()), **own}


@click.group(name="config")
def command() -> None:
    """Read and change the settings of a tract."""


@command.command(name="list")
@json_option
@click.pass_obj
def list_(app: App) -> None:
    """Show every setting in force."""
    with app.read() as t:
        values = _values(t)
    shown: list[list[Cell]] = [[(name, "cyan"), _written(values[name])] for name in values if name != "budget"]
    app.emit({"settings": values}, [Table(shown)])


@command.command()
@click.argument("name", type=Setting())
@json_option
@click.pass_obj
def get(app: App, name: str) -> None:
    """Show the setting NAME."""
    with app.read() as t:
        value = _values(t)[name]
    app.emit({"name": name, "value": value}, [Table([[_written(value)]])])


@command.command(name="set")
@click.argument("name", type=Setting())
@click.argument("value")
@json_option
@click.pass_obj
def set_(app: App, name: str, value: str) -> None:
    """Change the setting NAME to VALUE and keep it; `null` takes it back.

    VALUE is JSON, or plain text.
    """
    with app.write() as t:
        try:
            _set(t, name, _parsed(value))
        except InvalidInputError as error:
            raise click.UsageError(error.message, click.get_current_context()) from error
        now = _values(t)[name]
    app.emit({"name": name, "value": now}, [Table([[(name, "cyan"), _written(now)]])])


def _set(t: Tract, name: str, given: Any) -> None:
    field, _, inner = name.partition(".")
    if field in t.models:
        settings = {**_kept(t, field), inner: given}
        kept = {key: value for key, value in settings.items() if value is not None}
        t.configure_operations(**{field: kept or None})
        return
    if inner:
        given = {**(t.config.model_dump()[field] or {}), inner: given}
    if given is None:
        given = type(t.config).model_fields[field].get_default(call_default_factory=True)
    t.configure(**{field: given})


def _parsed(value: str) -> Any:
    from tract.objects.hashing import parse_json

    try:
        return parse_json(value)
    except NotCanonicalError:
        return value


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
