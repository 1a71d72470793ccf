"""Answers how `Tract.open` arrives at a ready store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tract.agent.settings import Defaults, Models
from tract.errors import InvalidInputError
from tract.objects.config import TractConfig
from tract.objects.refs import check_label, check_name
from tract.operations.configure import configure, parse_config, stored_config
from tract.sessions.opening import open_tract
from tract.storage.opening import open_database
from tract.store import Store
from tract.tokens import TokenCounter, counter_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a tract is kept and how it is opened; as the arguments of `Tract.open`."""

    path: str | os.PathLike[str]
    tract: str
    create: bool
    read_only: bool
    durability: str


def open_store(
    place: Place,
    *,
    config: TractConfig | Mapping[str, Any] | None,
    tokenizer: str | TokenCounter | None,
    actor: str | None,
) -> Store:
    """Return the store at *place* with the handle standing on the tract's starting branch.

    Settings given win over those kept in the store, and are kept in their place.
    """
    check_name(place.tract)
    given = None if config is None else parse_config(dict(config) if isinstance(config, Mapping) else config)
    check_name((given or TractConfig()).default_branch)
    counter = _as_counter(tokenizer, given)
    store = _connected(place, given or TractConfig(), counter)
    try:
        store.actor = "" if actor is None else check_label(actor, "actor")
        open_tract(store, create=place.create)
        settings = given or stored_config(store)
        if isinstance(tokenizer, str):
            settings = settings.model_copy(update={"tokenizer": tokenizer})
        if given is not None or settings.tokenizer == tokenizer:
            configure(store, settings, {})
        store.use_config(settings)
        store.use_counter(counter_for(settings.tokenizer) if tokenizer is None else counter)
    except BaseException:
        store.close()
        raise
    return store


def open_without_tract(place: Place, *, config: TractConfig, tokenizer: str | TokenCounter | None, actor: str) -> Store:
    """Return the store at *place* on a handle that stands in no tract; those are opened beside it.

    *config* are the settings of tracts that are created.
    """
    check_name(config.default_branch)
    counter = _as_counter(tokenizer, config)
    if isinstance(tokenizer, str):
        config = config.model_copy(update={"tokenizer": tokenizer})
    store = _connected(place, config, counter)
    try:
        store.actor = check_label(actor, "actor")
        store.use_counter(counter)
    except BaseException:
        store.close()
        raise
    return store


def _connected(place: Place, config: TractConfig, counter: TokenCounter) -> Store:
    location = _as_location(place.path)
    database = open_database(location, create=place.create, read_only=place.read_only, durability=place.durability)
    try:
        return Store(database, tract=place.tract, config=config, counter=counter)
    except BaseException:
        database.close()
        raise


def open_models(store: Store, defaults: Defaults, operations: Mapping[str, object] | None) -> Models:
    """Return which model each operation asks; *operations* are kept, unless the handle only reads.

    Raises:
        InvalidInputError: There is no such operation or setting.
    """
    try:
        models = Models(store, defaults)
        if operations is not None:
            models.configure(_by_name(operations), keep=not store.read_only)
    except BaseException:
        store.close()
        raise
    return models


def _by_name(operations: object) -> dict[str, object]:
    if not isinstance(operations, Mapping):
        raise InvalidInputError("`operations` is a mapping by operation.", hint='Such as `{"chat": {...}}`.')
    return {str(name): value for name, value in operations.items()}


def _as_location(path: object) -> str:
    """Return *path* as text SQLite or SQLAlchemy can take; names with undecodable bytes are fine."""
    location = os.fspath(path) if isinstance(path, os.PathLike) else path
    try:
        if isinstance(location, str) and location and b"\0" not in os.fsencode(location):
            return location
    except UnicodeEncodeError:
        pass
    raise InvalidInputError("`path` is a file name, `:memory:` or a database URL.", hint="Give it as text.")


def _as_counter(tokenizer: str | TokenCounter | None, given: TractConfig | None) -> TokenCounter:
    """Return the counter asked for, before anything is opened or created."""
    if tokenizer is None or isinstance(tokenizer, str):
        return counter_for(tokenizer or (None if given is None else given.tokenizer))
    if not isinstance(tokenizer, TokenCounter):
        raise InvalidInputError("`tokenizer` is a name or a TokenCounter.", hint="Try `o200k_base`.")
    return tokenizer
