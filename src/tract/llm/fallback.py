"""Asks the next client where one cannot answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from tract.errors import InvalidInputError, ModelError, RateLimitedError
from tract.llm.adapt import as_llm
from tract.llm.opened import aopened, opened
from tract.llm.protocol import LLM, Format, Reply, Request, StreamItem

Item = TypeVar("Item", bound=StreamItem)
MovesOn: TypeAlias = type[ModelError] | tuple[type[ModelError], ...] | Callable[[ModelError], bool]


def usually(error: ModelError) -> bool:
    """Say whether another client may do better: this one is down, overloaded, or its quota is used up."""
    return error.is_transient or isinstance(error, RateLimitedError)


class FallbackLLM:
    """Several clients in order of preference; the next one is asked where one fails.

    `Reply.provider` and `Reply.model` say who answered. A model named in a request is for the first client; the
    others are asked for their own, each with the reasoning that is valid in its format. A stream moves on only before
    its first piece.

    Attributes:
        clients: The clients, the preferred one first.
    """

    def __init__(self, clients: Sequence[Any], *, on: MovesOn = usually) -> None:
        """Take the clients.

        Args:
            clients: Anything `llm=` takes, at least one.
            on: After which errors the next one is asked: classes, or a function of the error. Usually those that
                are transient, and a used up quota; a wrong key or a request that is refused would hide a mistake.

        Raises:
            InvalidInputError: There is no client, or one is none.
        """
        if isinstance(clients, str) or not isinstance(clients, Sequence) or not clients:
            raise InvalidInputError("A fallback needs a list of clients.")
        self.clients: tuple[LLM, ...] = tuple(as_llm(client) for client in clients)
        self._moves_on = _test(on)

    @property
    def format(self) -> Format:
        """The wire format of the first client; `Reply.format` says which one was spoken."""
        return self.clients[0].format

    @property
    def model(self) -> str | None:
        """The model of the first client."""
        return self.clients[0].model

    @property
    def provider(self) -> str:
        """The provider of the first client."""
        return self.clients[0].provider

    @property
    def base_url(self) -> str | None:
        """Where the first client sends, if it says."""
        return getattr(self.clients[0], "base_url", None)

    def __repr__(self) -> str:
        return f"<FallbackLLM {', '.join(client.provider for client in self.clients)}>"

    def send(self, request: Request) -> Reply:
        """Ask, and return the first answer.

        Raises:
            ModelError: None could answer; the error is the last client's.
        """
        for client, asked, is_last in self._turns(request):
            try:
                return _named(client.send(asked), client)
            except ModelError as error:
                if is_last or not self._moves_on(error):
                    raise
        raise AssertionError  # the last client returned or raised

    def stream(self, request: Request) -> Iterator[StreamItem]:
        """As `send`, in pieces."""
        for client, asked, is_last in self._turns(request):
            has_begun = False
            try:
                with opened(client, asked) as items:
                    for item in items:
                        has_begun = True
                        yield _named(item, client)
            except ModelError as error:
                if has_begun or is_last or not self._moves_on(error):
                    raise
            else:
                return

    async def asend(self, request: Request) -> Reply:
        """As `send`."""
        for client, asked, is_last in self._turns(request):
            try:
                return _named(await client.asend(asked), client)
            except ModelError as error:
                if is_last or not self._moves_on(error):
                    raise
        raise AssertionError  # the last client returned or raised

    async def astream(self, request: Request) -> AsyncIterator[StreamItem]:
        """As `stream`."""
        for client, asked, is_last in self._turns(request):
            has_begun = False
            try:
                async with aopened(client, asked) as items:
                    async for item in items:
                        has_begun = True
                        yield _named(item, client)
            except ModelError as error:
                if has_begun or is_last or not self._moves_on(error):
                    raise
            else:
                return

    def _turns(self, request: Request) -> Iterator[tuple[LLM, Request, bool]]:
        for place, client in enumerate(self.clients):
            asked = request if client.format == self.format else request.spoken(client.format)
            asked = replace(asked, model=client.model) if place and client.model else asked
            yield client, asked, place == len(self.clients) - 1


def _test(on: Any) -> Callable[[ModelError], bool]:
    kinds = on if isinstance(on, tuple) else (on,)
    if kinds and all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
        return lambda error: isinstance(error, kinds)
    if not callable(on) or isinstance(on, type):
        raise InvalidInputError("`on` is a class of errors, several of them, or a function of the error.")
    return on  # type: ignore[no-any-return]  # a callable by the check above


def _named(item: Item, client: LLM) -> Item:
    return replace(item, provider=client.provider) if isinstance(item, Reply) and not item.provider else item
