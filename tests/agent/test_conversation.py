"""`chat` and `generate`: what is committed, on what, with which settings and usage, and what a failure leaves."""

import asyncio
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tests.agent.talking import model, require_valid, said, verbs, while_asked
from tract import (
    ChatResponse,
    DialogueContent,
    Event,
    ImagePart,
    PolicyView,
    TextPart,
    TokenBudget,
    TokenBudgetWarning,
    ToolCall,
    Tract,
    Usage,
    Verdict,
)
from tract.errors import (
    BudgetExceededError,
    ClosedHandleError,
    DetachedHeadError,
    InvalidInputError,
    ModelResponseError,
    ModelTimeoutError,
    NoModelError,
    NothingToAnswerError,
    OperationOpenError,
    RateLimitedError,
    ReadOnlyError,
    RefConflictError,
    TractError,
    UnansweredCallsError,
)
from tract.llm.protocol import Format, Reply
from tract.objects.message import AnyPart

CALL = ToolCall("call_1", "search", '{"q": "tea"}')
Say = Callable[..., ChatResponse]


@pytest.fixture(params=["sync", "async"])
def way(request: pytest.FixtureRequest) -> Callable[[Tract, str], Say]:
    """Call a method of a tract as it is, or its async sibling to its end."""

    def method(t: Tract, name: str) -> Say:
        if request.param == "sync":
            found: Say = getattr(t, name)
            return found
        return lambda *args, **options: asyncio.run(getattr(t, f"a{name}")(*args, **options))

    return method


def test_one_line_is_one_turn(way: Callable[[Tract, str], Say]) -> None:
    """The question and the reply are committed; the response says what the reply's commit says."""
    with Tract.open(llm=model("Four.", usage=Usage(12, 3)), model="m-1") as t:
        response = way(t, "chat")("What is 2 + 2?", temperature=0.5, seed=7)

        assert (response.text, str(response), response.finish_reason) == ("Four.", "Four.", "stop")
        assert said(t) == [("user", "What is 2 + 2?"), ("assistant", "Four.")]
        assert response.commit_info == t.get("HEAD")
        assert response.generation_config == {"model": "m-1", "temperature": 0.5, "seed": 7}
        assert response.usage == Usage(12, 3, model="m-1")
        assert t.get("HEAD").reply_to == t.get("HEAD~1").hash
        assert t.compile().token_source == "api:m-1"
        assert verbs(t) == ["commit", "chat"]


def test_the_reply_and_its_usage_are_one_operation() -> None:
    """Undoing it takes back both, and redo brings both again."""
    with Tract.open(llm=model("Four.", usage=Usage(12, 3))) as t:
        t.chat("What is 2 + 2?")
        with_usage = t.compile().token_source

        t.undo()
        without = t.compile().token_source
        t.redo()

        assert (with_usage, t.compile().token_source) == ("api:scripted", "api:scripted")
        assert without.startswith("tokenizer:")


def test_generate_answers_what_is_committed(way: Callable[[Tract, str], Say]) -> None:
    """Nothing is added but the reply."""
    with Tract.open(llm=model("Hello.")) as t:
        t.system("Be brief.")
        t.user("Hi!")

        way(t, "generate")()

        assert said(t) == [("system", "Be brief."), ("user", "Hi!"), ("assistant", "Hello.")]
        assert verbs(t)[-1] == "generate"


@pytest.mark.parametrize("error", [RateLimitedError("Slow down."), ModelTimeoutError("Late."), KeyError("odd")])
def test_a_failed_call_keeps_the_question_once(way: Callable[[Tract, str], Say], error: Exception) -> None:
    """However often it is asked again; then the turn is as if nothing had failed."""
    with Tract.open(llm=model(error, error, "Hello.")) as t:
        for _ in range(2):
            with pytest.raises(type(error)):
                way(t, "chat")("Hi!")
            assert said(t) == [("user", "Hi!")]

        way(t, "chat")("Hi!")

        assert said(t) == [("user", "Hi!"), ("assistant", "Hello.")]
        assert verbs(t) == ["commit", "chat"]


