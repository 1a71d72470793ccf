"""Answers when a conversation has turned to another topic, so that a branch is to keep the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple

from pydantic import Field

from tract.agent.policies.policy import Decision, Policy
from tract.agent.policies.topic import RECENT, Turn, changes, is_change, shift, topic_words, turn_of
from tract.agent.policies.view import PolicyView
from tract.compile.fold import Entry
from tract.objects.content import SummaryContent
from tract.objects.decision import AutonomyLevel
from tract.objects.policy import Event, PolicyAction

_PREFIX: Final = "topic/"
_MOST_TURNS: Final = 12


class _Told(NamedTuple):
    """A turn, and the commit its first message was made by."""

    turn: Turn
    commit: str


class AutoBranch(Policy):
    """Proposes a branch at the last commit of a topic once the user talks of another one; nothing is switched.

    The name is made of words of the topic that ended: `topic/seattle-flight-insurance`. What was branched, proposed,
    rejected or undone within three turns of it is not proposed again.

    Attributes:
        threshold: How much the vocabulary has to change, at most 1; see the figures in the guide.
    """

    kind: ClassVar[str] = "auto_branch"
    events: ClassVar[tuple[str, ...]] = ("after_commit",)

    priority: int = 5
    autonomy: AutonomyLevel = AutonomyLevel.COLLABORATIVE
    threshold: float = Field(default=0.6, gt=0, le=1)

    def evaluate(self, event: Event, view: PolicyView) -> Decision:
        """Compare the last turns with those before them, when the user has said something."""
        if len(event.commits) > 1:
            return self.scan(view)
        entry = view.entry(event.commits[0]) if event.commits else None
        if entry is None or entry.shown.message is None or entry.shown.message.role != "user":
            return None
        told = _turns(view.entries, _MOST_TURNS)
        first = len(told) - 1 - RECENT  # the turn that has just begun tells whether the next would be a better one
        if not is_change([one.turn for one in told], first, self.threshold):
            return None
        return self._branching(told, first, view)

    def scan(self, view: PolicyView) -> Decision:
        """Look for the first change of topic in the whole context that nobody has branched at."""
        told = _turns(view.entries, None)
        found = (self._branching(told, first, view) for first in changes([one.turn for one in told], self.threshold))
        return next((action for action in found if action is not None), None)

    def _branching(self, told: Sequence[_Told], first: int, view: PolicyView) -> PolicyAction | None:
        near = [view.before(one.commit) for one in told[max(0, first - RECENT + 1) : first + RECENT]]
        asked = [one.args.get("at") for one in view.proposals if one.policy == self.name]
        known = {*view.branches.values(), *asked, *(one.args.get("at") for one in view.refused(self.name))}
        at = view.before(told[first].commit)
        known.discard(view.head)  # this branch is on it
        if at is None or view.branch is None or known.intersection(near):
            return None
        turns = [one.turn for one in told]
        name = _free(_PREFIX + "-".join(topic_words(turns, first)), view)
        score = shift(turns, first)
        return PolicyAction("branch", {"name": name, "at": at}, f"another topic: {name} ends ({score:.2f})")


def _turns(entries: Sequence[Entry], most: int | None) -> list[_Told]:
    """Return the last *most* turns of what is shown, the oldest first; what tools said is left out."""
    found: list[_Told] = []
    replies: list[str] = []
    for entry in reversed(entries):
        message = entry.shown.message
        if message is None or not entry.is_visible or entry.shown.content_type == SummaryContent.content_type:
            continue
        if message.role == "assistant":
            replies.append(message.text)
        elif message.role == "user":
            found.append(_Told(turn_of(message.text, replies), entry.placed.hash.hex()))
            replies = []
            if len(found) == most:
                break
    return found[::-1]


def _free(name: str, view: PolicyView) -> str:
    new, number = name, 1
    while new in view.branches:
        number += 1
        new = f"{name}-{number}"
    return new
