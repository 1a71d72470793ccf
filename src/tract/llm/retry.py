"""Answers whether and when a failed call is tried again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from tract.errors import InvalidInputError, ModelError

Value = TypeVar("Value")

_SHORTEST_ATTEMPT_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When a failed call is tried again.

    Errors that are `is_transient` are: 408, 409, 429, 5xx, 529 and broken connections. A wrong key and a request
    the provider refuses never are. A stream is tried again only before its first event.

    Attributes:
        max_attempts: How often at most, the first one included.
        first_wait_seconds: Longest wait before the second attempt; doubled before each further one. What is
            waited is random up to there.
        longest_wait_seconds: Where the doubling ends. What a provider asks for by `Retry-After` may be longer.
        deadline_seconds: Time all attempts and waits have together, or `None`. A wait that would pass it is not begun.
        on_retry: Called with the error and the seconds to be waited, before each wait.
        sleep: What waits in sync calls.
        async_sleep: What waits in async calls; `None` for `asyncio.sleep`.
    """

    max_attempts: int = 4
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0
    deadline_seconds: float | None = 600.0
    on_retry: Callable[[ModelError, float], None] | None = None
    sleep: Callable[[float], None] = time.sleep
    async_sleep: Callable[[float], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        numbers = (self.max_attempts, self.first_wait_seconds, self.longest_wait_seconds, self.deadline_seconds or 1)
        if not all(isinstance(number, (int, float)) and number >= 0 for number in numbers) or self.max_attempts < 1:
            raise InvalidInputError("A retry policy has at least one attempt and no negative times.")
        called = (self.sleep, self.on_retry or print, self.async_sleep or print)
        if not all(callable(function) for function in called):
            raise InvalidInputError("`on_retry`, `sleep` and `async_sleep` of a retry policy are functions.")

    def __repr__(self) -> str:
        return f"<RetryPolicy max_attempts={self.max_attempts} deadline_seconds={self.deadline_seconds}>"

    def run(self, attempt: Callable[[float | None], Value]) -> Value:
        """Call *attempt* until it succeeds or is not to be tried again; it is told how many seconds are left.

        Raises:
            ModelError: The last failure, with `attempts`.
        """
        import tenacity

        left = self._clock()
        return tenacity.Retrying(sleep=self.sleep, **self._arguments())(lambda: attempt(left()))

    async def arun(self, attempt: Callable[[float | None], Awaitable[Value]]) -> Value:
        """As `run`."""
        import tenacity

        left = self._clock()

        async def next_attempt() -> Value:
            return await attempt(left())

        retrying = tenacity.AsyncRetrying(sleep=self.async_sleep or asyncio.sleep, **self._arguments())
        return await retrying(next_attempt)

    def _clock(self) -> Callable[[], float | None]:
        """Return what says how many seconds are left, never quite none, which would be no timeout at all."""
        if self.deadline_seconds is None:
            return lambda: None
        end = time.monotonic() + self.deadline_seconds
        return lambda: max(_SHORTEST_ATTEMPT_SECONDS, end - time.monotonic())

    def _arguments(self) -> dict[str, Any]:
        import tenacity

        stop: Any = tenacity.stop_after_attempt(self.max_attempts)
        if self.deadline_seconds is not None:
            stop |= tenacity.stop_before_delay(self.deadline_seconds)
        backoff = tenacity.wait_random_exponential(multiplier=self.first_wait_seconds, max=self.longest_wait_seconds)

        def wait(state: Any) -> float:
            asked: float | None = getattr(state.outcome.exception(), "retry_after_seconds", None)
            return backoff(state) if asked is None else asked

        return {"stop": stop, "wait": wait, "retry": _is_retried, "before_sleep": self._announce, "reraise": True}

    def _announce(self, state: Any) -> None:
        if self.on_retry is not None:
            self.on_retry(state.outcome.exception(), state.upcoming_sleep)


def _is_retried(state: Any) -> bool:
    error = state.outcome.exception() if state.outcome.failed else None
    if not isinstance(error, ModelError):
        return False
    error.attempts = state.attempt_number
    return error.is_transient
