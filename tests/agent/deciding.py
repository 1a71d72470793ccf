"""Gives tests branches that contradict each other, and models that decide about them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tract import Tract
from tract.llm.protocol import Request
from tract.objects.usage import Usage
from tract.testing import ScriptedLLM

USAGE = Usage(100, 20)


def shown(request: Request) -> dict[str, Any]:
    """Return the document a model was sent."""
    document: dict[str, Any] = json.loads(request.messages[1].text)
    return document


def decides(
    action: str, content: str | None = None, reason: str = "It holds both.", **other: Any
) -> Callable[..., str]:
    """Return an answer of a script that decides the issue it is asked about, and notices nothing in a review."""

    def answer(request: Request) -> str:
        if "issue" not in shown(request):
            return notices()
        return json.dumps(
            {"issue": shown(request)["issue"], "action": action, "content": content, "reason": reason, **other}
        )

    return answer


def notices(*concerns: dict[str, Any]) -> str:
    """Return an answer of a script to a review."""
    return json.dumps({"concerns": list(concerns)})


def model(*script: Any, **options: Any) -> ScriptedLLM:
    """Return a scripted model whose calls cost something."""
    return ScriptedLLM(list(script), usage=USAGE, **options)


def clash(t: Tract) -> str:
    """Edit one message on `main` and on `dev`; return the commit of the message."""
    t.system("You plan trips.")
    asked = t.user("Two days in Rome?")
    t.branch("dev")
    t.edit(asked, "Two days in Rome, by train?")
    t.switch("main")
    t.edit(asked, "Three days in Rome?")
    return asked.hash


def add_both(t: Tract) -> None:
    """Say something on `main` and on `dev`."""
    t.user("We have 500 euros.")
    t.switch("dev")
    t.assistant("The train is 700 euros.")
    t.switch("main")


def texts(t: Tract) -> list[str]:
    """Return what the context says."""
    assert t.fsck() == []
    return [message.text for message in t.compile(verify=True).messages]
