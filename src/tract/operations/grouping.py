"""Answers which messages one compression would cover: groups between what stays. Pure; knows no database.

Pinned messages, those the caller wants preserved, and calls that wait for their results stay as they
are, and what stands between them is one group each. A tool exchange is covered whole, by one summary,
or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from tract.compile.fold import Entry, State
from tract.compile.safety import answers
from tract.formats.repair import exchanges
from tract.objects.content import SummaryContent
from tract.objects.message import Message


@dataclass(frozen=True, slots=True)
class Group:
    """Messages that follow each other and will be covered by one summary.

    Attributes:
        entries: Them, in the order shown.
    """

    entries: tuple[Entry, ...] = field(repr=False)

    @property
    def tokens(self) -> int:
        """Tokens of all of them."""
        return sum(entry.shown.tokens for entry in self.entries)

    @property
    def commits(self) -> tuple[str, ...]:
        """Hashes of the commits that placed them."""
        return tuple([entry.placed.hash.hex() for entry in self.entries])

    @property
    def is_summary(self) -> bool:
        """Whether it is one summary and nothing else."""
        return len(self.entries) == 1 and self.entries[0].shown.content_type == SummaryContent.content_type


@dataclass(frozen=True, slots=True)
class Grouping:
    """What a compression covers, in groups.

    Attributes:
        groups: Each becomes one summary.
        kept: What was meant and stays: pinned, preserved, part of an exchange that is not covered
            whole, or too short to gain anything.
    """

    groups: tuple[Group, ...]
    kept: tuple[Entry, ...] = field(repr=False, default=())


def group_messages(
    state: State, *, wanted: Collection[int] | None, preserved: Collection[int] = (), least_tokens: int = 0
) -> Grouping:
    """Return what compressing the visible messages *wanted* covers.

    Args:
        state: The fold of the branch.
        wanted: Row ids of the commits that placed them; `None` for all, but a summary that stands alone.
        preserved: Row ids of those that stay.
        least_tokens: Groups of fewer tokens stay.

    Cost:
        O(visible entries).
    """
    shown = state.shown
    chosen = {
        index
        for index, entry in enumerate(shown)
        if (wanted is None or entry.placed.id in wanted)
        and entry.priority != "pinned"
        and entry.placed.id not in preserved
    }
    links = [link for link in exchanges([_message(entry) for entry in shown]) if len(link) > 1]
    chosen -= _waiting(shown)
    runs = _runs(chosen)
    while broken := _broken(links, runs):
        chosen -= {index for link in broken for index in link}
        runs = _runs(chosen)
    groups = [Group(tuple([shown[index] for index in run])) for run in runs]
    taken = [one for one in groups if one.tokens >= least_tokens and not (wanted is None and one.is_summary)]
    covered = {entry.placed.id for group in taken for entry in group.entries}
    meant = [entry for entry in shown if wanted is None or entry.placed.id in wanted]
    return Grouping(tuple(taken), tuple(entry for entry in meant if entry.placed.id not in covered))


def _waiting(shown: Sequence[Entry]) -> set[int]:
    """Return the places of calls some of whose results may still come: the model has said nothing since."""
    answered: set[str | None] = set()
    for index in range(len(shown) - 1, -1, -1):
        message = _message(shown[index])
        answered.update(answers(message))
        if message.role == "assistant":
            return {index} if any(call.id not in answered for call in message.tool_calls) else set()
    return set()


def _broken(links: Sequence[tuple[int, ...]], runs: Sequence[range]) -> list[tuple[int, ...]]:
    """Return the exchanges that are neither in one run with all their messages nor in none with any."""
    run_of = {index: number for number, run in enumerate(runs) for index in run}
    return [link for link in links if len({run_of.get(index) for index in link}) > 1]


def _runs(chosen: Collection[int]) -> list[range]:
    found: list[range] = []
    for index in sorted(chosen):
        if found and found[-1].stop == index:
            found[-1] = range(found[-1].start, index + 1)
        else:
            found.append(range(index, index + 1))
    return found


def standing_for(state: State, commit: int) -> Iterator[Entry]:
    """Yield the entry of the commit with this row id and what stands for it: the summaries that cover it."""
    waiting = [commit]
    seen: set[int] = set()
    while waiting:
        entry = state.entry(waiting.pop())
        if entry is None or entry.placed.id in seen:
            continue
        seen.add(entry.placed.id)
        yield entry
        waiting += entry.covers


def _message(entry: Entry) -> Message:
    assert entry.shown.message is not None  # it is visible
    return entry.shown.message
