"""Lets a model look after a context, and asks before each change."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

import click

from tract.agent.toolkit.profiles import PROFILES, Profile
from tract.cli._context import App, json_option
from tract.cli._errors import DECISION_NEEDED, fail
from tract.cli._render import Body, Cell, Table

if TYPE_CHECKING:
    from tract.agent.orchestrator.steps import OrchestrateResult

_HEADER = ("step", "outcome", "call", "operations", "why")


@click.command()
@click.argument("instructions", required=False)
@click.option(
    "--profile", type=click.Choice(PROFILES), default="self", show_default=True, help="What its tools may do."
)
@click.option("--auto", "is_auto", is_flag=True, help="Make the calls without asking.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Only say what would be done.")
@click.option("--steps", type=click.IntRange(min=1), default=10, show_default=True, help="How often to ask the model.")
@click.option("--tokens", type=click.IntRange(min=1), help="Most tokens to send and receive.")
@click.option("--provider", envvar="TRACT_PROVIDER", show_envvar=True, help="Who to ask, such as `openai`.")
@click.option("--model", envvar="TRACT_MODEL", show_envvar=True, help="Name of the model.")
@click.option("--base-url", envvar="TRACT_BASE_URL", show_envvar=True, help="Where the provider is.")
@json_option
@click.pass_obj
def command(app: App, /, instructions: str | None, **options: Any) -> None:
    """Let a model look after the context; INSTRUCTIONS say what you want.

    It sees the state of the context in numbers and calls tools of its profile. On a terminal each call that changes
    something is shown first: approve it, reject it, take one of its alternatives, or edit it. Nothing of its own
    conversation is committed.
    """
    is_auto, is_dry_run = options.pop("is_auto"), options.pop("is_dry_run")
    if is_auto and is_dry_run:
        raise click.UsageError("Use --auto or --dry-run, not both.")
    if not (is_auto or is_dry_run or (sys.stdin.isatty() and sys.stderr.isatty())):
        fail("Each change needs a yes.", hint="Pass `--auto`, or look first with `--dry-run`.", code=DECISION_NEEDED)
    level = "autonomous" if is_auto else "manual" if is_dry_run else "collaborative"
    app.emit(*_told(_run(app, instructions, level, options)))


def _run(app: App, instructions: str | None, level: str, options: dict[str, Any]) -> OrchestrateResult:
    from tract.agent.limits import RunBudget
    from tract.agent.orchestrator.callbacks import cli_prompt

    tokens, steps = options.pop("tokens"), options.pop("steps")
    profile = cast("Profile", options.pop("profile"))
    given = {name: value for name, value in options.items() if value is not None}
    with app.read() if level == "manual" else app.write(actor="cli") as t:
        orchestrator = t.orchestrate(
            instructions,
            profile=profile,
            autonomy=level,
            callback=cli_prompt if level == "collaborative" else None,
            max_steps=steps,
            budget=RunBudget(tokens=tokens),
            **given,
        )
        return orchestrator.run()


def _told(result: OrchestrateResult) -> tuple[dict[str, Any], list[Table | Body]]:
    calls = [(step.number, call) for step in result.steps for call in step.calls]
    rows: list[list[Cell]] = [
        [str(number), call.outcome, str(call), " ".join(map(str, call.operations)), call.reason]
        for number, call in calls
    ]
    document = {
        "state": result.state,
        "reason": result.reason,
        "text": result.text,
        "tokens_before": result.tokens_before,
        "tokens_after": result.tokens_after,
        "calls": [
            {
                "step": number,
                "tool": call.tool,
                "arguments": call.arguments,
                "outcome": call.outcome,
                "reason": call.reason,
                "result": call.result,
                "operations": list(call.operations),
            }
            for number, call in calls
        ],
    }
    end = f"{result.state}: {result.tokens_before:,} -> {result.tokens_after:,} tokens"
    return document, [Table(rows, _HEADER), Body("\n".join([end, *([result.text] if result.text else [])]))]