def test_a_question_is_repeated_once_it_was_answered() -> None:
    """The same text after a reply is a new question."""
    with Tract.open(llm=model("One.", "Two.")) as t:
        t.chat("Again?")
        t.chat("Again?")

        assert [text for _, text in said(t)] == ["Again?", "One.", "Again?", "Two."]


def test_a_question_of_parts_is_sent_and_not_repeated() -> None:
    """An image counts as the same by its bytes."""
    parts: list[AnyPart] = [TextPart("What is this?"), ImagePart("image/png", b"\x89PNG\r\n")]
    with Tract.open(llm=model(RateLimitedError("No."), "A cat.")) as t:
        with pytest.raises(RateLimitedError):
            t.chat(parts)
        t.chat(parts)

        assert [message.role for message in t.compile().messages] == ["user", "assistant"]


def test_what_is_sent_is_what_is_compiled() -> None:
    """With hashes, settings and tools."""
    llm = model("Hello.")
    with Tract.open(llm=llm) as t:
        t.system("Be brief.")
        t.chat("Hi!", max_tokens=9, tools=[{"type": "function", "function": {"name": "f"}}], model="m-2")

        request = llm.requests[0]
        assert [message.role for message in request.messages] == ["system", "user"]
        assert list(request.hashes or ()) == [info.hash for info in t.log()][::-1][:2]
        assert (request.model, request.settings) == ("m-2", {"max_tokens": 9})
        assert request.tools == ({"type": "function", "function": {"name": "f"}},)


def test_the_tools_offered_are_kept_by_hash() -> None:
    """The same definitions are stored once, and read back for the reply they were sent with."""
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    with Tract.open(llm=model("One.", "Two.", "Three.")) as t:
        first = t.chat("1", tools=tools).commit_info
        second = t.chat("2", tools=tools).commit_info
        third = t.chat("3").commit_info

        assert first.sent is not None
        assert second.sent is not None
        assert first.sent["tools"] == second.sent["tools"]
        assert (first.sent["format"], first.sent["model"], first.sent["operation"]) == ("openai", "scripted", "chat")
        assert t.tools.sent_with(first) == tools
        assert "tools" not in (third.sent or {})
        assert t.tools.sent_with(third) == []
        assert t.fsck() == []


def test_a_commit_without_a_model_says_nothing_of_one() -> None:
    """So the hashes of what was committed before are as they were."""
    with Tract.open() as t:
        assert t.assistant("Hi.").sent is None
        assert t.get("HEAD").sent is None


# --- before the model is asked -------------------------------------------------------------------


def test_what_cannot_be_answered_is_said_before_the_model_is_asked() -> None:
    """Nothing is written and nothing is sent."""
    llm = model()
    with Tract.open(llm=llm) as t:
        with pytest.raises(NothingToAnswerError):
            t.generate()
        t.user("Hi!")
        t.assistant("Hello.")
        with pytest.raises(NothingToAnswerError):
            t.generate()
        t.checkout("HEAD~1")
        with pytest.raises(DetachedHeadError):
            t.chat("More?")
        with pytest.raises(DetachedHeadError):
            t.generate()

        assert llm.calls == 0
        assert verbs(t) == ["commit", "commit"]


def test_a_handle_that_cannot_write_asks_nothing(tmp_path: Path) -> None:
    """Read-only, closed, or inside a batch, which would keep every writer waiting for the model."""
    llm = model()
    with Tract.open(tmp_path / "a.db") as t:
        t.user("Hi!")
    with Tract.open(tmp_path / "a.db", read_only=True, llm=llm) as t, pytest.raises(ReadOnlyError):
        t.generate()
    with pytest.raises(ClosedHandleError):
        t.generate()
    with Tract.open(tmp_path / "a.db", llm=llm) as t, pytest.raises(OperationOpenError), t.batch():
        t.generate()

    assert llm.calls == 0


def test_without_a_model_nothing_is_committed() -> None:
    """The error comes before the question is kept."""
    with Tract.open() as t, pytest.raises(NoModelError):
        t.chat("Hi!")
    with Tract.open(provider="ollama") as t:
        with pytest.raises(NoModelError):
            t.chat("Hi!")

        assert verbs(t) == []


