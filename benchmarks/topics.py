"""How well does `auto_branch` find a change of topic? Two different real conversations joined, against unbroken ones.

Run it as `python benchmarks/topics.py`; it prints the table of docs/how-to/policies.md.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tract.agent.policies.topic import RECENT, Turn, is_change, turn_of

DATA = Path(__file__).parent.parent / "tests" / "data" / "airline-conversations.jsonl"
THRESHOLDS = (0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8)
_NEAR = 1
"""A change is found if it is found within so many turns."""


class Conversation(NamedTuple):
    """What was said, turn by turn, and what about."""

    task: int
    said: list[tuple[str, list[str]]]


class Result(NamedTuple):
    """What a threshold finds.

    Attributes:
        found: Changes of topic that were found.
        changes: Those there are.
        wrong: Changes that were found in joined conversations where there is none.
        alarmed: Unbroken conversations in which any was found.
    """

    found: int
    changes: int
    wrong: int
    alarmed: int

    @property
    def precision(self) -> float:
        """Part of what was found that is one."""
        return self.found / max(1, self.found + self.wrong)

    @property
    def recall(self) -> float:
        """Part of those there are that was found."""
        return self.found / self.changes


def conversations() -> list[Conversation]:
    """Return the 40 real conversations."""
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    return [Conversation(row["task"], said_in(row["messages"])) for row in rows]


def said_in(messages: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return what the user said in each turn, and what was replied."""
    found: list[tuple[str, list[str]]] = []
    for message in messages:
        text = message.get("content") or ""
        if message["role"] == "user":
            found.append((text, []))
        elif message["role"] == "assistant" and found:
            found[-1][1].append(text)
    return found


class Story(NamedTuple):
    """The turns of one or two conversations, and with which one the second begins."""

    turns: list[Turn]
    change: int | None = None

    def found(self, threshold: float) -> list[int]:
        """Return the turns at which another topic is found to begin, each when the user has said what follows.

        The reply to that is not there yet.
        """
        found: list[int] = []
        for last, turn in enumerate(self.turns):
            first = last - RECENT
            known = [*self.turns[:last], Turn(turn.said, turn.said)]
            if (not found or first - found[-1] >= RECENT) and is_change(known, first, threshold):
                found.append(first)
        return found


def measured(thresholds: Sequence[float] = THRESHOLDS, every: int = 1) -> dict[float, Result]:
    """Return what each of *thresholds* finds in every n-th pair of conversations on different tasks."""
    all_turns = [(one.task, [turn_of(*turn) for turn in one.said]) for one in conversations()]
    unbroken = [Story(turns) for _, turns in all_turns]
    joined = [Story([*left, *right], len(left)) for left, right in _pairs(all_turns, every)]
    return {threshold: _result(joined, unbroken, threshold) for threshold in thresholds}


def _pairs(all_turns: Sequence[tuple[int, list[Turn]]], every: int) -> Iterator[tuple[list[Turn], list[Turn]]]:
    pairs = [(a, b) for task, a in all_turns for other, b in all_turns if task != other]
    yield from pairs[::every]


def _result(joined: Sequence[Story], unbroken: Sequence[Story], threshold: float) -> Result:
    found = wrong = 0
    for one in joined:
        hits = one.found(threshold)
        near = [first for first in hits if one.change is not None and abs(first - one.change) <= _NEAR]
        found += bool(near)
        wrong += len(hits) - len(near)
    return Result(found, len(joined), wrong, sum(bool(one.found(threshold)) for one in unbroken))


def main() -> None:
    """Print the table."""
    out = sys.stdout.write
    out("| threshold | precision | recall | unbroken conversations with an alarm |\n|---|---|---|---|\n")
    for threshold, one in measured().items():
        out(f"| {threshold:.2f} | {one.precision:.2f} | {one.recall:.2f} | {one.alarmed} of 40 |\n")


if __name__ == "__main__":
    main()
