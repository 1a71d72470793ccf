"""Gives tests a long conversation to look after, and models that look after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.agent.kits import dump
from tract import Orchestrator, ToolCall, Tract
from tract.testing import ScriptedLLM

DAY = "On day {n} we want to see the old town, eat near the river and be in bed before ten, if that can be done. "
SUMMARY = "Four days: the old town, dinner near the river, in bed before ten."


def call(tool: str, /, **arguments: Any) -> ToolCall:
    """Return a call of a model."""
    return ToolCall(f"call_{tool}", tool, json.dumps(arguments))


def compressing(**besides: Any) -> ToolCall:
    """Return the call that tidies up."""
    return call("compress", summary=SUMMARY, **besides)


def model(*script: Any, **options: Any) -> ScriptedLLM:
    """Return a scripted model."""
    return ScriptedLLM(list(script), **options)


def travel(t: Tract, days: int = 4) -> None:
    """Say the plan of some days."""
    t.system("You keep the plan of a journey.")
    for n in range(1, days + 1):
        t.user(DAY.format(n=n) * 2)
        t.assistant(f"Day {n} is noted.")


def rows(file: Path) -> Any:
    """Return every row of the store at *file*, but for the log of policies, which no history has."""
    return {name: found for name, found in dump(file).items() if name != "policy_log"}


def outcomes(orchestrator: Orchestrator) -> list[tuple[str, str]]:
    """Return tool and outcome of each call of the last run."""
    return [(one.tool, one.outcome) for one in orchestrator.results[-1].calls]
