"""Drives a sitting, sync or async: the model, a person and the tools, each of which it can stop waiting for.

Stopped, it waits no longer for a model or an async callback, and what they answer then is thrown away. A tool that is
at work already comes to its end: it is one operation, whole or not at all.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NoReturn, TypeVar

from tract.agent.orchestrator.requests import Callback, CallDecision, CallRequest
from tract.agent.orchestrator.sitting import Doing, InterruptedStepError, Sitting, Steps, Wanted
from tract.agent.orchestrator.states import Course
from tract.agent.orchestrator.steps import OrchestrateResult
from tract.errors import InvalidInputError
from tract.llm.protocol import Request

T = TypeVar("T")


def drive_sync(sitting: Sitting, steps: Steps, callback: Callback | None) -> OrchestrateResult:
    """Run *steps* to their end; the model is asked in a thread of its own, so that its answer need not be awaited."""
    try:
        wanted = next(steps)
        while True:
            try:
                came = _came(sitting, wanted, callback)
            except BaseException as error:  # noqa: BLE001 - the steps decide, and raise it again
                wanted = steps.throw(error)
            else:
                wanted = steps.send(came)
    except StopIteration as done:
        result: OrchestrateResult = done.value
        return result


def _came(sitting: Sitting, wanted: Wanted, callback: Callback | None) -> object:
    if isinstance(wanted, Doing):
        return sitting.perform(wanted)
    if isinstance(wanted, Request):
        return _unless_stopped(sitting.course, lambda: sitting.use.llm.send(wanted))
    with _asking(sitting.course):
        decision = _nobody() if callback is None else callback(wanted)
        if inspect.iscoroutine(decision):
            decision.close()
            raise InvalidInputError("An async callback needs an async run.", hint="Such as `await o.arun()`.")
    return _used(sitting.course, decision)


def _unless_stopped(course: Course, ask: Callable[[], T]) -> T:
    """Return what *ask* returns, unless it is stopped before; then nobody waits for it."""
    answers: queue.SimpleQueue[Callable[[], T]] = queue.SimpleQueue()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            answer = context.run(ask)
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            answers.put(partial(_raise, error))
        else:
            answers.put(lambda: answer)

    with course.waking(lambda: answers.put(partial(_raise, InterruptedStepError()))):
        threading.Thread(target=work, name="tract-orchestrator", daemon=True).start()
        answer = answers.get()
    return _used(course, answer)()


def _raise(error: BaseException) -> NoReturn:
    raise error


def _used(course: Course, answer: T) -> T:
    """Return *answer*, if it is still wanted.

    Raises:
        InterruptedStepError: It was stopped meanwhile.
    """
    if course.is_stopping:
        raise InterruptedStepError
    return answer


@contextmanager
def _asking(course: Course) -> Iterator[None]:
    """Be waiting for somebody in the block."""
    course.may("ask")
    try:
        yield
    finally:
        course.may("answer")


def _nobody() -> CallDecision:
    return CallDecision.reject("Nobody is there to decide.")


# --- async -------------------------------------------------------------------------------------------


async def drive_async(sitting: Sitting, steps: Steps, callback: Callback | None) -> OrchestrateResult:
    """As `drive_sync`; tools and sync callbacks work in threads, so that nothing blocks the event loop."""
    try:
        wanted = next(steps)
        while True:
            try:
                came = await _acame(sitting, wanted, callback)
            except BaseException as error:  # noqa: BLE001 - cancelling included
                wanted = steps.throw(error)
            else:
                wanted = steps.send(came)
    except StopIteration as done:
        result: OrchestrateResult = done.value
        return result


async def _acame(sitting: Sitting, wanted: Wanted, callback: Callback | None) -> object:
    if isinstance(wanted, Doing):
        return await _whole(asyncio.to_thread(sitting.perform, wanted))
    if isinstance(wanted, Request):
        return await _aunless_stopped(sitting.course, sitting.use.llm.asend(wanted))
    with _asking(sitting.course):
        return await _aunless_stopped(sitting.course, _adecided(wanted, callback))


async def _adecided(request: CallRequest, callback: Callback | None) -> object:
    if callback is None:
        return _nobody()
    if inspect.iscoroutinefunction(callback):
        return await callback(request)
    decision = await asyncio.to_thread(callback, request)
    return await decision if inspect.isawaitable(decision) else decision


async def _aunless_stopped(course: Course, asked: Awaitable[T]) -> T:
    """Return what comes of *asked*, unless it is stopped before; then it is cancelled."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(asked)
    with course.waking(lambda: loop.call_soon_threadsafe(task.cancel)):
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            raise
    if course.is_stopping:
        task.cancelled() or task.exception()  # looked at, so that nobody warns of it
        raise InterruptedStepError
    return task.result()


async def _whole(work: Awaitable[T]) -> T:
    """Return what comes of *work*, which is waited for also when this is cancelled: nothing is done after the end."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
