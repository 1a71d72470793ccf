"""Answers what must change so that every tool call and its results stand together as one exchange.

Providers refuse a call without a result and a result without a call. The repairs here are the same
for every format: deterministic, idempotent, reported, and content is never invented: an unanswered
call gets the fixed word `interrupted`. Nothing here knows a provider's JSON.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tract.formats.report import Notes, Repair
from tract.objects.message import AnyPart, Message, TextPart, ToolCall, ToolResultPart

INTERRUPTED = "interrupted"
"""Text of the result an unanswered tool call gets."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """Messages whose exchanges are whole.

    Attributes:
        messages: The very sequence given when nothing had to change.
        sources: Parallel to `messages`: index of the message given it came from, `None` when inserted.
        repairs: What was done; kinds are listed in `repair_exchanges`.
    """

    messages: Sequence[Message]
    sources: Sequence[int | None]
    repairs: tuple[Repair, ...] = ()

    def __repr__(self) -> str:
        return f"<Repaired messages={len(self.messages)} repairs={len(self.repairs)}>"


@dataclass(slots=True)
class _Slot:
    """One message and where it came from."""

    message: Message
    source: int


@dataclass(slots=True)
class _Call:
    """One tool call and the slot of its result, once found."""

    part: ToolCall
    id: str
    result: int | None = None


def repair_exchanges(messages: Sequence[Message], *, hashes: Sequence[str] | None = None) -> Repaired:
    """Return *messages* with every exchange whole.

    Repairs are `interrupted_result` (an unanswered call gets one), `orphan_result` and
    `duplicate_result` (left out), `result_moved` (to right behind its call), `result_split` (a
    result inside another message becomes a tool message), `misplaced_call` (a call not made by
    the assistant, left out) and `call_id` (missing or used twice in one message, so derived).

    A result belongs to the nearest earlier unanswered call of its id, else to the nearest later one.

    Args:
        messages: In order.
        hashes: Commit hash of each message; derived ids come from it, so the same history always gives the same ids.

    Cost:
        One pass over the parts when nothing needs repair.
    """
    if _are_whole(messages):
        return Repaired(messages, range(len(messages)))
    notes = Notes()
    slots = _split_results(messages, notes)
    calls = _calls_by_slot(slots, hashes, notes)
    _pair(slots, calls)
    out = _emit(slots, calls, notes)
    return Repaired([message for message, _ in out], [source for _, source in out], tuple(notes.repairs))


def exchanges(messages: Sequence[Message], joined: Iterable[tuple[int, int]] = ()) -> list[tuple[int, ...]]:
    """Return which of *messages*, by index, stand or fall together: a call's message and those with its results.

    Pairs calls and results as `repair_exchanges` does, so what a group says stays the same when others are
    left out. Every message is in one group; groups are in the order of their last messages.

    Args:
        messages: In order.
        joined: Indexes of two messages each that go together for other reasons.

    Cost:
        One pass over the parts.
    """
    notes = Notes()
    slots = _split_results(messages, notes)
    calls = _calls_by_slot(slots, None, notes)
    _pair(slots, calls)
    pairs = [
        (slots[at].source, slots[call.result].source)
        for at, group in calls.items()
        for call in group
        if call.result is not None
    ]
    together = list(range(len(messages)))
    for left, right in (*pairs, *joined):
        one, other = _first(together, left), _first(together, right)
        together[max(one, other)] = min(one, other)
    groups: dict[int, list[int]] = {}
    for index in range(len(messages)):
        groups.setdefault(_first(together, index), []).append(index)
    return sorted(map(tuple, groups.values()), key=lambda group: group[-1])


def _first(together: list[int], index: int) -> int:
    """Return the index that stands for the group of *index*; halves the way there for the next one who asks."""
    while together[index] != index:
        together[index] = together[together[index]]
        index = together[index]
    return index


def derived_id(seed: str, position: int) -> str:
    """Return a call id every provider accepts, fixed by *seed* and *position*."""
    digest = hashlib.sha256(f"{seed}/{position}".encode("utf-8", "surrogatepass"))
    return f"call_{digest.hexdigest()[:24]}"


def _are_whole(messages: Iterable[Message]) -> bool:
    """Say whether every call is answered at once and nothing else is; this runs on every compile."""
    open_ids: set[str | None] = set()
    for message in messages:
        role = message.role
        if role == "tool":
            if message.call_id not in open_ids:
                return False
            open_ids.remove(message.call_id)
        elif open_ids:
            return False
        for part in message.parts:
            kind = part.__class__
            if kind is ToolCall:
                if not _takes(role, part.id, open_ids):  # type: ignore[union-attr]  # its class was compared above
                    return False
            elif kind is ToolResultPart:
                return False
    return not open_ids


def _takes(role: str, call_id: str, open_ids: set[str | None]) -> bool:
    if role != "assistant" or not call_id or call_id in open_ids:
        return False
    open_ids.add(call_id)
    return True


def _split_results(messages: Sequence[Message], notes: Notes) -> list[_Slot]:
    """Give results that stand inside other messages a message of their own, and drop calls nobody can make."""
    slots: list[_Slot] = []
    for source, message in enumerate(messages):
        kept: list[AnyPart] = []
        results: list[_Slot] = []
        for part in message.parts:
            if isinstance(part, ToolResultPart):
                notes.repair("result_split", source, part.call_id)
                results.append(_Slot(_as_message(part), source))
            elif isinstance(part, ToolCall) and message.role != "assistant":
                notes.repair("misplaced_call", source, part.id)
            else:
                kept.append(part)
        if len(kept) == len(message.parts):
            slots.append(_Slot(message, source))
            continue
        own = [_Slot(replace(message, parts=tuple(kept)), source)] if kept or message.role == "tool" else []
        slots.extend(results + own if message.role == "user" else own + results)
    return slots


def _as_message(part: ToolResultPart) -> Message:
    # With an empty list of parts an empty text still says "the tool answered nothing".
    parts: tuple[AnyPart, ...] = part.parts or (TextPart(part.text),)
    return Message("tool", parts, part.name, part.call_id, part.is_error, part.extra)


def _calls_by_slot(slots: Sequence[_Slot], hashes: Sequence[str] | None, notes: Notes) -> dict[int, list[_Call]]:
    found: dict[int, list[_Call]] = {}
    for at, slot in enumerate(slots):
        parts = slot.message.tool_calls
        if not parts:
            continue
        taken: set[str] = set()
        calls = []
        for position, part in enumerate(parts):
            call_id = part.id
            if not call_id or call_id in taken:
                seed = hashes[slot.source] if hashes is not None else f"{slot.source}:{part.name}:{part.arguments}"
                call_id = derived_id(seed, position)
                notes.repair("call_id", slot.source, call_id)
            taken.add(call_id)
            calls.append(_Call(part, call_id))
        found[at] = calls
    return found


def _pair(slots: Sequence[_Slot], calls: Mapping[int, list[_Call]]) -> None:
    """Find the result of each call: forward for results behind their call, then backward for those before it."""
    missed = _pair_one_way(slots, calls, forward=True)
    if missed:
        _pair_one_way([slot if at in missed else None for at, slot in enumerate(slots)], calls, forward=False)


def _pair_one_way(slots: Sequence[_Slot | None], calls: Mapping[int, list[_Call]], *, forward: bool) -> set[int]:
    """Give each result the nearest open call passed on the way; return the slots of results without one."""
    unanswered: dict[str, list[deque[_Call]]] = {}
    missed: set[int] = set()
    for at in range(len(slots)) if forward else reversed(range(len(slots))):
        groups: dict[str, deque[_Call]] = {}
        for call in calls.get(at, ()):
            if call.result is None:
                groups.setdefault(call.part.id, deque()).append(call)
        for call_id, group in groups.items():
            unanswered.setdefault(call_id, []).append(group)
        slot = slots[at]
        if slot is None or slot.message.role != "tool":
            continue
        stack = unanswered.get(slot.message.call_id or "")
        if not stack:
            missed.add(at)
            continue
        # Equal ids in one message are told apart by order, so the first result answers the first call.
        call = stack[-1].popleft() if forward else stack[-1].pop()
        call.result = at
        if not stack[-1]:
            stack.pop()
    return missed


def _emit(slots: Sequence[_Slot], calls: Mapping[int, list[_Call]], notes: Notes) -> list[tuple[Message, int | None]]:
    out: list[tuple[Message, int | None]] = []
    known = {call.part.id for group in calls.values() for call in group}
    used = {call.result for group in calls.values() for call in group}
    for at, slot in enumerate(slots):
        if slot.message.role == "tool":
            if at not in used:
                kind = "duplicate_result" if (slot.message.call_id or "") in known else "orphan_result"
                notes.repair(kind, slot.source, slot.message.call_id or "")
            continue
        group = calls.get(at, [])
        out.append((_with_ids(slot.message, group), slot.source))
        out.extend(_results(slots, at, group, notes))
    return out


def _with_ids(message: Message, group: Sequence[_Call]) -> Message:
    if all(call.id == call.part.id for call in group):
        return message
    ids = iter(group)
    parts = tuple(replace(part, id=next(ids).id) if isinstance(part, ToolCall) else part for part in message.parts)
    return replace(message, parts=parts)


def _results(slots: Sequence[_Slot], at: int, group: Sequence[_Call], notes: Notes) -> list[tuple[Message, int | None]]:
    """Return the results of one message's calls: those there are in their order, then the interrupted ones."""
    end = at + 1
    while end < len(slots) and slots[end].message.role == "tool":
        end += 1
    out: list[tuple[Message, int | None]] = []
    answered = sorted((call.result, call.id) for call in group if call.result is not None)
    for result, call_id in answered:
        slot = slots[result]
        if not at < result < end:
            notes.repair("result_moved", slot.source, call_id)
        message = slot.message if slot.message.call_id == call_id else replace(slot.message, call_id=call_id)
        out.append((message, slot.source))
    for call in group:
        if call.result is None:
            notes.repair("interrupted_result", slots[at].source, call.id)
            out.append((Message("tool", (TextPart(INTERRUPTED),), None, call.id, is_error=True), None))
    return out
