"""Keeps a tract's settings in its store, so the next handle opens with them."""

from __future__ import annotations

from pydantic import ValidationError

from tract.errors import CorruptStoreError, InvalidInputError, NotCanonicalError
from tract.objects.config import TractConfig
from tract.objects.hashing import canonical_json, parse_json
from tract.objects.refs import check_name
from tract.storage import queries as q
from tract.store import Store
from tract.tokens import counter_for


def stored_config(store: Store) -> TractConfig:
    """Return the settings kept for this tract; the defaults where none are.

    Raises:
        InvalidInputError: What is kept does not fit this version.
    """
    row = store.one(q.META, key=config_key(store))
    if row is None or not row[0]:
        return TractConfig()
    try:
        return parse_config(parse_json(row[0]))
    except NotCanonicalError as error:
        raise CorruptStoreError(f"The settings of `{store.tract}` cannot be read: {error.message}") from error


def parse_config(fields: object) -> TractConfig:
    """Return the settings in *fields*.

    Raises:
        InvalidInputError: A setting is unknown or has a value it cannot have.
    """
    try:
        return TractConfig.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise InvalidInputError(
            f"The setting `{where}`: {first['msg']}.", hint=f"Settings are {', '.join(TractConfig.model_fields)}."
        ) from error


def configure(store: Store, config: TractConfig) -> TractConfig:
    """Put *config* in force, and keep it unless the handle is read-only or nothing changes.

    A budget's callback is put in force and not kept.

    Raises:
        InvalidRefNameError: `default_branch` could not be a branch.
    """
    check_name(config.default_branch)
    counter_for(config.tokenizer)
    if not store.read_only:
        kept = canonical_json(config.persisted()).decode()
        row = store.one(q.META, key=config_key(store))
        if ((row[0] if row is not None else "") or "{}") != kept:
            store.pause("configure")
            with store.operation("configure") as operation:
                if operation.meta(config_key(store)) != kept:  # else somebody else was faster
                    operation.set_meta(config_key(store), kept)
    put_in_force(store, config)
    return config


def put_in_force(store: Store, config: TractConfig) -> None:
    """Let this handle work with *config* from now on, and count with its tokenizer if that is another one."""
    is_other_counter = config.tokenizer != store.config.tokenizer
    store.use_config(config)
    if is_other_counter:
        store.use_counter(counter_for(config.tokenizer))


def config_key(store: Store) -> str:
    """Return where the settings of this tract are kept."""
    return f"config:{store.tract}"
