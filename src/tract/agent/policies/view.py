"""Answers what a policy can see: the context and the history, and nothing it could change them with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from tract.agent.policies.spending import Ledger, Spending, Spent
from tract.compile.compiler import compile_commit, compile_head, size_of, states_of
from tract.compile.context import CompiledContext
from tract.compile.fold import Entry
from tract.errors import RevisionNotFoundError
from tract.history.revision import resolve
from tract.objects.operation import OperationInfo
from tract.objects.refs import BRANCH_PREFIX
from tract.operations.branch import Apart, Touch, apart, touches
from tract.operations.compress import digest_of
from tract.operations.grouping import group_messages
from tract.operations.rebase import rebase_issues
from tract.operations.summary import LEAST_TOKENS, tokens_of_text
from tract.operations.undo import taken_back
from tract.sessions.tracts import forked_from
from tract.storage import proposals as q
from tract.storage.proposals import ProposalRow
from tract.storage.writing import Tip
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
        is_edited: Whether somebody has changed a draft of it.
    """

    number: int
    policy: str
    verb: str
    args: Mapping[str, Any]
    state: str
    branch: str
    covers: tuple[tuple[str, str], ...] = ()
    is_edited: bool = False


_MOST_OPERATIONS: Final = 500


class PolicyView:
    """What a tract says now, read-only; what it returns are values of their own.

    Reading is lazy: what a policy does not look at costs nothing.
    """

    __slots__ = ("__at", "__spending", "__store", "__tip")

    def __init__(
        self, store: Store, at: bytes | None = None, spending: Spending | None = None, *, tip: Tip | None = None
    ) -> None:
        self.__store = store
        self.__at = at
        self.__spending = spending
        self.__tip = tip

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
        store, tip = self.__store, self.__tip
        head = None if tip is not None else self.__head()
        tip = tip if head is None else store.tip(head)
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
    def proposals(self) -> tuple[Asked, ...]:
        """Every proposal of the tract, decided ones too, the oldest first."""
        rows = self.__store.all(q.PROPOSALS, tract_id=self.__store.tract_id)
        return tuple([_asked(row) for row in map(ProposalRow._make, rows)])

    @property
    def open_proposals(self) -> tuple[str, ...]:
        """The verb of each proposal that waits for a yes."""
        return tuple([one.verb for one in self.proposals if one.state == "open"])

    def refused(self, policy: str) -> tuple[Asked, ...]:
        """Return what *policy* wanted and somebody said no to: rejected, or taken back by undo, among the newest."""
        rejected = [one for one in self.proposals if one.policy == policy and one.state == "rejected"]
        return (*rejected, *self.undone(policy))

    def undone(self, policy: str) -> tuple[Asked, ...]:
        """Return what *policy* did and somebody took back by undo, among the newest operations."""
        undone = [one for one in taken_back(self.__store, _MOST_OPERATIONS) if policy in one.args.get("policies", ())]
        return tuple([_undone(one, policy) for one in undone])

    @property
    def default_branch(self) -> str:
        """The branch a new tract starts on."""
        return self.__store.config.default_branch

    @property
    def start(self) -> str | None:
        """The branch new handles start on."""
        return self.__store.start()

    @property
    def touched(self) -> Mapping[str, Touch]:
        """When each branch was last moved, renamed or switched to."""
        return touches(self.__store)

    @property
    def operation(self) -> int:
        """Number of the last operation."""
        return self.__store.last_operation()

    @property
    def parent_tip(self) -> str | None:
        """Where the tract that forked this one stands: the tip of the branch new handles on it start on."""
        parent = forked_from(self.__store)
        return None if parent is None else parent.hex()

    def apart(self, commit: str) -> Apart:
        """Return how far HEAD and *commit* are apart."""
        head = self.__head()
        if head is None:
            return Apart(0, 0, is_related=False)
        return apart(self.__store, head, bytes.fromhex(commit))

    def between(self, old: str, new: str) -> int:
        """Return how many commits *new* has and *old* has not."""
        return apart(self.__store, bytes.fromhex(new), bytes.fromhex(old)).ahead

    def is_between_turns(self, commit: str | None = None) -> bool:
        """Tell whether the model has replied to everything at *commit* (HEAD by default), with no call that waits."""
        head = self.__head() if commit is None else bytes.fromhex(commit)
        shown = () if head is None else states_of(self.__store).get(head).shown
        for entry in reversed(shown):
            message = entry.shown.message
            if message is not None and message.role != "system":
                return message.role == "assistant" and not message.tool_calls
        return True

    def rebase_issues(self, onto: str) -> tuple[str, ...]:
        """Return what would have to be decided about a rebase of the current branch onto the commit *onto*."""
        return tuple([str(issue) for issue in rebase_issues(self.__store, bytes.fromhex(onto))])

    def before(self, commit: str) -> str | None:
        """Return the commit *commit* was made on, `None` for the first."""
        try:
            return resolve(self.__store, f"{commit}~1").hex()
        except RevisionNotFoundError:
            return None

    @property
    def shown(self) -> Mapping[str, str]:
        """For each message of the context the commit that made its place, and the one whose content it shows."""
        return {one.placed.hash.hex(): one.shown.hash.hex() for one in self.entries if one.is_visible}

    def compressible(self, preserve: Sequence[str] = ()) -> bool:
        """Tell whether there is anything to compress beside what is pinned and the commits *preserve*."""
        head = self.__head()
        kept = {entry.placed.id for entry in self.entries if entry.placed.hash.hex() in preserve}
        least = tokens_of_text("", self.__store.counter) + LEAST_TOKENS
        state = None if head is None else states_of(self.__store).get(head)
        return state is not None and bool(group_messages(state, wanted=None, preserved=kept, least_tokens=least).groups)


def _undone(done: OperationInfo, policy: str) -> Asked:
    moved = next((change for change in done.changes if change[0].startswith(BRANCH_PREFIX)), None)
    branch = "" if moved is None else moved[0].removeprefix(BRANCH_PREFIX)
    args = {**done.args, "branch": branch, "at": None if moved is None else moved[2]}
    covers = tuple([(commit, "") for first, last, _ in done.args.get("groups", ()) for commit in (first, last)])
    return Asked(0, policy, done.verb, args, "undone", branch, covers)


def _asked(row: ProposalRow) -> Asked:
    payload = json.loads(row.payload)
    said = payload.get("action") or {"verb": row.kind, "args": {}, "policy": ""}
    groups = payload.get("groups", ())
    covers = tuple([(place, content) for group in groups for place, content in group["entries"]])
    is_edited = any(digest_of(text) != group["digest"] for text, group in zip(payload["drafts"], groups, strict=False))
    return Asked(
        row.number, said["policy"], said["verb"], said["args"], row.state, payload["branch"], covers, is_edited
    )
