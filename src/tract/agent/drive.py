"""Runs a turn: sends what its generator yields to a client, and gives back what comes, sync or async."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from tract.llm.protocol import LLM, Reply, Request

T = TypeVar("T")


def drive(steps: Generator[Request, Reply, T], llm: LLM) -> T:
    """Run *steps* to their end and return what they return; what the client raises is raised inside them."""
    try:
        request = next(steps)
        while True:
            try:
                reply = llm.send(request)
            except BaseException as error:  # noqa: BLE001 - the steps decide, and raise it again
                request = steps.throw(error)
            else:
                request = steps.send(reply)
    except StopIteration as done:
        result: T = done.value
        return result


async def adrive(steps: Generator[Request, Reply, T], llm: LLM) -> T:
    """As `drive`, waiting for the client without blocking the event loop."""
    try:
        request = next(steps)
        while True:
            try:
                reply = await llm.asend(request)
            except BaseException as error:  # noqa: BLE001 - cancelling included
                request = steps.throw(error)
            else:
                request = steps.send(reply)
    except StopIteration as done:
        result: T = done.value
        return result
