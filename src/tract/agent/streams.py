"""Answers how a reply is read while it comes: pieces of text, and the committed response at the end.

The turn is the same generator as without streaming; a stream that does not come to its end is raised inside it, so
what becomes of the pieces is decided in one place.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from types import TracebackType
from typing import Self

from tract.agent.conversation import ChatResponse
from tract.errors import StreamBrokenError, StreamOpenError
from tract.llm.opened import aopened, opened
from tract.llm.protocol import LLM, Delta, Reply, Request, StreamItem, TextDelta
from tract.objects.content import DialogueContent

Steps = Generator[Request, Reply, ChatResponse]


class _Turn:
    """One turn on its way: the text so far, and what its steps returned."""

    def __init__(self, steps: Steps, llm: LLM) -> None:
        self.steps = steps
        self.llm = llm
        self.request = next(steps)
        self.response: ChatResponse | None = None
        self._text: list[str] = []

    def take(self, item: StreamItem) -> Delta | None:
        """Return a delta to hand on, or commit the reply, which is the last item."""
        if not isinstance(item, Reply):
            if isinstance(item, TextDelta):
                self._text.append(item.text)
            return item
        try:
            self.steps.send(item)
        except StopIteration as done:
            self.response = done.value
        return None

    def broke(self, error: BaseException) -> None:
        """Tell the steps that the stream broke by *error*; what they have to say of it is noted there."""
        text = "".join(self._text)
        broken = error if isinstance(error, StreamBrokenError) else StreamBrokenError("The stream was left early.")
        if broken.partial is None and text:
            broken.partial = DialogueContent(role="assistant", text=text, interrupted=True)
        known = len(getattr(broken, "__notes__", ()))
        try:
            self.steps.throw(broken)
        except StreamBrokenError as raised:
            if raised is not broken:
                raise
        if broken is not error:  # which is the one the caller sees
            for note in getattr(broken, "__notes__", ())[known:]:
                error.add_note(note)

    def require_end(self) -> None:
        """Refuse a stream that ended without its reply."""
        if self.response is None:
            raise StreamBrokenError("The stream ended without a reply.")

    def finished(self) -> ChatResponse:
        if self.response is None:
            raise StreamOpenError
        return self.response


class TextStream:
    """A reply while it comes: iterate over its text, then read `response`.

    Leaving the iteration early closes the stream. What arrived of a stream that broke or was left is kept, marked
    `interrupted`, only with `keep_partial=True`.

    Example:
        >>> from tract import Tract
        >>> from tract.testing import ScriptedLLM
        >>> with Tract.open(llm=ScriptedLLM(["Hello there."])) as t:
        ...     stream = t.stream("Hi!")
        ...     "|".join(stream)
        ...     stream.response.finish_reason
        'Hell|o th|ere.'
        'stop'
    """

    def __init__(self, steps: Steps, llm: LLM) -> None:
        self._turn = _Turn(steps, llm)
        self._items = self._run()

    def __iter__(self) -> Iterator[str]:
        for delta in self.events():
            if isinstance(delta, TextDelta):
                yield delta.text

    def events(self) -> Iterator[Delta]:
        """Iterate over everything that comes: text, readable reasoning, pieces of tool calls."""
        try:
            yield from self._items
        finally:
            self._items.close()

    @property
    def response(self) -> ChatResponse:
        """The committed reply, once the stream is at its end.

        Raises:
            StreamOpenError: It is not.
        """
        return self._turn.finished()

    def close(self) -> None:
        """Close the stream; if it is not at its end, it counts as broken."""
        self._items.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<TextStream {'open' if self._turn.response is None else 'done'}>"

    def _run(self) -> Generator[Delta, None, None]:
        turn = self._turn
        with opened(turn.llm, turn.request) as items:
            try:
                for item in items:
                    delta = turn.take(item)
                    if delta is None:
                        return
                    yield delta
                turn.require_end()
            except BaseException as error:
                if turn.response is None:
                    turn.broke(error)
                raise


class AsyncTextStream:
    """As `TextStream`, for `async for`; close one that is left early with `async with` or `aclose`."""

    def __init__(self, steps: Steps, llm: LLM) -> None:
        self._turn = _Turn(steps, llm)
        self._items = self._run()

    async def __aiter__(self) -> AsyncIterator[str]:
        async for delta in self.events():
            if isinstance(delta, TextDelta):
                yield delta.text

    async def events(self) -> AsyncIterator[Delta]:
        """Iterate over everything that comes: text, readable reasoning, pieces of tool calls."""
        try:
            async for delta in self._items:
                yield delta
        finally:
            await self._items.aclose()

    @property
    def response(self) -> ChatResponse:
        """The committed reply, once the stream is at its end.

        Raises:
            StreamOpenError: It is not.
        """
        return self._turn.finished()

    async def aclose(self) -> None:
        """Close the stream; if it is not at its end, it counts as broken."""
        await self._items.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<AsyncTextStream {'open' if self._turn.response is None else 'done'}>"

    async def _run(self) -> AsyncGenerator[Delta, None]:
        turn = self._turn
        async with aopened(turn.llm, turn.request) as items:
            try:
                async for item in items:
                    delta = turn.take(item)
                    if delta is None:
                        return
                    yield delta
                turn.require_end()
            except BaseException as error:
                if turn.response is None:
                    turn.broke(error)
                raise
