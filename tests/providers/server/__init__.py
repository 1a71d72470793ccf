"""Providers on the loopback interface: they enforce the rules of OpenAI, Anthropic and Gemini and answer as they do.

Written without `tract`, from the vendors' documentation, so that it can prove the rules in
`tract.formats` wrong. A refused request gets the vendor's status and error body.

    def test_it(provider_server):                              # from tests/providers/fixtures.py
        server = provider_server                               # openai_url, anthropic_url, gemini_url, key
        server.script.say("hi", thinking="hm", deltas=["h", "i"])
        server.script.call_tools([{"name": "f", "arguments": {"a": 1}}, {"name": "g"}])
        server.script.answer(Thinking("hm"), Text("so"), Call("f", '{"a": 1}', "call_1"), stop="length")
        server.fail(status=429, headers={"retry-after": "1"})  # or "context", "close_in_stream", "slow": see `Fault`
        server.bind("free", "anthropic")                       # thinking is bound to its prefix unless told so
        server.requests[-1].body                               # what was sent, also `headers`, `path`, `status`

Without a script the answer is how many messages came, or JSON that fits the schema asked for.
"""

from __future__ import annotations

from tests.providers.server.anthropic_messages import MESSAGES
from tests.providers.server.gemini import GEMINI
from tests.providers.server.gemini_rules import camel
from tests.providers.server.openai_chat import CHAT
from tests.providers.server.openai_responses import RESPONSES
from tests.providers.server.provider import Provider, Received, answer_as
from tests.providers.server.refusal import Json
from tests.providers.server.script import AWKWARD_TEXT, Answer, Call, Refusal, Script, Text, Thinking
from tests.providers.server.serve import running, serving


def answer_openai(request: Json) -> tuple[int, Json]:
    return answer_as(CHAT, request)


def answer_responses(request: Json) -> tuple[int, Json]:
    return answer_as(RESPONSES, request)


def answer_anthropic(request: Json) -> tuple[int, Json]:
    return answer_as(MESSAGES, request)


def answer_gemini(request: Json) -> tuple[int, Json]:
    return answer_as(GEMINI, {"model": "gemini", **camel(request)})


__all__ = [
    "AWKWARD_TEXT",
    "Answer",
    "Call",
    "Provider",
    "Received",
    "Refusal",
    "Script",
    "Text",
    "Thinking",
    "answer_anthropic",
    "answer_gemini",
    "answer_openai",
    "answer_responses",
    "running",
    "serving",
]
