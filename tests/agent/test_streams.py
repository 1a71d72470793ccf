"""`stream` and `astream`: pieces, the response at the end, and what a stream that breaks leaves."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.talking import model, require_valid, said, verbs, while_asked
from tract import CachedLLM, DialogueContent, FallbackLLM, ToolCall, Tract, Verdict
from tract.errors import ModelTimeoutError, RefConflictError, StreamBrokenError, StreamOpenError
from tract.llm.protocol import Reply, Request, StreamItem, TextDelta, ToolCallDelta
from tract.testing import ScriptedLLM


class Breaking(ScriptedLLM):
    """Breaks off after some items of its stream; with a partial answer if it is told to."""

    def __init__(self, answer: Any, items: int, error: BaseException) -> None:
        super().__init__([answer])
        self._items = items
        self._error = error

    def stream(self, request: Request) -> Iterator[StreamItem]:
        for number, item in enumerate(super().stream(request)):
            if number == self._items:
                raise self._error
            yield item

    async def astream(self, request: Request) -> AsyncIterator[StreamItem]:
        for item in self.stream(request):
            await asyncio.sleep(0)
            yield item


def test_a_stream_gives_pieces_and_then_the_response() -> None:
    """The turn is what `chat` would have committed."""
    with Tract.open(llm=model("Hello there.")) as t:
        stream = t.stream("Hi!", temperature=0.1)
        with pytest.raises(StreamOpenError):
            _ = stream.response
        pieces = list(stream)

        assert pieces == ["Hell", "o th", "ere."]
        assert stream.response.commit_info == t.get("HEAD")
        assert stream.response.generation_config == {"model": "scripted", "temperature": 0.1}
        assert list(stream) == []
        assert verbs(t) == ["commit", "chat"]


def test_an_async_stream_does_the_same() -> None:
    """With `async for`."""

    async def use() -> None:
        with Tract.open(llm=model("Hello there.")) as t:
            stream = t.astream("Hi!")
            pieces = [piece async for piece in stream]

            assert pieces == ["Hell", "o th", "ere."]
            assert stream.response.commit_info == t.get("HEAD")

    asyncio.run(use())


def test_without_text_a_stream_answers_what_is_committed() -> None:
    """As `generate` does."""
    with Tract.open(llm=model("Hello.")) as t:
        t.user("Hi!")

        assert "".join(t.stream()) == "Hello."
        assert verbs(t) == ["commit", "generate"]


def test_tool_calls_arrive_whole() -> None:
    """Their pieces are events; the call itself is in the response."""
    call = ToolCall("call_1", "search", '{"q": "tea"}')
    with Tract.open(llm=model(call)) as t:
        stream = t.stream("Which teas?")
        events = list(stream.events())

        assert "".join(event.arguments for event in events if isinstance(event, ToolCallDelta)) == call.arguments
        assert stream.response.tool_calls == (call,)


@pytest.mark.parametrize("items", [0, 1, 2])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("error", [StreamBrokenError, ModelTimeoutError, KeyboardInterrupt])
def test_a_stream_that_breaks_keeps_what_arrived_only_if_asked(
    items: int, error: type[BaseException], *, keep: bool
) -> None:
    """The question stays in any case; what arrived is marked `interrupted`."""
    with Tract.open(llm=Breaking("Hello there.", items, error("Gone."))) as t:
        with pytest.raises(error):
            list(t.stream("Hi!", keep_partial=keep))

        if keep and items:
            kept = t.show("HEAD")
            assert isinstance(kept, DialogueContent)
            assert (kept.text, kept.interrupted) == ("Hello there."[: 4 * items], True)
        else:
            assert said(t) == [("user", "Hi!")]
        require_valid(t)


def test_what_the_client_says_arrived_is_what_is_kept() -> None:
    """Without calls that may be half."""
    partial = DialogueContent(role="assistant", text="Hello w", tool_calls=(ToolCall("a", "f", "{"),), interrupted=True)
    with Tract.open(llm=Breaking("Hello", 1, StreamBrokenError("Gone.", partial=partial))) as t:
        with pytest.raises(StreamBrokenError):
            list(t.stream("Hi!", keep_partial=True))

        assert said(t)[-1] == ("assistant", "Hello w")
        require_valid(t)


@pytest.mark.parametrize("keep", [False, True])
def test_a_stream_that_is_left_early_is_broken(*, keep: bool) -> None:
    """By `break`, `close`, or a `with` block; nobody is told an error."""
    with Tract.open(llm=model("Hello there.", "Hello there.", "Hello there.")) as t:
        for _ in t.stream("One", keep_partial=keep):
            break
        stream = t.stream("Two", keep_partial=keep)
        next(iter(stream))
        stream.close()
        with t.stream("Three", keep_partial=keep) as third:
            assert next(iter(third)) == "Hell"
        gc.collect()

        replies = [text for role, text in said(t) if role == "assistant"]
        assert replies == (["Hell"] * 3 if keep else [])
        require_valid(t)


def test_a_stream_never_read_asks_nothing() -> None:
    """The question is kept."""
    llm = model("Hello.")
    with Tract.open(llm=llm) as t:
        t.stream("Hi!").close()

        assert (llm.calls, said(t)) == (0, [("user", "Hi!")])


def test_an_async_stream_that_is_left_early_is_broken() -> None:
    """By the end of its `async with` block."""

    async def use() -> None:
        with Tract.open(llm=model("Hello there.")) as t:
            async with t.astream("Hi!", keep_partial=True) as stream:
                async for _ in stream:
                    break

            assert said(t)[-1] == ("assistant", "Hell")

    asyncio.run(use())


def test_a_stream_without_a_reply_is_broken() -> None:
    """A client that stops in the middle says so by stopping."""

    class Stopping(ScriptedLLM):
        def stream(self, request: Request) -> Iterator[StreamItem]:
            yield from (item for item in super().stream(request) if not isinstance(item, Reply))

    with Tract.open(llm=Stopping(["Hello."])) as t, pytest.raises(StreamBrokenError):
        list(t.stream("Hi!"))


@pytest.mark.parametrize("keep", [False, True])
def test_the_branch_moved_while_a_reply_was_streamed(tmp_path: Path, *, keep: bool) -> None:
    """The reply is in the error, as for `chat`."""
    with Tract.open(tmp_path / "a.db") as t, Tract.open(tmp_path / "a.db") as other:
        stream = t.stream("Hi!", llm=model(while_asked(lambda: other.user("me too"), "Hello.")), keep_partial=keep)
        with pytest.raises(RefConflictError) as caught:
            list(stream)

        assert caught.value.reply.text == "Hello."
        assert said(t) == [("user", "Hi!"), ("user", "me too")]


def test_what_arrived_is_not_kept_on_a_branch_that_moved(tmp_path: Path) -> None:
    """The error of the stream comes out, and says so."""
    with Tract.open(tmp_path / "a.db") as t, Tract.open(tmp_path / "a.db") as other:
        stream = t.stream("Hi!", llm=Breaking("Hello there.", 2, ModelTimeoutError("Late.")), keep_partial=True)
        pieces = iter(stream)
        assert next(pieces) == "Hell"
        other.user("me too")
        with pytest.raises(ModelTimeoutError) as caught:
            list(pieces)

        assert "not kept" in caught.value.__notes__[-1]

        assert said(t) == [("user", "Hi!"), ("user", "me too")]


def test_deltas_are_what_the_client_sent() -> None:
    """Nothing is added or joined."""
    with Tract.open(llm=model("Hello.")) as t:
        assert list(t.stream("Hi!").events()) == [TextDelta("Hell"), TextDelta("o.")]


def test_a_broken_stream_stays_one_where_a_policy_denies_what_arrived() -> None:
    """What went wrong is told first; that nothing was kept, and why, beside it."""
    with Tract.open() as t:
        t.policies.add(lambda event, _: Verdict("deny", "no") if event.verb == "chat" else None, on=("before_commit",))
        stream = t.stream("Hi!", llm=Breaking("Hello there.", 2, ModelTimeoutError("Late.")), keep_partial=True)

        with pytest.raises(ModelTimeoutError, match="Late") as caught:
            list(stream)

        assert "denied this" in caught.value.__notes__[-1]
        assert said(t) == [("user", "Hi!")]


class Held(ScriptedLLM):
    """Notes when its streams end, and in which task."""

    def __init__(self) -> None:
        super().__init__(["Hello there."])
        self.ended: list[object] = []

    def stream(self, request: Request) -> Iterator[StreamItem]:
        try:
            yield from super().stream(request)
        finally:
            self.ended.append(None)

    async def astream(self, request: Request) -> AsyncIterator[StreamItem]:
        try:
            for item in super().stream(request):
                yield item
        finally:
            await asyncio.sleep(0)
            self.ended.append(asyncio.current_task())


LAYERS: dict[str, Callable[[Any], Any]] = {
    "client": lambda llm: llm,
    "fallback": lambda llm: FallbackLLM([llm]),
    "cache": CachedLLM,
    "both": lambda llm: CachedLLM(FallbackLLM([llm])),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("verb", ["stream", "run"])
def test_a_stream_nobody_reads_on_is_closed_at_once(layer: str, verb: str) -> None:
    """Through every client around it, in the task that read it, and not when the garbage collector comes by."""

    def stop(event: object) -> None:
        if isinstance(event, TextDelta):
            raise TypeError("stop")

    async def read(held: Held) -> None:
        with Tract.open(llm=LAYERS[layer](held)) as t:
            if verb == "run":
                with pytest.raises(TypeError, match="stop"):
                    await t.arun("Hi!", tools=[], on_event=stop, stream=True)
            else:
                async with t.astream("Hi!") as stream:
                    async for _ in stream:
                        break
            assert held.ended == [asyncio.current_task()]

    asyncio.run(read(Held()))
    held = Held()
    with Tract.open(llm=LAYERS[layer](held)) as t:
        if verb == "run":
            with pytest.raises(TypeError, match="stop") as caught:  # it holds the frames, and they the stream
                t.run("Hi!", tools=[], on_event=stop, stream=True)
            assert caught.value.__traceback__ is not None
        else:
            with t.stream("Hi!") as stream:
                for _ in stream:
                    break
        assert held.ended == [None]
