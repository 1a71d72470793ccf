"""Answers what a content costs and weighs before it is written: bytes, hash, files, tokens.

Everything slow about a commit happens here, while no transaction is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import BaseModel

from tract.compile.compiler import states_of
from tract.errors import ContentTooLargeError, InvalidContentError, InvalidInputError
from tract.formats.openai_chat import from_openai
from tract.history.info import content_of
from tract.objects.content import (
    BUILT_IN,
    Content,
    DialogueContent,
    InstructionContent,
    ToolResultContent,
    encode_payload,
    payload_of,
    to_message,
)
from tract.objects.hashing import blob_hash, canonical_json
from tract.objects.message import FilePart, ImagePart, ToolResultPart
from tract.objects.policy import Event
from tract.storage import queries as q
from tract.store import Store
from tract.tokens.message import message_tokens

_REMEMBERED_COUNTS: Final = 4096


@dataclass(frozen=True, slots=True)
class Prepared:
    """A content, encoded and counted.

    Attributes:
        payload: Canonical bytes.
        fields: The same as plain values.
        files: Bytes of images and documents, stored apart.
        priority: The priority it starts with.
        tokens: Tokens of its message.
    """

    content_type: str
    payload: bytes
    content_hash: bytes
    fields: Mapping[str, Any]
    files: tuple[bytes, ...]
    origin: str
    priority: str
    tokens: int


def as_content(store: Store, content: BaseModel | Mapping[str, Any] | str) -> BaseModel:
    """Return *content* as a content model.

    A string is a user's text. A mapping with `content_type` holds the fields of that type; one with
    `role` is an OpenAI chat message.

    Raises:
        InvalidContentError: It is none of these, or does not fit its type.
        UnknownContentTypeError: The type is not registered.
    """
    if isinstance(content, str):
        return DialogueContent(role="user", text=content)
    if isinstance(content, BaseModel):
        return content
    if not isinstance(content, Mapping):
        raise InvalidContentError(
            f"A content is a content model, a mapping or text, not `{type(content).__name__}`.",
            hint="Use `t.user(text)`, `t.assistant(text)` or `t.tool_result(call_id, content)`.",
        )
    if "content_type" in content:
        fields = {key: value for key, value in content.items() if key != "content_type"}
        return store.types.parse(str(content["content_type"]), fields)
    if "role" in content:
        return from_openai([content])[0]
    raise InvalidContentError(
        "The mapping says neither `content_type` nor `role`.",
        hint='Write `{"content_type": "freeform", "data": ...}` for any JSON.',
    )


def with_text(store: Store, target: bytes, text: str) -> BaseModel:
    """Return the content *target* shows in HEAD's history with its text replaced; all else stays.

    Raises:
        InvalidTargetError: The target has no content.
        InvalidContentError: Its type has no text.
    """
    head = store.head_hash()
    state = None if head is None else states_of(store).get(head)
    row = store.one(q.TIP, hash=target)
    original = None if state is None or row is None else state.original(row[0])
    entry = None if state is None or original is None else state.entry(original)
    return text_replaced(store, content_of(store, target if entry is None else entry.shown.hash), text)


def text_replaced(store: Store, content: BaseModel, text: str) -> BaseModel:
    """Return *content* saying *text*; all but its text stays.

    Raises:
        InvalidContentError: Its type has no text.
    """
    if "text" not in type(content).model_fields:
        raise InvalidContentError(
            f"A `{store.types.name_of(content)}` has no text to replace.", hint="Give the whole new content."
        )
    return store.types.parse(store.types.name_of(content), _fields_replaced(payload_of(content), text))


def _fields_replaced(fields: dict[str, Any], text: str) -> dict[str, Any]:
    """Return *fields* saying *text*: in place of the first text part, all other parts kept but text."""
    parts = fields.get("parts")
    if not parts:
        return {**fields, "text": text}
    first = next((place for place, part in enumerate(parts) if part["type"] == "text"), None)
    kept = [part for part in parts if part["type"] != "text"]
    said = {"type": "text"} if first is None else parts[first]
    kept.insert(first or 0, {**said, "text": text})
    return {**fields, "parts": kept}


def prepare(store: Store, content: BaseModel) -> Prepared:
    """Return *content*, as the policies in force let it be committed, as `encoded` does.

    Raises:
        PolicyDeniedError: A policy does not let it be committed.
    """
    return encoded(store, allowed(store, content))


def allowed(store: Store, content: BaseModel, verb: str = "commit") -> BaseModel:
    """Return *content* as the policies in force let it be committed.

    Raises:
        PolicyDeniedError: A policy does not let it be committed.
    """
    if store.policies is None:
        return content
    return store.policies.before(Event("before_commit", verb, content)).content or content


def encoded(store: Store, content: BaseModel) -> Prepared:
    """Return *content* encoded, measured against the limits and counted; policies have seen it.

    Raises:
        ContentTooLargeError: The payload or a file is over `max_content_bytes`.
        NotCanonicalError: A value has no JSON form.
    """
    name = store.types.name_of(content)
    files: tuple[bytes, ...] = ()
    if isinstance(content, (DialogueContent, InstructionContent, ToolResultContent)) and content.parts:
        content, files = _detach_files(store, content)
    limit = store.config.max_content_bytes
    fields = payload_of(content)
    payload = encode_payload(fields)
    for size in (len(payload), *map(len, files)):
        if size > limit:
            raise ContentTooLargeError(size, limit)
    hash_ = blob_hash(payload)
    built_in = BUILT_IN.get(name)
    return Prepared(
        name,
        payload,
        hash_,
        fields,
        files,
        content.origin if isinstance(content, Content) else "developer",
        "normal" if built_in is None else built_in.default_priority,
        _count(store, name, fields, hash_),
    )


def _detach_files(store: Store, content: Any) -> tuple[Any, tuple[bytes, ...]]:
    """Return *content* with the bytes of its images and files replaced by their hashes, and those bytes."""
    files: list[bytes] = []
    parts = tuple([_detached(store, part, files) for part in content.parts])
    return content.model_copy(update={"parts": parts}), tuple(files)


def _detached(store: Store, part: Any, files: list[bytes]) -> Any:
    """Return *part* without the bytes it or a part of it holds, which are added to *files*."""
    if isinstance(part, ToolResultPart):
        return replace(part, parts=tuple([_detached(store, child, files) for child in part.parts]))
    if not isinstance(part, (ImagePart, FilePart)):
        return part
    if part.data is None:
        _require_source(store, part)
        return part
    files.append(part.data)
    return replace(part, data=None, hash=blob_hash(part.data).hex())


def _require_source(store: Store, part: ImagePart | FilePart) -> None:
    if part.hash is not None:
        try:
            known = store.one(q.BLOB_ID, hash=bytes.fromhex(part.hash)) is not None
        except ValueError:
            known = False
        if not known:
            raise InvalidContentError(f"No file {part.hash[:12]} in this store.", hint="Give its bytes as `data`.")
    elif part.url is None and not part.extra:
        raise InvalidContentError(f"The {part.type} has neither data nor url.", hint="Give its bytes as `data`.")


def _count(store: Store, name: str, fields: Mapping[str, Any], hash_: bytes) -> int:
    """Return the tokens of a payload's message, counted once per content and counter."""
    counts: dict[tuple[bytes, str, str], int] = store.memo.setdefault("token_counts", {})
    # The type belongs to the key: equal fields of two types may make different messages.
    key = (hash_, name, store.counter.name)
    known = counts.get(key)
    if known is None:
        if len(counts) >= _REMEMBERED_COUNTS:
            counts.clear()
        known = counts[key] = message_tokens(to_message(name, fields), store.counter)
    return known


def encode_note(
    *,
    message: str | None,
    metadata: Mapping[str, Any] | None,
    reply_to: bytes | None,
    sent: Mapping[str, Any] | None = None,
) -> bytes | None:
    """Return the canonical bytes of what is said about a commit beside its content, or `None` if nothing.

    Raises:
        InvalidInputError: The message is no text, or the metadata no mapping.
        NotCanonicalError: A value has no JSON form.
    """
    note: dict[str, Any] = {}
    if message is not None:
        if not isinstance(message, str):
            raise InvalidInputError(f"`message` is text, not `{type(message).__name__}`.")
        note["message"] = message
    if metadata is not None:
        if not isinstance(metadata, Mapping):
            raise InvalidInputError(f"`metadata` is a mapping, not `{type(metadata).__name__}`.")
        if metadata:
            note["metadata"] = dict(metadata)
    if reply_to is not None:
        note["reply_to"] = reply_to.hex()
    if sent:
        note["sent"] = dict(sent)
    return canonical_json(note) if note else None
