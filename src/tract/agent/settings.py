"""Answers which model an operation will ask, and where each value comes from: call, operation, tract or client.

The nearest to the call wins, value by value. What belongs to one provider is not carried to another: a model's
name, a key or an option only it knows counts only if nothing nearer names another client.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from tract.errors import InvalidInputError, NoModelError, NotFoundError, ReadOnlyError, shown
from tract.llm.adapt import as_llm
from tract.llm.http import HttpLLM
from tract.llm.protocol import LLM
from tract.llm.providers import checked_url
from tract.objects.config import OPERATIONS, Chosen, GenerationConfig, LLMConfig, ModelChoice, Source
from tract.objects.refs import check_label
from tract.operations.configure import configure_operations, parse_llm_config, refuse_secrets, stored_operations
from tract.store import Store

_SHARED: Final = frozenset(GenerationConfig.model_fields) - {"model"}
"""Parameters that mean the same to every provider."""

_NO_KEY: Final = "not-sent"
"""Goes in the place of a key where none may go."""

_CLIENT: Final = ("llm", "provider", "base_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What `Tract.open` was told about models; in force on the handle, never kept.

    Attributes:
        llm: A client, or `None`.
        api_key: Key of the provider; goes nowhere but to that provider.
    """

    llm: Any = field(default=None, repr=False)
    provider: str | None = None
    api_key: str | None = field(default=None, repr=False)
    model: str | None = None
    base_url: str | None = None

    def checked(self) -> Defaults:
        """Return the same if every value can be one.

        Raises:
            InvalidInputError: A value cannot.
        """
        for name in ("provider", "api_key", "model", "base_url"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value):
                raise InvalidInputError(f"`{name}` is text, not {shown(value)}.", hint="Leave out what is not needed.")
        if self.llm is not None and (self.provider or self.api_key or self.base_url):
            raise InvalidInputError("Give a client as `llm`, or a provider with its key and `base_url`, not both.")
        as_client(self.llm)
        return self


@dataclass(frozen=True, slots=True)
class Use:
    """What one call asks.

    Attributes:
        llm: The client.
        model: Name of the model, or `None` for the client's own.
        settings: Parameters and further options to send.
    """

    llm: LLM = field(repr=False)
    model: str | None
    settings: Mapping[str, Any]


