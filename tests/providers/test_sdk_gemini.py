"""Google's own client finds the server to speak as Gemini does."""

from __future__ import annotations

from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from tests.providers.server import AWKWARD_TEXT, Call, Provider, Thinking
from tests.providers.ways import WAYS, Way, ask_gemini

DECLARED = [{"name": name, "parameters_json_schema": {"type": "object"}} for name in "fg"]
CONFIG: dict[str, Any] = {
    "tools": [{"function_declarations": DECLARED}],
    "system_instruction": "Be short.",
    "automatic_function_calling": {"disable": True},
}


def parts_of(replies: list[types.GenerateContentResponse]) -> list[types.Part]:
    """Return the parts as they came, piece by piece."""
    found: list[types.Part] = []
    for reply in replies:
        for candidate in reply.candidates or []:
            found += (candidate.content.parts if candidate.content else None) or []
    return found


def text_of(parts: list[types.Part], *, thought: bool = False) -> str:
    return "".join(part.text or "" for part in parts if bool(part.thought) is thought)


def user(*parts: Any) -> types.Content:
    return types.Content(
        role="user", parts=[types.Part(text=part) if isinstance(part, str) else part for part in parts]
    )


def answered(*names: str) -> types.Content:
    return user(*(types.Part.from_function_response(name=name, response={"result": "ok"}) for name in names))


@pytest.mark.parametrize("way", WAYS)
def test_parallel_tools_with_signatures_over_turns(provider_server: Provider, way: Way) -> None:
    """The first of parallel calls is signed, parts go back as they came, and the reply follows."""
    provider_server.script.answer(Thinking(AWKWARD_TEXT), Call("f", '{"b": 1, "a": "\u2028"}'), Call("g", "{}"))
    provider_server.script.say(AWKWARD_TEXT, thinking="more")
    contents = [user("Go.")]

    first = parts_of(ask_gemini(provider_server, way, {"contents": contents, "config": CONFIG}))
    contents += [types.Content(role="model", parts=first), answered("f", "g")]
    second = parts_of(ask_gemini(provider_server, way, {"contents": contents, "config": CONFIG}))
    contents += [types.Content(role="model", parts=second), user("And?")]
    third = parts_of(ask_gemini(provider_server, way, {"contents": contents, "config": CONFIG}))

    calls = [part for part in first if part.function_call]
    assert [call.function_call.args for call in calls if call.function_call] == [{"b": 1, "a": "\u2028"}, {}]
    assert [call.thought_signature is not None for call in calls] == [True, False]
    assert text_of(first, thought=True) == AWKWARD_TEXT
    assert text_of(second) == AWKWARD_TEXT
    assert text_of(third) == "Got 5."


def test_each_way_says_the_same(provider_server: Provider) -> None:
    """The pieces of a stream join to the answer that comes whole, with the same signature and usage."""
    said = []
    for way in WAYS:
        provider_server.script.say(AWKWARD_TEXT, thinking="hm\u2028")
        replies = ask_gemini(provider_server, way, {"contents": "x"})
        parts, used = parts_of(replies), replies[-1].usage_metadata
        assert used is not None
        signatures = [part.thought_signature for part in parts if part.thought_signature]
        said.append((text_of(parts), text_of(parts, thought=True), signatures, used.candidates_token_count))
        assert replies[-1].candidates is not None
        assert replies[-1].candidates[0].finish_reason == types.FinishReason.STOP

    assert said[0][:2] == (AWKWARD_TEXT, "hm\u2028")
    assert len(said[0][2]) == 1
    assert said == [said[0]] * 4


def test_text_of_a_stream_may_go_back_joined(provider_server: Provider) -> None:
    """Pieces joined to one part, with the signature that came in a part of its own, are what was said."""
    provider_server.script.say("Hello there.", thinking="hm")
    parts = parts_of(ask_gemini(provider_server, "stream", {"contents": "x"}))
    (signature,) = [part.thought_signature for part in parts if part.thought_signature]
    joined = [
        types.Part(text=text_of(parts, thought=True), thought=True),
        types.Part(text=text_of(parts), thought_signature=signature),
    ]

    contents = [user("x"), types.Content(role="model", parts=joined), user("y")]
    again = ask_gemini(provider_server, "sync", {"contents": contents})

    assert parts[-1].text == ""
    assert again[0].text == "Got 3."