def test_open_calls_come_first() -> None:
    """A question cannot come between a call and its result; once it is there, it can."""
    with Tract.open(llm=model(CALL, "Green tea.")) as t:
        t.chat("Which teas?")
        with pytest.raises(UnansweredCallsError) as caught:
            t.chat("Well?")
        with pytest.raises(UnansweredCallsError):
            t.generate()
        t.tool_result("call_1", "green")
        t.generate()

        assert caught.value.calls == ("call_1",)
        assert said(t)[-2:] == [("tool", "green"), ("assistant", "Green tea.")]
        require_valid(t)


@pytest.mark.parametrize("ids", [("", ""), ("x", "x"), ("", "x")])
def test_calls_without_ids_of_their_own_get_some(ids: tuple[str, str]) -> None:
    """So each can be answered; they are the same whenever the same reply comes on the same commit."""
    calls = [ToolCall(id_, "search", "{}") for id_ in ids]
    with Tract.open(llm=model(calls)) as t:
        response = t.chat("Which teas?")
        named = [call.id for call in response.tool_calls]
        for call in named:
            t.tool_result(call, "green")

        assert len(set(named)) == 2
        assert all(named)
        require_valid(t)


def test_a_budget_that_rejects_refuses_the_question_and_never_the_reply() -> None:
    """What was paid for is kept, with a warning."""
    llm = model("word " * 60)
    with Tract.open(llm=llm, config={"budget": TokenBudget(limit_tokens=40, on_exceed="reject")}) as t:
        with pytest.raises(BudgetExceededError):
            t.chat("word " * 50)
        assert (llm.calls, verbs(t)) == (0, ["configure"])

        with pytest.warns(TokenBudgetWarning):
            t.chat("Hi!")

        assert said(t)[-1][0] == "assistant"


def test_a_callback_of_the_budget_is_told_of_the_reply_once_it_is_kept() -> None:
    """What it raises comes out, and the reply stays."""

    def exceeded(tokens: int, limit: int) -> None:
        raise RuntimeError(f"{tokens > limit}")

    with Tract.open(llm=model("word " * 60), config={"budget": TokenBudget(limit_tokens=40, on_exceed=exceeded)}) as t:
        with pytest.raises(RuntimeError, match="True"):
            t.chat("Hi!")

        assert said(t)[-1][0] == "assistant"


# --- while the model works -----------------------------------------------------------------------


def test_the_branch_moved_and_the_reply_is_in_the_error(way: Callable[[Tract, str], Say], tmp_path: Path) -> None:
    """Nothing of it is committed; the tokens that were paid are not lost."""
    with Tract.open(tmp_path / "a.db") as t, Tract.open(tmp_path / "a.db") as other:
        llm = model(while_asked(lambda: other.user("me too"), "Hello."))
        with pytest.raises(RefConflictError) as caught:
            way(t, "chat")("Hi!", llm=llm)

        assert isinstance(caught.value.reply, Reply)
        assert caught.value.reply.text == "Hello."
        assert said(t) == [("user", "Hi!"), ("user", "me too")]
        assert t.fsck() == []


def test_a_reply_may_land_after_what_came_in(tmp_path: Path) -> None:
    """With the config and usage of its own."""
    with Tract.open(tmp_path / "a.db") as t, Tract.open(tmp_path / "a.db") as other:
        llm = model(while_asked(lambda: other.user("me too"), "Hello."))

        t.chat("Hi!", llm=llm, on_conflict="after")

        assert said(t) == [("user", "Hi!"), ("user", "me too"), ("assistant", "Hello.")]


def _call(t: Tract) -> object:
    return t.assistant(tool_calls=[CALL])


def _reset(t: Tract) -> object:
    return t.reset("HEAD~1")


