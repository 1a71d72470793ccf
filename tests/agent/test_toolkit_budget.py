"""An agent with the `self` profile over a long conversation: under budget, and every request valid for its provider."""

import json
from typing import Any

import pytest

from tests.agent.talking import broken, model, require_valid
from tract import ToolCall, Tract
from tract.formats.validate import RULE_BOOKS
from tract.llm.protocol import Format, Request
from tract.objects.message import Message
from tract.tokens.message import message_tokens

LIMIT = 1_500
TURNS = 40


def size_told(messages: Any) -> int:
    """Return what the last `status` said the context takes, as a model would read it."""
    told: list[Message] = [one for one in messages if one.role == "tool" and "context: " in one.text]
    return int(told[-1].text.split("context: ")[1].split()[0].replace(",", ""))


@pytest.mark.parametrize("form", sorted(RULE_BOOKS))
def test_self_keeps_a_long_conversation_under_its_budget(form: Format) -> None:
    """A model that looks at `status` and compresses when it is told to be over two thirds never goes over the whole.

    Every request it gets is within the budget, and valid for its provider as it is sent, tools included.
    """
    sizes: list[int] = []
    asked = turn = 0

    def ask_size(request: Request) -> Any:
        return [ToolCall(f"status_{turn}", "status", "{}")]

    def decide(request: Request) -> Any:
        if size_told(request.messages) <= LIMIT * 2 // 3:
            return f"Noted, that is item {turn} of the plan."
        summary = json.dumps({"summary": f"So far items up to {turn} of the trip plan were told and noted."})
        return [ToolCall(f"compress_{turn}", "compress", summary)]

    with Tract.open(config={"budget": {"limit_tokens": LIMIT, "on_exceed": "reject"}}) as t:
        kit = t.as_tools("self")
        t.system("You keep the plan of a long journey.")

        def look(_: Any) -> None:
            sizes.append(t.compile().token_count)

        for turn in range(1, TURNS + 1):
            said = (
                f"Item {turn}: on day {turn} we want to see the old town, eat near the river and sleep before ten. " * 2
            )
            llm = model(ask_size, decide, f"Item {turn} is kept.", format=form)
            t.run(said, tools=kit, llm=llm, on_event=look)
            for request in llm.requests:
                assert sum(message_tokens(one, t._store.counter) for one in request.messages) <= LIMIT
                assert broken(llm, request) == []
            asked += llm.calls

        assert max(sizes) <= LIMIT
        assert asked > 2 * TURNS
        assert sum(done.verb == "compress" for done in t.operations) >= 3
        assert t.compile().messages[0].text == "You keep the plan of a long journey."
        require_valid(t)
