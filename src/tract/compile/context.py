"""Answers what is sent: the messages of one commit, with where each came from and what they cost."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

from tract.compile.fit import LeftOut
from tract.compile.fold import Entry, Event
from tract.compile.proof import PrefixProof, Sent, prove
from tract.errors import InvalidInputError
from tract.errors import shown as in_words
from tract.formats.params import (
    anthropic_settings,
    anthropic_tools,
    gemini_settings,
    gemini_tools,
    openai_tools,
    responses_settings,
    responses_tools,
)
from tract.formats.report import Rendered
from tract.formats.responses import to_openai_responses
from tract.objects.commit import from_microseconds
from tract.objects.config import GenerationConfig, encode_config
from tract.objects.hashing import blob_hash, canonical_json
from tract.objects.message import AnyPart, FilePart, ImagePart, Message, TextPart, copied, part_to_json


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where one message came from.

    Attributes:
        commit: Hash of the commit that placed it.
        edited_by: Hash of the commit whose content it shows, if it was edited.
        annotated_by: Hash of the commit that set its priority, if one did.
        priority: `normal` or `pinned`.
        content_type: Type of the content shown.
        origin: Who the content shown came from.
        author: Who committed it.
        created_at: When, UTC.
    """

    commit: str
    edited_by: str | None
    annotated_by: str | None
    priority: str
    content_type: str | None
    origin: str
    author: str
    created_at: datetime


class Recorded(Protocol):
    """Reads what was kept of a reply beside its content, when it is asked for."""

    def config(self, config: int, /) -> Mapping[str, Any]:
        """Return the generation config with this row id."""

    def sent(self, entry: Entry, /) -> Sent | None:
        """Return what the reply at *entry* keeps of the request it answered."""


