"""Answers a call without a callback of your own: approve all, reject all, approve and log, or ask on a terminal."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, Final

from tract.agent.orchestrator.requests import CallDecision, CallRequest, written

_LOG: Final = logging.getLogger("tract.orchestrator")

_NOBODY: Final = "Nobody is there to decide."


def auto_approve(request: CallRequest) -> CallDecision:  # noqa: ARG001 - whatever is asked
    """Let every call be made."""
    return CallDecision.approve()


def reject_all(request: CallRequest) -> CallDecision:  # noqa: ARG001 - whatever is asked
    """Let no call be made."""
    return CallDecision.reject("Nothing may be changed now.")


def log_and_approve(request: CallRequest) -> CallDecision:
    """Let every call be made, and log it with its arguments to `tract.orchestrator` first."""
    _LOG.info("step %d: %s", request.step, request)
    return CallDecision.approve()


def cli_prompt(request: CallRequest) -> CallDecision:
    """Ask on the terminal: questions go to stderr, answers come from stdin; nobody there is a no."""
    _say(f"step {request.step}: {request}")
    if request.reason:
        _say(f"  why: {request.reason}")
    for number, other in enumerate(request.alternatives, 1):
        _say(f"  {number}: {written(other.tool, other.arguments)}")
    numbers = f", 1-{len(request.alternatives)} instead" if request.alternatives else ""
    while True:
        answer = _asked(f"[y]es, [n]o, [e]dit{numbers}? ")
        decision = CallDecision.reject(_NOBODY) if answer is None else _decision(request, answer.lower())
        if decision is not None:
            return decision


def _decision(request: CallRequest, answer: str) -> CallDecision | None:
    """Return what *answer* means, or `None` if it means nothing."""
    if answer in {"y", "yes"}:
        return CallDecision.approve()
    if answer in {"n", "no"}:
        return CallDecision.reject(_asked("why not? ") or "")
    if answer in {"e", "edit"}:
        arguments = _edited()
        return None if arguments is None else CallDecision.edit(arguments)
    if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(request.alternatives):
        return CallDecision.pick(int(answer) - 1)
    return None


def _edited() -> dict[str, Any] | None:
    try:
        found = json.loads(_asked('arguments to change, as JSON like {"target_tokens": 200}: ') or "")
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    _say("That is no JSON object.")
    return None


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _asked(question: str) -> str | None:
    """Return the next line of stdin, or `None` at its end."""
    sys.stderr.write(question)
    sys.stderr.flush()
    line = sys.stdin.readline()
    return line.strip() if line else None
