"""Opens a store in a process of its own and prints what each tract compiles to: `read_back.py PATH NAME...`."""

from __future__ import annotations

import json
import sys

from tract import Tract
from tract.formats.validate import validate_anthropic, validate_gemini, validate_openai, validate_openai_responses


def read(path: str, name: str) -> dict[str, object]:
    """Return the context of one tract in every format, and what the validators say of it."""
    with Tract.open(path, tract=name, create=False) as t:
        context = t.compile(verify=True)
        sent, items, turns = context.to_anthropic(), context.to_openai_responses(), context.to_gemini()
        return {
            "openai": context.to_openai(),
            "anthropic": sent,
            "openai_responses": items,
            "gemini": turns,
            "tokens": [context.token_count, t.status().context_tokens],
            "violations": [
                repr(one)
                for one in (
                    *validate_openai(context.to_openai()),
                    *validate_openai_responses(items["input"], instructions=items.get("instructions")),
                    *validate_anthropic(sent.get("system"), sent["messages"]),
                    *validate_gemini(turns["contents"], system_instruction=turns.get("system_instruction")),
                )
            ],
        }


if __name__ == "__main__":
    json.dump([read(sys.argv[1], name) for name in sys.argv[2:]], sys.stdout)
