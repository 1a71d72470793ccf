"""Answers how one turn goes: the question is committed, the model asked, its reply committed on what it was sent.

Each turn is a generator that yields a `Request` and is sent the `Reply`; `agent.drive` runs it, sync or async. No
transaction is open while the model works. The question is kept if the call fails, and asking it again does not
repeat it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ValidationError

from tract.agent.requests import Definitions, Moment, moment_of, moment_on, request_for, sent_with
from tract.agent.settings import Use
from tract.compile.compiler import Compiler
from tract.errors import (
    InvalidInputError,
    ModelResponseError,
    NothingToAnswerError,
    OperationOpenError,
    ReadOnlyError,
    RefConflictError,
    StreamBrokenError,
    TractError,
    UnansweredCallsError,
    shown,
)
from tract.formats.prefix import kept_tools
from tract.formats.repair import derived_id
from tract.formats.report import Loss, Repair
from tract.llm.protocol import FinishReason, Reply, Request
from tract.objects.commit import CommitInfo
from tract.objects.config import encode_config
from tract.objects.content import DialogueContent, invalid_content
from tract.objects.message import AnyPart, ToolCall
from tract.objects.secret import without_secrets
from tract.objects.usage import Usage
from tract.operations.commit import Remarks, append_permitted, permitted
from tract.operations.permit import permit
from tract.operations.prepare import encoded
from tract.operations.reply import LANDINGS, Turn, commit_turn
from tract.store import Store

Question: TypeAlias = str | Sequence[AnyPart]
OnConflict: TypeAlias = Literal["raise", "after"]

_TRIES = 100


@dataclass(frozen=True, kw_only=True)
class ChatResponse:
    """What a model answered, as it was committed; what a policy took out of the reply is in `raw` alone.

    Attributes:
        text: The text of the reply, `""` if it has none.
        commit_info: The commit of the reply.
        tool_calls: The calls the model made, in order; answer each with `t.tool_result`.
        usage: What the call cost in tokens, or `None` if the provider did not say.
        generation_config: The settings that were really sent, `model` as the provider named it.
        finish_reason: `stop`, `length`, `tool_calls`, `refusal` or `other`.
        losses: What of the messages the provider's format could not carry.
        repairs: What was changed so that the provider takes the messages.
        raw: The answer as the provider sent it.
    """

    text: str = field(repr=False)
    commit_info: CommitInfo
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    generation_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    finish_reason: FinishReason = "stop"
    losses: tuple[Loss, ...] = ()
    repairs: tuple[Repair, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        calls = f" calls={len(self.tool_calls)}" if self.tool_calls else ""
        model = self.generation_config.get("model", "?")
        return f"<ChatResponse {self.commit_info.short_hash} {model} {self.finish_reason}{calls}>"


@dataclass(frozen=True, slots=True)
class Asking:
    """One call: who is asked, with what, and what becomes of the reply.

    Attributes:
        operation: What the operation log calls it: `chat`, `generate` or `run`.
        use: The client, the model and the settings.
        tools: Definitions of the tools offered.
        on_conflict: What to do if the branch moved meanwhile: `raise`, or land `after` what came in.
        keep_partial: Keep what arrived of a stream that broke.
    """

    store: Store
    compiler: Compiler | None
    operation: str
    use: Use
    tools: Definitions = ()
    on_conflict: OnConflict = "raise"
    keep_partial: bool = False

    def checked(self) -> Asking:
        """Return the same, if the handle can commit and every value can be one.

        Raises:
            ReadOnlyError: The handle only reads.
            OperationOpenError: A batch is open, which would keep every other writer waiting for the model.
            InvalidInputError: `on_conflict` is something else.
        """
        self.store.check_usable()
        if self.store.read_only:
            raise ReadOnlyError
        with self.store.lock:
            if self.store.is_writing:
                raise OperationOpenError(self.operation)
        if self.on_conflict not in LANDINGS:
            raise InvalidInputError(
                f"`on_conflict` is raise or after, not {shown(self.on_conflict)}.", hint="Leave it out to raise."
            )
        kept_tools(self.tools)
        return self


def answer(asking: Asking, begun: Moment) -> Generator[Request, Reply, ChatResponse]:
    """Ask a model to go on from *begun*, and commit what it answers.

    Raises:
        PolicyDeniedError: A policy does not let it be asked.
    """
    request = request_for(begun.context, asking.use, asking.tools)
    permit(asking.store, "generate", asking.operation, {"model": request.model, "tokens": begun.context.token_count})
    try:
        reply = yield request
    except StreamBrokenError as error:
        if asking.keep_partial:
            keep_partial(asking, begun, error)
        raise
    return commit_reply(asking, begun, request, reply)


def begin(asking: Asking, question: Question | None) -> Moment:
    """Return what the model is to answer, with *question* committed unless it is there already.

    Raises:
        UnansweredCallsError: Tool calls wait for their results.
        NothingToAnswerError: There is no question, and nothing else to answer.
        BudgetExceededError: The question does not fit the token budget.
    """
    if question is not None:
        return _asked(asking, as_question(question))
    found = moment_of(asking.store, asking.compiler)
    _require_whole(found)
    if not found.context.messages or found.context.messages[-1].role == "assistant":
        raise NothingToAnswerError(is_empty=not found.context.messages)
    return found


def as_question(question: Question) -> DialogueContent:
    """Return *question* as what a user says.

    Raises:
        InvalidContentError: It is neither text nor parts.
        InvalidInputError: It says nothing.
    """
    is_text = isinstance(question, str)
    if isinstance(question, str) and not question.strip():
        raise InvalidInputError("The question is empty.", hint="`t.generate()` answers what is committed already.")
    fields: dict[str, Any] = {"text": question} if is_text else {"parts": question}
    try:
        return DialogueContent(role="user", **fields)
    except ValidationError as error:
        raise invalid_content("dialogue", error) from error


def _asked(asking: Asking, question: DialogueContent) -> Moment:
    """Commit *question* on the tip; try again where the branch moves meanwhile, so that it splits no exchange."""
    question, remarks = permitted(asking.store, "commit", question, Remarks())
    wanted = encoded(asking.store, question).content_hash
    for left in reversed(range(_TRIES)):
        found = moment_of(asking.store, asking.compiler)
        _require_whole(found)
        if is_unanswered(found, wanted):
            return found
        try:
            info = append_permitted(asking.store, question, replace(remarks, expected_head=found.head))
        except RefConflictError:
            if not left:
                raise
            continue
        now = moment_of(asking.store, asking.compiler) if asking.store.policies is not None else None
        if now is not None and is_unanswered(now, wanted):
            return now  # behind what a policy has done
        return moment_on(asking.store, asking.compiler, found.branch, bytes.fromhex(info.hash))
    raise AssertionError("the last try returns or raises")


def is_unanswered(moment: Moment, content: bytes) -> bool:
    """Tell whether the last message is what a user said, with this content hash."""
    last = moment.context.shown[-1] if len(moment.context.shown) else None
    return last is not None and last.shown.content == content and last.shown.content_type == "dialogue"


def _require_whole(moment: Moment) -> None:
    if moment.open_calls:
        raise UnansweredCallsError(call.id for call in moment.open_calls)


# --- the reply -----------------------------------------------------------------------------------


def commit_reply(asking: Asking, begun: Moment, request: Request, reply: object) -> ChatResponse:
    """Commit the *reply* to *request* and its usage in one operation: the one place where a reply is kept.

    Raises:
        RefConflictError: The branch moved meanwhile; the reply is in the error's `reply`.
        ModelResponseError: The client returned no reply.
    """
    if not isinstance(reply, Reply):
        raise ModelResponseError(f"The client returned {shown(reply)}, not a Reply.")
    assert begun.head is not None
    reply = replace(reply, content=with_ids(reply.content, begun.head))
    tools = kept_tools(asking.tools)
    config = {**_plain_settings(reply.settings), **({"model": reply.model} if reply.model else {})}
    sent = {**sent_with(request, asking.use, reply), "operation": asking.operation}
    turn = Turn(
        content=reply.content,
        branch=begun.branch,
        follows=begun.head,
        landing=asking.on_conflict,
        remarks=Remarks(generation_config=config, reply_to=_answered(begun), sent=sent),
        usage=reply.usage,
        tools=tools,
        erasures=begun.erasures,
    )
    try:
        info, content = commit_turn(asking.store, asking.operation, turn)
    except TractError as error:
        error.reply = reply
        raise
    if isinstance(content, DialogueContent):  # as policies have left it
        reply = replace(reply, content=content)
    return ChatResponse(
        text=reply.text,
        commit_info=info,
        tool_calls=reply.tool_calls,
        usage=reply.usage,
        generation_config=info.generation_config or {},
        finish_reason=reply.finish_reason,
        losses=reply.losses,
        repairs=reply.repairs,
        raw=reply.raw,
    )


def _plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return *settings* as they can be kept: a model class as its schema, without keys and what has no JSON form.

    A reply that was paid for is not lost for an option nobody can write down.
    """
    out: dict[str, Any] = {}
    for name, value in settings.items():
        is_model = isinstance(value, type) and issubclass(value, BaseModel)
        plain = value.model_json_schema() if is_model else without_secrets({name: value})[name]
        with suppress(TractError):
            encode_config({name: plain})
            out[name] = plain
    return out