class Models(Mapping[str, ModelChoice]):
    """What each operation will ask, by name: `t.models["chat"].model.source`."""

    def __init__(self, store: Store, defaults: Defaults) -> None:
        self._store = store
        self._defaults = defaults
        # Clients cannot be kept in the store; each counts only while the settings it was given with do.
        self._clients: dict[str, LLMConfig] = {}
        # A store may come from anywhere: a key is sent to an address it names only once this process has named it too.
        self._named: set[str] = set() if defaults.base_url is None else {defaults.base_url}
        self._built: dict[tuple[str, str | None, bool, bool], HttpLLM] = {}
        self._is_owner = True

    def __getitem__(self, operation: str) -> ModelChoice:
        if operation not in self:
            raise NotFoundError(f"No operation {shown(operation)}.", hint=f"Operations are {', '.join(OPERATIONS)}.")
        return self.choice(operation)

    def __contains__(self, operation: object) -> bool:
        return isinstance(operation, str) and operation in OPERATIONS

    def __iter__(self) -> Iterator[str]:
        return iter(OPERATIONS)

    def __len__(self) -> int:
        return len(OPERATIONS)

    def __repr__(self) -> str:
        return f"<Models {', '.join(self)}>"

    def beside(self, store: Store) -> Models:
        """Return the same for a tract beside this one: it is asked with the same clients, and closes none."""
        other = Models(store, self._defaults)
        other._clients, other._named = dict(self._clients), set(self._named)
        other._built, other._is_owner = self._built, False
        return other

    def close(self) -> None:
        """Close the connections of the clients made here; those given are their owner's."""
        if not self._is_owner:
            return
        for llm in self._built.values():
            llm.close()

    def configure(self, operations: Mapping[str, object], *, keep: bool = True) -> None:
        """Put settings of operations in force, and keep all but clients in the store; `None` takes them back.

        Raises:
            InvalidInputError: There is no such operation or setting.
            ReadOnlyError: The handle only reads, and *keep* is true.
        """
        given = {name: None if value is None else parse_llm_config(name, value) for name, value in operations.items()}
        unknown = sorted(set(given) - set(OPERATIONS))
        if unknown:
            parse_llm_config(unknown[0], {})  # says what there is
        for config in given.values():
            as_client(None if config is None else config.llm)
            if config is not None and config.base_url is not None:
                checked_url(config.base_url)  # before it is kept: it may hold a password or a key
        if keep and self._store.read_only:
            raise ReadOnlyError
        if keep and given:
            configure_operations(self._store, given)
        self._named.update(config.base_url for config in given.values() if config is not None and config.base_url)
        for name, config in given.items():
            self._clients.pop(name, None)
            if config is not None and (config.llm is not None or not keep):
                self._clients[name] = config

    def choice(self, operation: str, call: LLMConfig | None = None) -> ModelChoice:
        """Return what *operation* will ask, for a call with settings of its own.

        Raises:
            InvalidInputError: There is no such operation.
        """
        levels = self._levels(operation, call)
        at = _client_at(levels)
        near = levels[: at + 1]
        client = levels[at][1] if levels else LLMConfig()
        own = as_client(client.llm)
        provider, base_url = _endpoint(levels, at)
        named_provider = provider if own is None else Chosen(own.provider, levels[at][0])
        model = _nearest(near, "model")
        if model is None and own is not None and own.model:
            model = Chosen(own.model, "client")
        return ModelChoice(
            operation=operation,
            provider=named_provider,
            base_url=None if own is not None else base_url,
            model=model,
            settings=_settings(levels, near),
        )

    def use(self, operation: str, call: LLMConfig) -> Use:
        """Return the client, the model and the settings of one call.

        Raises:
            NoModelError: Nobody is configured.
            InvalidInputError: A value cannot be one.
        """
        refuse_secrets(call.settings())
        levels = self._levels(operation, call)
        choice = self.choice(operation, call)
        if choice.provider is None:
            raise NoModelError(f"No model is configured for `{operation}`.")
        at = _client_at(levels)
        own = as_client(levels[at][1].llm)
        model = None if choice.model is None else check_label(choice.model.value, "model")
        if own is None and not model:
            raise NoModelError(
                f"No model of {choice.provider.value} is named for `{operation}`.",
                hint="Name it: `t.chat(text, model=...)`, or when opening the tract.",
            )
        return Use(own or self._build(choice, is_ours=levels[at][0] == "tract"), model, choice.values())

    def wire(self, provider: str | None, model: str | None) -> tuple[str, str | None]:
        """Return the format and the model to look ahead for: those named, else those of `chat`, else OpenAI's."""
        if provider is not None or not self["chat"].is_configured:
            return ("openai" if provider is None else provider), model
        use = self.use("chat", parse_llm_config("chat", {"model": model}, is_kept=False))
        return use.llm.format, use.model

    def _build(self, choice: ModelChoice, *, is_ours: bool) -> LLM:
        """Return the client of a provider, made once; the tract's key goes to the tract's provider alone."""
        assert choice.provider is not None
        provider = choice.provider.value
        base_url = None if choice.base_url is None else choice.base_url.value
        is_same = is_ours or (provider, base_url) == (self._defaults.provider, self._defaults.base_url)
        key = self._defaults.api_key if is_same else None
        if (
            choice.base_url is not None
            and choice.base_url.source == "operation"
            and self._is_strange(choice.base_url.value)
        ):
            key, is_same = _NO_KEY, False
        with self._store.lock:
            place = (provider, base_url, key is None, is_same)
            if place not in self._built:
                self._built[place] = HttpLLM(provider, api_key=key, base_url=base_url)
            return self._built[place]

    def _is_strange(self, base_url: str) -> bool:
        """Tell whether only the store names this address, and it is not on this machine."""
        host = urlsplit(base_url).hostname or ""
        return base_url not in self._named and not _is_here(host)

    def _levels(self, operation: str, call: LLMConfig | None) -> list[tuple[Source, LLMConfig]]:
        """Return the settings of each level that has some, the nearest to the call first."""
        if operation not in OPERATIONS:
            parse_llm_config(operation, {})  # says what there is
        levels: list[tuple[Source, LLMConfig]] = [] if call is None else [("call", call)]
        of_operation = self._of_operation(operation)
        if of_operation is not None:
            levels.append(("operation", of_operation))
        d = self._defaults
        levels.append(("tract", LLMConfig(llm=d.llm, provider=d.provider, base_url=d.base_url, model=d.model)))
        return levels

    def _of_operation(self, operation: str) -> LLMConfig | None:
        given, kept = self._clients.get(operation), stored_operations(self._store).get(operation)
        if given is None or (not self._store.read_only and _fields(given) != _fields(kept)):
            return kept
        return given


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _fields(config: LLMConfig | None) -> dict[str, Any]:
    return {} if config is None else config.model_dump(exclude_none=True)


def _client_at(levels: list[tuple[Source, LLMConfig]]) -> int:
    """Return which level names who is asked; the last if none does."""
    places = range(len(levels))
    return next((at for at in places if any(getattr(levels[at][1], name) for name in _CLIENT)), len(levels) - 1)


def _endpoint(levels: list[tuple[Source, LLMConfig]], at: int) -> tuple[Chosen | None, Chosen | None]:
    """Return provider and base URL; a base URL belongs to the provider named with it or behind it."""
    behind = levels[at:]
    base_url = None
    for source, config in behind:
        if base_url is None and config.base_url:
            base_url = Chosen(config.base_url, source)
        if config.provider:
            return Chosen(config.provider, source), base_url
        if config.llm is not None:
            break
    # A server at an address alone speaks what most do.
    return (None if base_url is None else Chosen("openai", base_url.source)), base_url


def _nearest(levels: list[tuple[Source, LLMConfig]], name: str) -> Chosen | None:
    found = ((source, getattr(config, name)) for source, config in levels)
    return next((Chosen(value, source) for source, value in found if value is not None), None)


def _settings(levels: list[tuple[Source, LLMConfig]], near: list[tuple[Source, LLMConfig]]) -> dict[str, Chosen]:
    out: dict[str, Chosen] = {}
    for source, config in levels:
        is_near = any(config is one for _, one in near)
        for name, value in config.settings().items():
            if is_near or name in _SHARED:
                out.setdefault(name, Chosen(value, source))
    return out


def as_client(value: Any) -> LLM | None:
    """Return *value* as a client; `None` stays `None`.

    Raises:
        InvalidInputError: It is none.
    """
    return None if value is None else as_llm(value)