@dataclass(frozen=True)
class CompiledContext:
    """The messages to send, ready for any provider.

    Attributes:
        head: Hash of the commit compiled, or `None` for an empty branch.
        messages: One `Message` each, in order.
        token_count: Tokens of all of them, reply priming included.
        token_source: `api:<model>` when a provider's recorded usage covers the prefix, else
            `tokenizer:<name>`, or the bare name of a counter that estimates.
        warnings: What a reader should know: approximate counts, what an order breaks, that something was left out.
        left_out: What `t.compile(budget=...)` left out, in order.
    """

    head: str | None
    messages: Sequence[Message]
    token_count: int
    token_source: str
    warnings: tuple[str, ...]
    shown: Sequence[Entry] = field(repr=False)
    recorded: Recorded = field(repr=False, compare=False)
    left_out: tuple[LeftOut, ...] = ()

    @property
    def commit_count(self) -> int:
        """How many commits gave a message."""
        return len(self.shown)

    @cached_property
    def commit_hashes(self) -> tuple[str, ...]:
        """Hash of the commit that placed each message."""
        return tuple([entry.placed.hash.hex() for entry in self.shown])

    @property
    def generation_configs(self) -> tuple[Mapping[str, Any] | None, ...]:
        """Settings each message was generated with, or `None`."""
        # Copies for each call: the context itself is handed out again while nothing is new.
        return tuple(
            [None if e.shown.config is None else copied(self.recorded.config(e.shown.config)) for e in self.shown]
        )

    @cached_property
    def provenance(self) -> tuple[Provenance, ...]:
        """Where each message came from."""
        return tuple([_provenance(entry) for entry in self.shown])

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return provider-neutral dicts: `role`, `content` (text, or a list of parts) and what else is set."""
        return [_neutral(message) for message in self.messages]

    def to_openai(self) -> list[dict[str, Any]]:
        """Return the `messages` of OpenAI Chat Completions. Losses and repairs: `report("openai")`."""
        value: list[dict[str, Any]] = self.report("openai").value
        return value

    def to_anthropic(self) -> dict[str, Any]:
        """Return `system` and `messages` of Anthropic Messages. Losses and repairs: `report("anthropic")`."""
        value: dict[str, Any] = self.report("anthropic").value
        return value

    def to_openai_responses(self) -> dict[str, Any]:
        """Return `instructions` and `input` of OpenAI Responses. Losses and repairs: `report("openai_responses")`.

        Reasoning is sent only with its `encrypted_content`, so that nothing depends on what the provider stored.
        """
        value: dict[str, Any] = self.report("openai_responses").value
        return value

    def to_gemini(self) -> dict[str, Any]:
        """Return `system_instruction` and `contents` of Gemini. Losses and repairs: `report("gemini")`."""
        value: dict[str, Any] = self.report("gemini").value
        return value

    def to_openai_params(
        self,
        *,
        model: str | None = None,
        tools: Iterable[Mapping[str, Any]] = (),
        generation_config: GenerationConfig | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Return keyword arguments for `client.chat.completions.create(**params)`.

        Args:
            model: The model to ask.
            tools: Definitions in any provider's shape.
            generation_config: Settings to send along, such as those of an earlier reply in `generation_configs`.
            **options: Any further argument of the client; wins over a setting of the same name.
        """
        written = {"tools": openai_tools(tools), "model": model}
        named = {name: value for name, value in written.items() if value}
        return {**_settings(generation_config), **named, "messages": self.to_openai(), **options}

    def to_anthropic_params(
        self,
        *,
        model: str | None = None,
        tools: Iterable[Mapping[str, Any]] = (),
        generation_config: GenerationConfig | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Return keyword arguments for `client.messages.create(**params)`; `max_tokens` is 4096 if nothing sets it.

        Args:
            model: The model to ask.
            tools: Definitions in any provider's shape; required once the messages hold tool calls.
            generation_config: Settings to send along; `stop` becomes `stop_sequences`.
            **options: Any further argument of the client; wins over a setting of the same name.
        """
        tools = _listed(tools)
        written = {"tools": anthropic_tools(tools), "model": model, **self.report("anthropic", tools=tools).value}
        named = {name: value for name, value in written.items() if value}
        return {**anthropic_settings(_settings(generation_config)), **named, **options}

    def to_openai_responses_params(
        self,
        *,
        model: str | None = None,
        tools: Iterable[Mapping[str, Any]] = (),
        generation_config: GenerationConfig | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Return keyword arguments for `client.responses.create(**params)`.

        Args:
            model: The model to ask.
            tools: Definitions in any provider's shape.
            generation_config: Settings to send along; `max_tokens` becomes `max_output_tokens`, and what
                Responses does not have (`stop`, `seed`) is left out.
            **options: Any further argument of the client; wins over a setting of the same name. With `store=True`
                reasoning that only a stored response knows is sent too.
        """
        stored = options.get("store") is True
        tools = _listed(tools)
        proof = self.prove("openai_responses", tools=tools)
        hashes = [self.commit_hashes[at] for at in proof.indexes]
        rendered = to_openai_responses(proof.messages, hashes=hashes, stateless=not stored)
        written = {"tools": responses_tools(tools), "model": model, **rendered.value}
        named = {name: value for name, value in written.items() if value or name == "input"}
        return {**responses_settings(_settings(generation_config)), **named, **options}

    def to_gemini_params(
        self,
        *,
        model: str | None = None,
        tools: Iterable[Mapping[str, Any]] = (),
        generation_config: GenerationConfig | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Return keyword arguments for `client.models.generate_content(**params)`.

        The body of a call without the SDK is `tract.formats.gemini.gemini_body(params)`.

        Args:
            model: The model to ask.
            tools: Definitions in any provider's shape.
            generation_config: Settings to send along, written in `config` by Gemini's names.
            **options: Any further field of `config`; wins over a setting of the same name.
        """
        settings, tools = _settings(generation_config), _listed(tools)
        value = self.report("gemini", tools=tools).value
        named = {"system_instruction": value.get("system_instruction"), "tools": gemini_tools(tools)}
        config = {**gemini_settings(settings), **{name: one for name, one in named.items() if one}, **options}
        written = {"model": model or settings.get("model"), "contents": value["contents"], "config": config}
        return {name: one for name, one in written.items() if one or name == "contents"}

    def report(self, provider: str, *, tools: Iterable[Mapping[str, Any]] | None = None) -> Rendered[Any]:
        """Return the messages in a provider's format, with every loss and repair it took.

        Reasoning a provider would refuse because what came before it has changed is left out, as a loss.

        Args:
            provider: `openai`, `openai_responses`, `anthropic` or `gemini`.
            tools: Definitions that will be sent along; reasoning made with other tools is then left out too.

        Raises:
            InvalidInputError: There is no such format.
        """
        return self.prove(provider, tools=tools).written

    def prove(self, provider: str, *, tools: Iterable[Mapping[str, Any]] | None = None) -> PrefixProof:
        """Return the messages ready for a provider, and which reasoning is still valid behind its prefix.

        Arguments and errors are those of `report`.

        Cost:
            O(messages), or O(bytes) if the messages hold reasoning.
        """
        entries = self.shown
        return prove(
            self.messages, self.commit_hashes, provider, tools=tools, sent_of=lambda at: self.recorded.sent(entries[at])
        )

    def prefix_hash(self, n: int | None = None) -> str:
        """Return a hash of the first *n* messages (all by default): equal exactly when they are equal.

        Cost:
            O(messages) for the first call on a context.
        """
        count = len(self.messages) if n is None else n
        if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= len(self.messages):
            raise InvalidInputError(f"There are {len(self.messages)} messages, not {in_words(count)}.")
        return self._prefix_hashes[count].hex()

    @cached_property
    def _prefix_hashes(self) -> list[bytes]:
        hashes = [hashlib.sha256(b"tract\0prefix\0v1\0").digest()]
        for message in self.messages:
            hashes.append(hashlib.sha256(hashes[-1] + canonical_json(_neutral(message))).digest())
        return hashes

    def __len__(self) -> int:
        return len(self.messages)

    def __repr__(self) -> str:
        head = "empty" if self.head is None else self.head[:8]
        left_out = f" left_out={len(self.left_out)}" if self.left_out else ""
        return f"<CompiledContext {head} messages={len(self.messages)} tokens={self.token_count}{left_out}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(message.role)}</td><td><pre>{html.escape(message.text[:500])}</pre></td></tr>"
            for message in self.messages
        )
        return f"<table><caption>{html.escape(repr(self))}</caption>{rows}</table>"


def _settings(config: GenerationConfig | Mapping[str, Any] | None) -> dict[str, Any]:
    settings: dict[str, Any] = {} if config is None else json.loads(encode_config(config))
    return settings


def _listed(tools: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    # Read twice; what is no list of tools is refused where they are written.
    return list(tools) if isinstance(tools, Iterable) else tools


def _provenance(entry: Entry) -> Provenance:
    shown: Event = entry.shown
    return Provenance(
        entry.placed.hash.hex(),
        shown.hash.hex() if shown.id != entry.placed.id else None,
        None if entry.annotated is None else entry.annotated.hash.hex(),
        entry.priority,
        shown.content_type,
        shown.origin,
        shown.author,
        from_microseconds(shown.created_at),
    )


def _neutral(message: Message) -> dict[str, Any]:
    plain = len(message.parts) == 1 and isinstance(message.parts[0], TextPart) and not message.parts[0].extra
    out: dict[str, Any] = {
        "role": message.role,
        "content": message.text if plain else [part_to_json(_named(part)) for part in message.parts],
    }
    if message.name is not None:
        out["name"] = message.name
    if message.call_id is not None:
        out["call_id"] = message.call_id
    if message.is_error:
        out["is_error"] = True
    if message.extra:
        out["extra"] = copied(message.extra)
    return out


def _named(part: AnyPart) -> AnyPart:
    """Return *part* with a hash in the place of bytes that were never stored: those a compiler brought in."""
    if isinstance(part, (ImagePart, FilePart)) and part.data is not None:
        return replace(part, hash=blob_hash(part.data).hex())
    return part
