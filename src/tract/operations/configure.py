"""Keeps a tract's settings in its store, so the next handle opens with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from tract.errors import CorruptStoreError, InvalidInputError, NotCanonicalError, shown
from tract.objects.config import OPERATIONS, LLMConfig, TractConfig
from tract.objects.hashing import canonical_json, parse_json
from tract.objects.refs import check_name
from tract.objects.secret import without_secrets
from tract.storage import queries as q
from tract.store import Store
from tract.tokens import counter_for

_EXAMPLE: Final = 'Such as `t.configure_operations(chat={"model": "gpt-4o"})`.'
_SECRET: Final = frozenset({"api_key", "authorization", "headers", "extra_headers", "default_headers", "http_client"})


def stored_config(store: Store) -> TractConfig:
    """Return the settings kept for this tract; the defaults where none are.

    Raises:
        InvalidInputError: What is kept does not fit this version.
    """
    return _read(store, _kept(store))


def _kept(store: Store) -> str:
    row = store.one(q.META, key=config_key(store))
    return "" if row is None else row[0]


def _read(store: Store, kept: str) -> TractConfig:
    try:
        return parse_config(parse_json(kept)) if kept else TractConfig()
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


def configure(store: Store, config: TractConfig | None, settings: Mapping[str, Any]) -> TractConfig:
    """Put settings in force, and keep them unless the handle is read-only or nothing changes.

    A budget's callback is put in force and not kept.

    Args:
        store: The open store.
        config: What is to replace every setting there is; `None` leaves what is kept now, whoever kept it.
        settings: What to change of that.

    Raises:
        InvalidInputError: No such setting, or not such a value.
        InvalidRefNameError: `default_branch` could not be a branch.
    """
    before = _kept(store)
    new = _changed(store, before, config, settings)
    if not store.read_only and (before or "{}") != _text(new):
        store.pause("configure")
        with store.operation("configure") as operation:
            # Another handle may have kept other settings: those it changed and this call does not stay.
            new = _changed(store, operation.meta(config_key(store)), config, settings)
            if operation.meta(config_key(store)) != _text(new):
                operation.set_meta(config_key(store), _text(new))
    put_in_force(store, new)
    return new


def _changed(store: Store, kept: str, config: TractConfig | None, settings: Mapping[str, Any]) -> TractConfig:
    """Return *settings* on top of *config*, or of what is *kept*; checked."""
    base = config
    if base is None:
        # What a read-only handle was told is kept nowhere.
        base = store.config if store.read_only else _with_callback(store, _read(store, kept))
    if not isinstance(base, TractConfig):
        raise InvalidInputError(
            f"`config` is a TractConfig, not `{type(config).__name__}`.",
            hint="Name settings: `t.configure(budget=...)`.",
        )
    if settings:
        base = parse_config({**{name: getattr(base, name) for name in TractConfig.model_fields}, **settings})
    check_name(base.default_branch)
    counter_for(base.tokenizer)
    return base


def _with_callback(store: Store, kept: TractConfig) -> TractConfig:
    """Return *kept* with this handle's callback, if its budget is otherwise the one kept."""
    own = store.config
    is_same = own.persisted().get("budget") == kept.persisted().get("budget")
    return kept.model_copy(update={"budget": own.budget}) if is_same else kept


def _text(config: TractConfig) -> str:
    return canonical_json(config.persisted()).decode()


def put_in_force(store: Store, config: TractConfig) -> None:
    """Let this handle work with *config* from now on, and count with its tokenizer if that is another one."""
    is_other_counter = config.tokenizer != store.config.tokenizer
    store.use_config(config)
    if is_other_counter:
        store.use_counter(counter_for(config.tokenizer))
    if store.reread is not None:
        store.reread(is_config=True)  # a budget puts a policy in force


def operations_key(store: Store) -> str:
    """Return where the model settings of this tract's operations are kept."""
    return f"operations:{store.tract}"


def stored_operations(store: Store) -> dict[str, LLMConfig]:
    """Return the model settings kept for this tract, by operation.

    Raises:
        CorruptStoreError: They cannot be read.
    """
    row = store.one(q.META, key=operations_key(store))
    return _read_operations(store, row[0] if row is not None else "")


def _read_operations(store: Store, kept: str) -> dict[str, LLMConfig]:
    try:
        fields = parse_json(kept) if kept else {}
        return {str(name): parse_llm_config(str(name), value) for name, value in fields.items()}
    except (NotCanonicalError, InvalidInputError, AttributeError) as error:
        raise CorruptStoreError(f"The model settings of `{store.tract}` cannot be read.") from error


def parse_llm_config(operation: str, value: object, *, is_kept: bool = True) -> LLMConfig:
    """Return *value* as the model settings of *operation*; those to be kept must have a JSON form.

    Raises:
        InvalidInputError: There is no such operation, or a setting has a value it cannot have.
    """
    if operation not in OPERATIONS:
        raise InvalidInputError(f"No operation {shown(operation)}.", hint=f"Operations are {', '.join(OPERATIONS)}.")
    if not isinstance(value, (LLMConfig, Mapping)):
        raise InvalidInputError(f"The settings of `{operation}` are an LLMConfig or a mapping.", hint=_EXAMPLE)
    try:
        config = value if isinstance(value, LLMConfig) else LLMConfig.model_validate(dict(value))
        if is_kept:
            canonical_json(config.model_dump(mode="json", exclude_none=True))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in (operation, *first["loc"]))
        raise InvalidInputError(f"The setting `{where}`: {first['msg']}.", hint=_EXAMPLE) from error
    except (PydanticSerializationError, TypeError) as error:
        raise InvalidInputError(f"A setting of `{operation}` has no JSON form.", hint=_EXAMPLE) from error
    refuse_secrets(config.settings())
    return config


def refuse_secrets(options: Mapping[str, object]) -> None:
    """Refuse *options* that carry keys: whatever is sent is kept with the reply.

    Raises:
        InvalidInputError: One of them does.
    """
    _refuse(sorted(name for name in options if str(name).lower() in _SECRET))


def _refuse(named: list[str]) -> None:
    if named:
        raise InvalidInputError(
            f"`{named[0]}` cannot be an option: options are kept in the store.",
            hint="Give keys as `api_key` when opening the tract, and headers to a client passed as `llm`.",
        )


def configure_operations(store: Store, operations: Mapping[str, LLMConfig | None]) -> None:
    """Keep the model settings of some operations; `None` takes them back. Clients are not kept.

    Raises:
        ReadOnlyError: The handle only reads.
        InvalidInputError: A setting holds a key.
    """
    for config in operations.values():
        settings = {} if config is None else config.settings()
        _refuse(sorted(name for name, value in settings.items() if without_secrets({name: value}) != {name: value}))
    store.pause("configure-operations")
    with store.operation("configure-operations") as operation:
        kept = operation.meta(operations_key(store))
        now = {**_read_operations(store, kept), **operations}
        fields = {name: config.model_dump(mode="json", exclude_none=True) for name, config in now.items() if config}
        text = canonical_json(fields).decode() if fields else ""
        if text != kept:
            operation.set_meta(operations_key(store), text)


def policies_key(store: Store) -> str:
    """Return where the policies of this tract are kept."""
    return q.POLICIES + store.tract


def config_key(store: Store) -> str:
    """Return where the settings of this tract are kept."""
    return f"config:{store.tract}"
