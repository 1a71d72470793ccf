"""Answers what a new order of messages breaks: exchanges, replies, instructions. Pure; knows no database.

Each check gives what is wrong with one order, or with one order as against another. Commits are told
apart by hash, and an event that stands for a copy carries the hash of the commit it copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from tract.compile.fold import Entry
from tract.objects.commit import SHORT_HASH
from tract.objects.message import Message, ToolCall, ToolResultPart

WarningKind: TypeAlias = Literal[
    "exchange_split", "reply_inverted", "instruction_moved", "target_changed", "duplicate_content"
]

WARNING_KINDS: Final[tuple[str, ...]] = get_args(WarningKind)


@dataclass(frozen=True, slots=True)
class SafetyWarning:
    """Something that a reorder, cherry-pick or rebase would break.

    Attributes:
        kind: `exchange_split`: a tool call and its results no longer stand together;
            `reply_inverted`: a reply comes before what it answers; `instruction_moved`: an instruction
            comes after what it governed; `target_changed`: what an edit or annotation acts on is not
            what it was made for; `duplicate_content`: the same content is there already.
        commits: Hashes of the commits it is about, the one that would have to give way first.
        message: One sentence for people.
    """

    kind: WarningKind
    commits: tuple[str, ...]
    message: str

    def __repr__(self) -> str:
        return f"<SafetyWarning {self.kind} {' '.join(commit[:SHORT_HASH] for commit in self.commits)}>"


def warning(kind: WarningKind, commits: Iterable[bytes], message: str) -> SafetyWarning:
    """Return the warning; `{}` in *message* stands for one commit each."""
    hexes = tuple([commit.hex() for commit in commits])
    return SafetyWarning(kind, hexes, message.format(*[commit[:SHORT_HASH] for commit in hexes]))


def order_warnings(
    before: Sequence[Entry],
    after: Sequence[Entry],
    reply_to: Mapping[bytes, bytes],
    *,
    onto: Sequence[Entry] = (),
) -> list[SafetyWarning]:
    """Return what showing the visible entries *after* breaks that was whole when they were shown as *before*.

    Args:
        before: Visible entries, in the order they had.
        after: Visible entries, in the order they are to have.
        reply_to: Maps the hash of a reply to that of the commit it answers.
        onto: Visible entries that some of *before* are put behind; what is broken among them is no news.

    Cost:
        O(entries).
    """
    split, split_there = split_exchanges(before), split_exchanges(onto)
    known = {key: (*split.get(key, ()), *split_there.get(key, ())) for key in (*split, *split_there)}
    return [
        *split_warnings(known, after),
        *reply_warnings(inverted_replies(before, reply_to), after, reply_to),
        *_moved_instructions(before, after),
    ]


def split_warnings(known: Mapping[bytes, Sequence[bytes]], after: Sequence[Entry]) -> list[SafetyWarning]:
    """Return a warning for each exchange split in *after*, but those that these commits split already."""
    return [
        warning("exchange_split", commits, "The tool exchange of {} would not stand together.")
        for commit, commits in split_exchanges(after).items()
        if not set(commits) <= set(known.get(commit, ()))
    ]


def reply_warnings(
    known: Iterable[bytes], after: Sequence[Entry], reply_to: Mapping[bytes, bytes]
) -> list[SafetyWarning]:
    """Return a warning for each reply that *after* shows before what it answers, but for *known* ones."""
    return [
        warning("reply_inverted", (reply, reply_to[reply]), "The reply {} would come before {}, which it answers.")
        for reply in sorted(inverted_replies(after, reply_to) - set(known))
    ]


def split_exchanges(shown: Sequence[Entry]) -> dict[bytes, tuple[bytes, ...]]:
    """Return the exchanges that do not stand together, with the commits concerned.

    By the hash of the call's commit, or of the result's where there is no call. A call still waiting
    for its results at the end is whole.
    """
    found: dict[bytes, list[bytes]] = {}
    first: dict[str | None, bytes] = {
        call.id: entry.placed.hash
        for entry in reversed(shown)
        for call in (entry.shown.message.tool_calls if entry.shown.message is not None else ())
    }
    asked: dict[str | None, bytes] = {}
    waiting: set[str] = set()
    caller = b""
    for entry in shown:
        message, commit = entry.shown.message, entry.placed.hash
        assert message is not None  # else it would not be visible
        answered = answers(message)
        for call in answered:
            if call in waiting:
                waiting.discard(call)
                continue
            asker = asked.get(call) or first.get(call, commit)
            found.setdefault(asker, [asker] if asker != commit else []).append(commit)
        if waiting and not answered:
            found.setdefault(caller, [caller]).append(commit)
            waiting = set()
        if message.tool_calls:
            caller, waiting = commit, {call.id for call in message.tool_calls}
            asked.update(dict.fromkeys(waiting, commit))
    return {key: tuple(dict.fromkeys(commits)) for key, commits in found.items()}


def answers(message: Message) -> list[str | None]:
    """Return the ids of the tool calls *message* answers."""
    own: list[str | None] = [message.call_id] if message.role == "tool" else []
    return own + [part.call_id for part in message.parts if isinstance(part, ToolResultPart)]


def open_calls(shown: Sequence[Entry]) -> tuple[ToolCall, ...]:
    """Return the calls the last exchange of *shown* waits for, in order: nothing came between them and the end."""
    answered: set[str | None] = set()
    for entry in reversed(shown):
        message = entry.shown.message
        assert message is not None  # else it would not be visible
        found = answers(message)
        if message.tool_calls or not found:
            return tuple(call for call in message.tool_calls if call.id not in answered)
        answered.update(found)
    return ()


def inverted_replies(shown: Sequence[Entry], reply_to: Mapping[bytes, bytes]) -> set[bytes]:
    """Return the hashes of replies shown before what they answer, where both are shown."""
    if not reply_to:
        return set()
    first: dict[bytes, int] = {}
    for index, entry in enumerate(shown):
        first.setdefault(entry.placed.hash, index)
    return {
        reply for reply, asked in reply_to.items() if reply in first and asked in first and first[reply] < first[asked]
    }


def _moved_instructions(before: Sequence[Entry], after: Sequence[Entry]) -> list[SafetyWarning]:
    place = {entry.placed.hash: index for index, entry in enumerate(after)}
    found: list[SafetyWarning] = []
    earliest: tuple[int, bytes] | None = None
    for entry in reversed(before):
        at = place.get(entry.placed.hash)
        if at is None:
            continue
        if not is_instruction(entry):
            earliest = min(earliest or (at, entry.placed.hash), (at, entry.placed.hash))
        elif earliest is not None and earliest[0] < at:
            found.append(instruction_warning(entry.placed.hash, earliest[1]))
    return found[::-1]


def instruction_warning(instruction: bytes, governed: bytes) -> SafetyWarning:
    """Return the warning that *instruction* now comes after *governed*."""
    message = "The instruction {} would come after {}, which it governed."
    return warning("instruction_moved", (instruction, governed), message)


def is_instruction(entry: Entry) -> bool:
    """Tell whether *entry* is an instruction."""
    return entry.shown.content_type == "instruction"
