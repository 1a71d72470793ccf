"""Answers what a policy can see: the context and the history, and nothing it could change them with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tract.agent.policies.spending import Ledger, Spending, Spent
from tract.compile.compiler import compile_commit, compile_head, size_of, states_of
from tract.compile.context import CompiledContext
from tract.compile.fold import Entry
from tract.objects.refs import BRANCH_PREFIX
from tract.storage import proposals as q
from tract.storage.proposals import ProposalRow
from tract.store import Store


class PolicyView:
    """What a tract says now, read-only; what it returns are values of their own.

    Reading is lazy: what a policy does not look at costs nothing.
    """

    __slots__ = ("__at", "__spending", "__store")

    def __init__(self, store: Store, at: bytes | None = None, spending: Spending | None = None) -> None:
        self.__store = store
        self.__at = at
        self.__spending = spending

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
        head = self.__head()
        return 0 if head is None else size_of(states_of(self.__store).get(head))

    @property
    def limit_tokens(self) -> int | None:
        """What the token budget leaves for the context, or `None` without a budget."""
        budget = self.__store.config.budget
        return None if budget is None else budget.usable_tokens

    @property
    def turn_spent(self) -> Spent:
        """What the calls of models since the user last said something have cost."""
        return (self.__spending or Ledger()).turn(self.__store, self.__head())

    @property
    def session_spent(self) -> Spent:
        """What the calls of models since the tract began have cost."""
        return (self.__spending or Ledger()).session(self.__store)

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
    def open_proposals(self) -> tuple[str, ...]:
        """The verb of each proposal that waits for a yes."""
        rows = self.__store.all(q.PROPOSALS, tract_id=self.__store.tract_id)
        return tuple([row.kind for row in map(ProposalRow._make, rows) if row.state == "open"])
