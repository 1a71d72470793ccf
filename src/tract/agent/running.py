"""Drives a run: requests go to a client and tool calls to their functions, sync in threads or async in tasks."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import queue
import threading
import time
from collections import deque
from typing import Any, Final

from tract.agent.run import Finished, Run, RunResult, RunTools, Steps
from tract.agent.schemas import ArgumentsError
from tract.agent.tools import Toolbox, failed, result_of, said_by
from tract.errors import StreamBrokenError
from tract.llm.opened import aopened, opened
from tract.llm.protocol import Reply, Request
from tract.objects.content import ToolResultContent
from tract.objects.message import ToolCall

MOST_AT_ONCE: Final = 8
"""How many tools run at the same time; further calls wait for their turn."""


def run_sync(run: Run, steps: Steps, *, stream: bool) -> RunResult:
    """Run *steps* to their end; tools run in threads of their own."""
    tools = _Threads(run.toolbox, b"")
    try:
        step = next(steps)
        while True:
            try:
                if isinstance(step, Request):
                    came: object = _asked(run, step) if stream else run.asking.use.llm.send(step)
                else:
                    tools = tools if tools.exchange == step.exchange else _Threads(run.toolbox, step.exchange)
                    came = tools.wait(step)
            except BaseException as error:  # noqa: BLE001 - the steps decide, and raise it again
                step = steps.throw(error)
            else:
                step = steps.send(came)
    except StopIteration as done:
        result: RunResult = done.value
        return result
    finally:
        tools.stop()


async def run_async(run: Run, steps: Steps, *, stream: bool) -> RunResult:
    """As `run_sync`; async tools run in tasks, others in threads."""
    tools = _Tasks(run.toolbox, b"")
    try:
        step = next(steps)
        while True:
            try:
                if isinstance(step, Request):
                    came: object = await (_aasked(run, step) if stream else run.asking.use.llm.asend(step))
                else:
                    tools = tools if tools.exchange == step.exchange else _Tasks(run.toolbox, step.exchange)
                    came = await tools.wait(step)
            except BaseException as error:  # noqa: BLE001 - cancelling included
                step = steps.throw(error)
            else:
                step = steps.send(came)
    except StopIteration as done:
        result: RunResult = done.value
        return result
    finally:
        await tools.stop()


def _asked(run: Run, request: Request) -> Reply:
    """Return the reply, telling the pieces as they come."""
    with opened(run.asking.use.llm, request) as items:
        for item in items:
            if isinstance(item, Reply):
                return item
            run.tell(item)
    raise StreamBrokenError("The stream ended without a reply.")


async def _aasked(run: Run, request: Request) -> Reply:
    async with aopened(run.asking.use.llm, request) as items:
        async for item in items:
            if isinstance(item, Reply):
                return item
            run.tell(item)
    raise StreamBrokenError("The stream ended without a reply.")


# --- one call ------------------------------------------------------------------------------------


def _begun(toolbox: Toolbox, call: ToolCall) -> Any:
    """Run the function of *call*; of an async one, return what is to be awaited.

    Raises:
        ArgumentsError: There is no such tool, or the arguments do not fit.
    """
    if call.name not in toolbox:
        known = ", ".join(toolbox) or "none"
        raise ArgumentsError(f"There is no tool `{call.name}`. Tools are: {known}.")
    return toolbox[call.name].call(call.arguments)


def _result(call: ToolCall, value: object) -> ToolResultContent:
    try:
        return result_of(call, value)
    except Exception as error:  # noqa: BLE001 - whatever a value does when it is written, the model is told
        return failed(call, said_by(error))


def run_call(toolbox: Toolbox, call: ToolCall) -> ToolResultContent:
    """Run one call to its end in this thread; what goes wrong is in the result."""
    try:
        value = _begun(toolbox, call)
        if inspect.isawaitable(value):
            value = asyncio.run(_awaited(value))
    except Exception as error:  # noqa: BLE001 - whatever a tool raises, the model is told
        return failed(call, said_by(error))
    return _result(call, value)


async def _awaited(value: Any) -> Any:
    return await value


async def _arun_call(toolbox: Toolbox, call: ToolCall) -> ToolResultContent:
    """Run one call to its end in this task, a sync function in a thread."""
    try:
        if _is_async(toolbox, call):
            value = await _begun(toolbox, call)
        else:
            value = await asyncio.to_thread(_begun, toolbox, call)
            if inspect.isawaitable(value):
                value = await value
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return failed(call, "The tool was cancelled.")
    except Exception as error:  # noqa: BLE001 - whatever a tool raises, the model is told
        return failed(call, said_by(error))
    return _result(call, value)


def _is_async(toolbox: Toolbox, call: ToolCall) -> bool:
    return call.name in toolbox and inspect.iscoroutinefunction(toolbox[call.name].function)


def _in_order(calls: tuple[ToolCall, ...], done: list[Finished]) -> list[Finished]:
    """Return those that came at once in the order of their calls."""
    place = {call.id: index for index, call in enumerate(calls)}
    return sorted((one for one in done if one.call.id in place), key=lambda one: place[one.call.id])


# --- several calls -------------------------------------------------------------------------------


class _Threads:
    """The calls of one exchange, each in a thread; daemons, so that a tool that hangs does not hold up the exit."""

    def __init__(self, toolbox: Toolbox, exchange: bytes) -> None:
        self.exchange = exchange
        self._toolbox = toolbox
        self._done: queue.SimpleQueue[Finished | BaseException] = queue.SimpleQueue()
        self._waiting: deque[tuple[ToolCall, contextvars.Context]] = deque()
        self._is_begun = False

    def wait(self, wanted: RunTools) -> list[Finished]:
        """Return what has finished, at least one; nothing if the time is up."""
        if not self._is_begun:
            if wanted.seconds == 0:
                return []
            self._begin(wanted.calls)
        try:
            found = [self._done.get(timeout=wanted.seconds)]
            while not self._done.empty():
                found.append(self._done.get_nowait())
        except queue.Empty:
            return []
        done = [one for one in found if isinstance(one, Finished)]
        errors = [one for one in found if isinstance(one, BaseException)]
        if errors and not done:
            raise errors[0]
        for error in errors:  # once what did finish is committed
            self._done.put(error)
        return _in_order(wanted.calls, done)

    def stop(self) -> None:
        """Begin no further call."""
        self._waiting.clear()

    def _begin(self, calls: tuple[ToolCall, ...]) -> None:
        self._is_begun = True
        self._waiting.extend((call, contextvars.copy_context()) for call in calls)
        for _ in range(min(len(calls), MOST_AT_ONCE)):
            threading.Thread(target=self._work, name="tract-tool", daemon=True).start()

    def _work(self) -> None:
        while self._waiting:
            try:
                call, context = self._waiting.popleft()
            except IndexError:  # another thread took the last
                return
            began = time.monotonic()
            try:
                result = context.run(run_call, self._toolbox, call)
            except BaseException as error:  # noqa: BLE001 - such as SystemExit: raised where the run is driven
                self._done.put(error)
            else:
                self._done.put(Finished(call, result, time.monotonic() - began))


class _Tasks:
    """The calls of one exchange, each in a task."""

    def __init__(self, toolbox: Toolbox, exchange: bytes) -> None:
        self.exchange = exchange
        self._toolbox = toolbox
        self._tasks: set[asyncio.Task[Finished]] = set()
        self._is_begun = False

    async def wait(self, wanted: RunTools) -> list[Finished]:
        """Return what has finished, at least one; nothing if the time is up."""
        if not self._is_begun:
            if wanted.seconds == 0:
                return []
            self._is_begun = True
            places = asyncio.Semaphore(MOST_AT_ONCE)
            self._tasks = {asyncio.create_task(self._timed(call, places)) for call in wanted.calls}
        done, self._tasks = await asyncio.wait(self._tasks, timeout=wanted.seconds, return_when=asyncio.FIRST_COMPLETED)
        return _in_order(wanted.calls, [task.result() for task in done])

    async def stop(self) -> None:
        """Cancel what still runs and wait until it has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _timed(self, call: ToolCall, places: asyncio.Semaphore) -> Finished:
        async with places:
            began = time.monotonic()
            return Finished(call, await _arun_call(self._toolbox, call), time.monotonic() - began)
