"""Answers what a policy can see: the context and the history, and nothing it could change them with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tract.compile.compiler import compile_commit, compile_head, size_of, states_of
from tract.compile.context import CompiledContext
from tract.compile.fold import Entry
from tract.objects.refs import BRANCH_PREFIX
from tract.operations.grouping import group_messages
from tract.operations.summary import LEAST_TOKENS, tokens_of_text
from tract.storage import proposals as q
from tract.storage.proposals import ProposalRow
from tract.store import Store


class Asked(NamedTuple):
    """A proposal, as a policy sees it.

    Attributes:
        number: What names it.
        policy: Who made it, `""` if no policy did.
        verb: What it would do.
        args: With what, as the policy wanted it.
        state: `open`, `approved` or `rejected`.
        branch: The branch it is for.
        covers: Of a compression, the commits it covers: what placed each message, and what it shows.
    """

    number: int
    policy: str
    verb: str
    args: Mapping[str, Any]
    state: str
    branch: str
    covers: tuple[tuple[str, str], ...] = ()


class PolicyView:
    """What a tract says now, read-only; what it returns are values of their own.

    Reading is lazy: what a policy does not look at costs nothing.
    """

    __slots__ = ("__at", "__store")

    def __init__(self, store: Store, at: bytes | None = None) -> None:
        self.__store = store
        self.__at = at

    def __head(self) -> bytes | None:
        return self.__store.head_hash() if self.__at is None else self.__at

    def __repr__(self) -> str:
        return f"<PolicyView {self.tract} {self.branch}>"

    @property
    def tract(self) -> str:
        """Name of the tract."""
        return self.__store.tract

    @property
    def branch(self) -> str | None:
        """The current branch, `None` when detached."""
        return self.__store.head.branch

    @property
    def head(self) -> str | None:
        """Hash HEAD stands on, `None` before the first commit."""
        head = self.__head()
        return None if head is None else head.hex()

    @property
    def branches(self) -> Mapping[str, str]:
        """The hash each branch stands on, by name."""
        return {name: tip.hex() for name, tip in self.__store.refs(BRANCH_PREFIX).items()}

    @property
    def tokens(self) -> int:
        """Size of the compiled context by the tokenizer."""
        head, store = self.__head(), self.__store
        tip = None if head is None else store.tip(head)
        if tip is None:
            return 0
        is_known = tip.context_tokens is not None and tip.counter_id == store.counter_id
        return tip.context_tokens or 0 if is_known else size_of(states_of(store).get(tip.hash))

    @property
    def limit_tokens(self) -> int | None:
        """What the token budget leaves for the context, or `None` without a budget."""
        budget = self.__store.config.budget
        return None if budget is None else budget.usable_tokens

    @property
    def now(self) -> int:
        """Microseconds since 1970, UTC."""
        return self.__store.clock()

    @property
    def entries(self) -> Sequence[Entry]:
        """Every place in the context, hidden ones too, in order: what stands there and who set its priority."""
        head = self.__head()
        return () if head is None else tuple(states_of(self.__store).get(head).entries)

    def entry(self, commit: str) -> Entry | None:
        """Return the place that *commit*, the full hash of one in HEAD's history, made or changed."""
        head = self.__head()
        if head is None:
            return None
        state = states_of(self.__store).get(head)
        original = state.original(self.__store.tip(bytes.fromhex(commit)).id)
        return None if original is None else state.entry(original)

    @property
    def context(self) -> CompiledContext:
        """The messages that are sent next."""
        return compile_head(self.__store) if self.__at is None else compile_commit(self.__store, self.__at)

    @property
    def proposals(self) -> tuple[Asked, ...]:
        """Every proposal of the tract, decided ones too, the oldest first."""
        rows = self.__store.all(q.PROPOSALS, tract_id=self.__store.tract_id)
        return tuple([_asked(row) for row in map(ProposalRow._make, rows)])

    def shows(self, place: str, content: str | None = None) -> bool:
        """Tell whether the message the commit *place* made is in the context, as the commit *content* has it."""
        entry = self.entry(place)
        return entry is not None and entry.is_visible and content in {None, entry.shown.hash.hex()}

    def compressible(self, preserve: Sequence[str] = ()) -> bool:
        """Tell whether there is anything to compress beside what is pinned and the commits *preserve*."""
        head = self.__head()
        kept = {entry.placed.id for entry in self.entries if entry.placed.hash.hex() in preserve}
        least = tokens_of_text("", self.__store.counter) + LEAST_TOKENS
        state = None if head is None else states_of(self.__store).get(head)
        return state is not None and bool(
            group_messages(state, wanted=None, preserved=kept, least_tokens=least).groups
        )


def _asked(row: ProposalRow) -> Asked:
    payload = json.loads(row.payload)
    said = payload.get("action") or {"verb": row.kind, "args": {}, "policy": ""}
    covers = tuple([(place, content) for group in payload.get("groups", ()) for place, content in group["entries"]])
    return Asked(row.number, said["policy"], said["verb"], said["args"], row.state, payload["branch"], covers)