def keep_partial(asking: Asking, begun: Moment, error: StreamBrokenError) -> None:
    """Commit what arrived of a stream that broke, marked `interrupted`; calls that may be half are left out."""
    partial = error.partial
    if not isinstance(partial, DialogueContent) or begun.head is None:
        return
    parts = tuple(part for part in partial.parts if not isinstance(part, ToolCall))
    if not partial.text and not parts:
        return
    kept = partial.model_copy(update={"tool_calls": (), "reasoning": (), "parts": parts, "interrupted": True})
    config = {**_plain_settings(asking.use.settings), **({"model": asking.use.model} if asking.use.model else {})}
    remarks = Remarks(generation_config=config or None, reply_to=_answered(begun))
    turn = Turn(
        content=kept,
        branch=begun.branch,
        follows=begun.head,
        landing=asking.on_conflict,
        remarks=remarks,
        erasures=begun.erasures,
    )
    try:
        commit_turn(asking.store, asking.operation, turn)
    except TractError as why:  # the stream that broke is what went wrong
        error.add_note(f"What arrived was not kept: {why.message}")


def _answered(begun: Moment) -> bytes | None:
    """Return the commit of the user's message a reply answers, or `None` where it answers something else."""
    last = begun.context.shown[-1] if len(begun.context.shown) else None
    if last is None or last.shown.message is None or last.shown.message.role != "user":
        return None
    return last.placed.hash


def with_ids(content: DialogueContent, seed: bytes) -> DialogueContent:
    """Return *content* where every call has an id of its own, so that each result finds its call."""
    calls = [*content.tool_calls, *(part for part in content.parts if isinstance(part, ToolCall))]
    ids = [call.id for call in calls]
    if all(ids) and len(set(ids)) == len(ids):
        return content
    named: set[str] = set()
    at = iter(range(len(calls)))

    def own(call: AnyPart) -> AnyPart:
        if not isinstance(call, ToolCall):
            return call
        position = next(at)
        given = call.id if call.id and call.id not in named else derived_id(seed.hex(), position)
        named.add(given)
        return replace(call, id=given)

    calls_of_turn = tuple(own(call) for call in content.tool_calls)
    return content.model_copy(update={"tool_calls": calls_of_turn, "parts": tuple(own(part) for part in content.parts)})