@pytest.mark.parametrize("way", WAYS)
def test_a_reply_ends_for_each_reason(provider_server: Provider, way: Way) -> None:
    """Length, filter and refusal end a candidate; a refused one has no content."""
    provider_server.script.say("cut", stop="length")
    provider_server.script.say("cut", stop="filter")
    provider_server.script.refuse("I will not.")

    replies = [ask_gemini(provider_server, way, {"contents": "x"})[-1] for _ in range(3)]

    reasons = [reply.candidates[0].finish_reason for reply in replies if reply.candidates]
    assert reasons == [types.FinishReason.MAX_TOKENS, types.FinishReason.SAFETY, types.FinishReason.SAFETY]
    assert parts_of(replies[2:]) == []


def test_images_are_taken(provider_server: Provider) -> None:
    """As data and by address."""
    data = types.Part.from_bytes(data=b"\x89PNG\r\n", mime_type="image/png")
    address = types.Part.from_uri(file_uri="https://example.com/a.png", mime_type="image/png")

    reply = ask_gemini(provider_server, "sync", {"contents": [user("What?", data, address)]})

    assert reply[0].text == "Got 1."
    assert provider_server.requests[0].body["contents"][0]["parts"][1]["inlineData"] == {
        "data": "iVBORw0K",
        "mime_type": "image/png",
    }


@pytest.mark.parametrize("field", ["response_schema", "response_json_schema"])
def test_structured_output_fits_its_schema(provider_server: Provider, field: str) -> None:
    """Both kinds of schema are answered."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    config = {"response_mime_type": "application/json", field: schema}

    reply = ask_gemini(provider_server, "sync", {"contents": "x", "config": config})

    assert reply[0].text == '{"n": 1}'


def test_a_call_without_signature_is_refused_in_the_current_turn(provider_server: Provider) -> None:
    """Gemini 3 needs it, older models do not; earlier turns may lack it, and Google's own placeholder will do."""
    call = types.Part(function_call=types.FunctionCall(name="f", args={}))
    placeholder = types.Part(
        function_call=types.FunctionCall(name="f", args={}), thought_signature=b"skip_thought_signature_validator"
    )

    def ask(part: types.Part, *more: types.Content, model: str = "gemini-3-pro") -> str | None:
        contents = [user("x"), types.Content(role="model", parts=[part]), answered("f"), *more]
        return ask_gemini(provider_server, "sync", {"model": model, "contents": contents, "config": CONFIG})[0].text

    with pytest.raises(errors.ClientError, match="missing a thought_signature"):
        ask(call)
    assert ask(call, model="gemini-2.5-pro") == "Got 3."
    assert ask(placeholder) == "Got 3."
    assert ask(call, types.Content(role="model", parts=[types.Part(text="So.")]), user("y")) == "Got 5."


def test_automatic_function_calling_runs_to_the_end(provider_server: Provider) -> None:
    """The client's own loop calls Python, sends the result with the signature back, and gets the reply."""

    def f(city: str) -> str:
        """Return the weather."""
        return f"rain in {city}"

    provider_server.script.call_tools([{"name": "f", "arguments": {"city": "Bonn"}}], thinking="hm")
    provider_server.script.say("It rains.")
    http = types.HttpOptions(base_url=provider_server.gemini_url)

    with genai.Client(api_key=provider_server.key, http_options=http) as client:
        reply = client.models.generate_content(
            model="gemini-3-pro", contents="x", config=types.GenerateContentConfig(tools=[f])
        )

    sent = provider_server.requests[1].body["contents"][2]["parts"][0]["functionResponse"]
    assert reply.text == "It rains."
    assert sent["response"] == {"result": "rain in Bonn"}