@pytest.mark.parametrize("interfere", [_call, _reset])
def test_a_reply_never_lands_in_an_exchange_or_on_another_history(
    interfere: Callable[[Tract], object], tmp_path: Path
) -> None:
    """Not even with `after`."""
    with Tract.open(tmp_path / "a.db") as t, Tract.open(tmp_path / "a.db") as other:
        t.user("First.")
        llm = model(while_asked(lambda: interfere(other)))
        with pytest.raises(RefConflictError) as caught:
            t.chat("Hi!", llm=llm, on_conflict="after")
        if interfere is _call:
            other.tool_result("call_1", "green")

        assert caught.value.reply.text == "Hello."
        assert "Hello." not in [text for _, text in said(t)]
        require_valid(t)


def test_a_question_never_lands_in_an_exchange(tmp_path: Path) -> None:
    """It comes in between reading the tip and committing the question."""
    with Tract.open(tmp_path / "a.db", llm=model()) as t, Tract.open(tmp_path / "a.db") as other:
        t.user("First.")
        waiting = [lambda: _call(other)]

        def once(point: str) -> None:
            if waiting and point == "commit":
                waiting.pop()()

        t._store.on_pause = once

        with pytest.raises(UnansweredCallsError):
            t.chat("Hi!")

        assert [text for _, text in said(t)] == ["First.", "search", "interrupted"][:2]


def test_the_reply_lands_on_the_branch_that_was_sent() -> None:
    """Even if the handle stands on another one by then."""
    with Tract.open() as t:
        t.user("First.")
        t.branch("side", switch=False)
        llm = model(while_asked(lambda: t.switch("side")))

        t.chat("Hi!", llm=llm)

        assert (t.current_branch, said(t)) == ("side", [("user", "First.")])
        assert t.compile("main").messages[-1].text == "Hello."
        assert t.fsck() == []


def test_a_branch_that_is_gone_is_a_conflict(tmp_path: Path) -> None:
    """The reply is in the error."""
    with Tract.open(tmp_path / "a.db") as t, Tract.open(tmp_path / "a.db") as other:
        t.user("First.")

        def drop() -> None:
            other.branch("side")
            other.branches.delete("main", force=True)

        with pytest.raises(RefConflictError) as caught:
            t.chat("Hi!", llm=model(while_asked(drop)))

        assert caught.value.reply.text == "Hello."


def test_no_transaction_is_open_while_the_model_works(tmp_path: Path) -> None:
    """Another handle writes meanwhile, without waiting."""
    with Tract.open(tmp_path / "a.db") as t, Tract.open(tmp_path / "a.db", config={"busy_timeout_seconds": 0.1}) as o:
        t.user("First.")
        o.branch("elsewhere")

        t.chat("Hi!", llm=model(while_asked(lambda: o.user("on another branch"))))

        assert said(t)[-1] == ("assistant", "Hello.")


def test_a_reply_that_cannot_be_kept_is_in_the_error() -> None:
    """Such as one too large for the store."""
    with Tract.open(llm=model("x" * 5000), config={"max_content_bytes": 1000}) as t:
        with pytest.raises(TractError) as caught:
            t.chat("Hi!")

        assert len(caught.value.reply.text) == 5000
        assert said(t) == [("user", "Hi!")]


class _Odd:
    format: Format = "openai"
    model: str | None = "m"
    provider = "odd"

    def send(self, _: object) -> Any:
        return "text"

    stream = asend = astream = send


def test_a_client_that_returns_no_reply_is_named() -> None:
    """A value of another type is a model's error, not ours."""
    with Tract.open(llm=_Odd()) as t, pytest.raises(ModelResponseError):
        t.chat("Hi!")


def test_what_is_no_value_is_refused() -> None:
    """Settings that carry keys, unknown ways to land, tools that are none."""
    with Tract.open(llm=model()) as t:
        for wrong in (
            {"on_conflict": "maybe"},
            {"temperature": "hot"},
            {"max_tokens": 0},
            {"api_key": "sk-1"},
            {"extra_headers": {"x": "y"}},
            {"tools": 5},
            {"tools": "f"},
            {"llm": 5},
        ):
            with pytest.raises(InvalidInputError):
                t.chat("Hi!", **wrong)

        assert verbs(t) == []


