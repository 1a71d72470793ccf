"""An async call cancelled at each await leaves the state clean, and calling again goes on."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.agent.talking import model, require_valid, said
from tract import ToolCall, Tract

CALLS = [ToolCall("a", "slow", '{"n": 1}'), ToolCall("b", "slow", '{"n": 2}')]
Start = Callable[[Tract], Coroutine[Any, Any, object]]


async def _stream(t: Tract) -> str:
    async with t.astream("Hi!") as stream:
        return "".join([piece async for piece in stream])


STARTS: dict[str, tuple[Start, Callable[[], Any], int]] = {
    "achat": (lambda t: t.achat("Hi!"), lambda: model("Hello there."), 1),
    "agenerate": (lambda t: t.agenerate(), lambda: model("Hello there."), 1),
    "astream": (_stream, lambda: model("Hello there."), 4),
    "arun": (lambda t: t.arun("Hi!"), lambda: model(CALLS, "Hello there."), 4),
}


async def _steps(task: asyncio.Task[object], count: int) -> None:
    for _ in range(count):
        if task.done():
            return
        await asyncio.sleep(0)


async def _cancelled_after(count: int, start: Coroutine[Any, Any, object]) -> bool:
    """Cancel *start* after *count* rounds of the loop; return whether it was still under way."""
    task = asyncio.create_task(start)
    await _steps(task, count)
    is_cancelled = task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return True
    return is_cancelled


@pytest.mark.parametrize("name", STARTS)
def test_cancel_at_each_await(name: str) -> None:
    """Whatever is committed is valid, the handle works, and the turn can be made again to the same end."""
    start, llm, least = STARTS[name]
    was_cancelled = True
    rounds = 0
    while was_cancelled:
        rounds += 1
        with Tract.open(llm=llm()) as t:
            ran: list[int] = []

            async def slow(n: int) -> int:
                ran.append(n)  # noqa: B023 - called within the round
                for _ in range(3):
                    await asyncio.sleep(0)
                return n

            t.tools.add(slow, idempotent=True)
            if name == "agenerate":
                t.user("Hi!")
            was_cancelled = asyncio.run(_cancelled_after(rounds, start(t)))
            require_valid(t)
            if was_cancelled:
                again = t.run("Hi!", llm=model("Hello there.", "Hello there.")) if said(t)[-1:] in _ASKED else None
                result = again or t.run(llm=model("Hello there."))
                assert result.state == "finished"
            assert said(t)[0] == ("user", "Hi!")
            assert said(t)[-1] == ("assistant", "Hello there.")
            assert [text for _, text in said(t)].count("Hi!") == 1
            require_valid(t)
    assert rounds > least


_ASKED: list[list[tuple[str, str]]] = [[], [("user", "Hi!")]]


def test_cancelled_tools_end_before_the_call_does() -> None:
    """A cancelled run leaves no task behind."""

    async def use() -> None:
        ended: list[str] = []
        begun = asyncio.Event()

        async def slow() -> None:
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("slow")

        with Tract.open(llm=model(ToolCall("a", "slow", "{}"))) as t:
            task = asyncio.ensure_future(t.arun("Hi!", tools=[slow]))
            await asyncio.wait_for(begun.wait(), timeout=30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

            assert ended == ["slow"]

    asyncio.run(use())
