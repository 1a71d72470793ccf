"""Random histories on several branches, written through the public API and told to the naive model."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.merge_model import Did, Model
from tract import DialogueContent, MergeResult, SummaryContent, Tract
from tract.compile.compiler import size_of, states_of
from tract.compile.fold import extend
from tract.compile.safety import WARNING_KINDS
from tract.errors import InvalidTargetError
from tract.objects.content import SUMMARY_MARK, to_message
from tract.operations.merge_plan import pseudo_event
from tract.operations.prepare import prepare
from tract.storage.writing import Draft

WORDS = ["red", "green", "blue"]
PRIORITIES = {"pin": "pinned", "unpin": "normal", "skip": "skip"}
"""What an annotation sets, by the first word of its message."""


class History:
    """A tract, the model of it, and a source of chance."""

    def __init__(self, t: Tract, seed: int) -> None:
        self.t = t
        self.chance = random.Random(seed)
        self.model = Model()
        self.count = 0

    @property
    def head(self) -> str:
        assert self.t.head is not None
        return self.t.head

    def note(self) -> None:
        """Tell the model about every commit it does not know behind HEAD."""
        for info in reversed(self.t.log(1000)):
            if info.hash not in self.model.commits:
                said = self.t.show(info) if info.op in {"append", "edit", "compress"} else None
                priority = PRIORITIES[info.message.split()[0]] if info.op == "annotate" else "normal"
                mark = SUMMARY_MARK if isinstance(said, SummaryContent) else ""
                self.model.commits[info.hash] = Did(
                    info.parents, info.op, mark + (getattr(said, "text", "") or ""), priority, info.targets
                )

    # --- steps -------------------------------------------------------------------------------------

    def append(self) -> None:
        self.count += 1
        self.t.user(f"message {self.count}")
        self.note()

    def _some(self, *ops: str) -> str | None:
        found = [one for one in self.model.order(self.head) if self.model.commits[one].op in ops]
        return self.chance.choice(found) if found else None

    def edit(self) -> None:
        target = self._some("append", "compress")
        assert target is not None
        self.t.edit(target, {"content_type": "dialogue", "role": "user", "text": self.chance.choice(WORDS)})
        self.note()

    def annotate(self) -> None:
        target = self._some("append", "compress")
        assert target is not None
        self.t.annotate(target, self.chance.choice(["skip", "pinned", "normal"]))
        self.note()

    def revert(self) -> None:
        target = self._some("edit", "annotate", "compress", "reorder", "revert")
        if target is not None:
            # Nothing is left of it where a revert in effect has switched it off.
            with suppress(InvalidTargetError):
                self.t.revert(target)
            self.note()

    def reorder(self) -> None:
        places = [place.commit for place in self.model.fold(self.head)]
        targets = self.chance.sample(places, min(len(places), self.chance.randint(2, 3)))
        if targets != [place for place in places if place in targets]:
            self.t.reorder(targets, allow=WARNING_KINDS)
        self.note()

    def compress(self) -> None:
        places = [place for place in self.model.fold(self.head) if place.is_visible]
        if places:
            start = self.chance.randrange(len(places))
            group = places[start : start + self.chance.randint(1, 3)]
            write(self.t, "compress", [place.commit for place in group], f"summary {self.chance.choice(WORDS)}")
            self.note()

    def switch(self) -> None:
        self.t.switch(self.chance.choice(list(self.t.branches)))

    def branch(self) -> None:
        if len(self.t.branches) < 4:
            self.t.branch(f"b{len(self.t.branches)}")


def write(t: Tract, op: str, targets: list[str], text: str | None = None) -> str:
    """Write a commit that has no verb of its own here."""
    store = t._store
    ready = None if text is None else prepare(store, DialogueContent(role="user", text=text))
    with store.operation(op) as operation:
        assert operation.tip is not None
        ids = [store.tip(bytes.fromhex(one)) for one in targets]
        state = states_of(store).get(operation.tip.hash)
        event = pseudo_event(state, op, tuple(tip.id for tip in ids))
        if ready is not None:
            event = event._replace(message=to_message(ready.content_type, ready.fields), tokens=ready.tokens)
        size = size_of(extend(state, [event]))
        pairs = tuple((tip.id, tip.hash) for tip in ids)
        if ready is None:
            draft = Draft(op, None, None, "developer", "", store.clock(), 0, size, pairs)
        else:
            draft = Draft(
                op, ready.content_type, ready.payload, "developer", "", store.clock(), ready.tokens, size, pairs
            )
        return operation.commit(draft).hash.hex()


@contextmanager
def histories(seed: int) -> Iterator[History]:
    """Open an empty tract with two messages."""
    with Tract.open(durability="off") as t:
        history = History(t, seed)
        history.append()
        history.append()
        yield history


def resolved(result: MergeResult, side: str) -> MergeResult:
    """Decide every conflict for one side."""
    for conflict in result.conflicts:
        result.resolve(conflict, side)  # type: ignore[arg-type]
    return result