def test_replies_are_kept_byte_for_byte() -> None:
    """A turn with reasoning and parts is committed as the client gave it."""
    turn = DialogueContent(role="assistant", parts=(TextPart("a"), TextPart("b")), extra={"openai": {"refusal": None}})
    with Tract.open(llm=model(turn)) as t:
        t.chat("Hi!")

        assert t.show("HEAD") == turn


class Weather(BaseModel):
    city: str


def test_an_option_may_be_a_model_class() -> None:
    """It goes to the client as it is; what is kept of it is its schema."""
    llm = model("{}", "{}")
    with Tract.open(llm=llm) as t:
        response = t.chat("Weather in Rome?", response_format=Weather, odd=object())

        assert llm.requests[0].settings["response_format"] is Weather
        assert "city" in json.dumps(response.generation_config["response_format"])
        assert "odd" not in response.generation_config
        with pytest.raises(InvalidInputError):
            t.configure_operations(chat={"response_format": Weather})


def test_the_async_methods_take_what_the_sync_ones_take() -> None:
    """But for the four names `chat` spells out."""
    for name in ("generate", "stream", "run"):
        sync = inspect.signature(getattr(Tract, name)).parameters
        assert list(sync) == list(inspect.signature(getattr(Tract, f"a{name}")).parameters)


def test_a_key_in_a_tool_or_an_option_is_sent_and_not_kept(tmp_path: Path) -> None:
    """Such as that of a remote tool; another key names no other tools."""

    def remote(key: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {key}", "x-api-key": key, "accept": "text/plain"}
        return {"type": "mcp", "server_label": "maps", "headers": headers, "authorization": key}

    servers = [{"type": "url", "url": "https://maps.example", "authorization_token": "canary-1"}]
    llm = model("One.", "Two.")
    with Tract.open(tmp_path / "a.db", llm=llm) as t:
        first = t.chat("One?", tools=[remote("canary-1")], mcp_servers=servers)
        second = t.chat("Two?", tools=[remote("canary-2")])
        with pytest.raises(InvalidInputError, match="mcp_servers") as caught:
            t.configure_operations(chat={"mcp_servers": servers})

        assert [request.tools[0]["authorization"] for request in llm.requests] == ["canary-1", "canary-2"]
        assert llm.requests[0].settings["mcp_servers"] == servers
        assert first.generation_config["mcp_servers"][0]["authorization_token"] == "***"
        assert first.commit_info.sent is not None
        assert second.commit_info.sent is not None
        assert first.commit_info.sent["tools"] == second.commit_info.sent["tools"]
        assert "canary" not in str(caught.value)
        require_valid(t)
    assert not [path for path in tmp_path.iterdir() if b"canary" in path.read_bytes()]


def test_a_response_says_what_a_policy_let_be_committed() -> None:
    """Text and calls are those of the commit; the answer as it came is in `raw` alone."""
    key = "ghp_" + "a1B2" * 9
    with Tract.open(llm=model(f"The token is {key}.", f"Once more: {key}.")) as t:
        t.policies.add("secret_guard", on_found="redact")

        response = t.chat("Which token?")
        stream = t.stream("And?")
        list(stream)

        assert response.text == said(t)[1][1] == "The token is [redacted]."
        assert key in str(response.raw)
        assert stream.response.text == "Once more: [redacted]."


def test_calls_a_policy_takes_out_of_a_reply_are_not_waited_for() -> None:
    """A run is done where none is left."""

    def without_calls(event: Event, _: PolicyView) -> Verdict | None:
        if not isinstance(event.content, DialogueContent) or not event.content.tool_calls:
            return None
        return Verdict("fix", "no tools", event.content.model_copy(update={"tool_calls": (), "text": "No tools."}))

    with Tract.open(llm=model(ToolCall("call_1", "search", "{}"))) as t:
        t.policies.add(without_calls, name="no_tools", on=("before_commit",), autonomy="autonomous")

        result = t.run("Find tea.", tools=[])

        assert (result.state, result.text, result.turns) == ("finished", "No tools.", 1)
