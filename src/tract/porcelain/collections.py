"""The plural nouns of a tract: branches, tags, operations and proposals, with Python's own protocols."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, Self, TypeVar

from tract.agent.policies.acting import ACTION
from tract.agent.tools import Toolbox
from tract.errors import BranchNotFoundError, InvalidInputError, TractNotFoundError, shown
from tract.history import operations as history
from tract.history.info import tools_sent
from tract.history.revision import resolve
from tract.objects.commit import CommitInfo
from tract.objects.operation import OperationInfo
from tract.objects.refs import BRANCH_PREFIX, HEAD, ORIG_HEAD, TAG_PREFIX
from tract.operations import branch as branching
from tract.operations import tag as tagging
from tract.operations.branch import Branch, Divergence
from tract.operations.compress import COMPRESSION
from tract.operations.expand import lookup_tool
from tract.operations.proposal import Proposal, ProposalKind, all_proposals, find_proposal
from tract.operations.tag import Tag
from tract.sessions.collapse import COLLAPSE
from tract.sessions.tracts import TractTree, children_of, tract_infos, trees
from tract.store import Store

KINDS: Final[tuple[ProposalKind, ...]] = (COMPRESSION, COLLAPSE, ACTION)
"""What can be proposed."""


class Branches(Mapping[str, Branch]):
    """The branches of a tract by name: `"x" in t.branches`, `len`, iteration by name, `t.branches["x"]`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getitem__(self, name: str) -> Branch:
        return branching.find_branch(self._store, name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._store.refs(BRANCH_PREFIX)

    def __iter__(self) -> Iterator[str]:
        return iter(self._store.refs(BRANCH_PREFIX))

    def __len__(self) -> int:
        return len(self._store.refs(BRANCH_PREFIX))

    def __repr__(self) -> str:
        return f"<Branches {', '.join(self)}>"

    def create(self, name: str, *, at: str | CommitInfo | None = None) -> Branch:
        """Create the branch *name* at *at* (HEAD by default) without standing on it. O(1).

        Raises:
            InvalidRefNameError: The name breaks the rules.
            RefExistsError: There is a branch of that name.
        """
        commit = self._store.head_hash() if at is None else resolve(self._store, at)
        return branching.create_branch(self._store, name, commit, switch=False)

    def delete(self, name: str, *, force: bool = False) -> Branch:
        """Drop the branch *name* and return what it was; its commits stay, and `undo` brings it back.

        Raises:
            BranchNotFoundError: There is none.
            CurrentBranchError: HEAD is on it.
            UnmergedBranchError: Only it reaches some commits, and *force* is false.
        """
        return branching.delete_branch(self._store, name, force=force)

    def rename(self, name: str, new: str) -> Branch:
        """Give the branch *name* the name *new*.

        Raises:
            BranchNotFoundError: There is no branch *name*.
            RefExistsError: There is a branch *new*.
        """
        return branching.rename_branch(self._store, name, new)

    def describe(self, name: str, description: str) -> Branch:
        """Say what the branch *name* is for; `""` takes the description away."""
        return branching.describe_branch(self._store, name, description)

    def compare(self, left: str | CommitInfo, right: str | CommitInfo) -> Divergence:
        """Return how many commits *left* is ahead of and behind *right*; any revisions."""
        return branching.divergence(self._store, resolve(self._store, left), resolve(self._store, right))


class Tags(Mapping[str, Tag]):
    """The tags of a tract by name: `"x" in t.tags`, `len`, iteration by name, `t.tags["x"]`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getitem__(self, name: str) -> Tag:
        return tagging.find_tag(self._store, name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._store.refs(TAG_PREFIX)

    def __iter__(self) -> Iterator[str]:
        return iter(self._store.refs(TAG_PREFIX))

    def __len__(self) -> int:
        return len(self._store.refs(TAG_PREFIX))

    def __repr__(self) -> str:
        return f"<Tags {', '.join(self)}>"

    def create(self, name: str, *, at: str | CommitInfo | None = None) -> Tag:
        """Name the commit *at* (HEAD by default).

        Raises:
            InvalidRefNameError: The name breaks the rules.
            RefExistsError: There is a tag of that name.
        """
        commit = self._store.head_hash() if at is None else resolve(self._store, at)
        return tagging.create_tag(self._store, name, commit)

    def delete(self, name: str) -> Tag:
        """Drop the tag *name* and return what it was.

        Raises:
            TagNotFoundError: There is none.
        """
        return tagging.delete_tag(self._store, name)


class Tools(Toolbox):
    """The tools a model may call: `"search" in t.tools`, `len`, iteration by name, `t.tools["search"]`."""

    def __init__(self, store: Store, tools: Toolbox | Iterable[object] = ()) -> None:
        super().__init__(tools)
        self._store = store

    def sent_with(self, commit: str | CommitInfo) -> list[dict[str, Any]]:
        """Return the definitions that were offered when the reply *commit* was made.

        Raises:
            CorruptObjectError: They are damaged.
        """
        return tools_sent(self._store, resolve(self._store, commit))

    def lookup(self) -> Callable[..., list[dict[str, str]]]:
        """Return a function, to be called by a model, that looks up what was said and is only summarized now.

        Give it to `t.run`, to `add`, or to any other loop: it is annotated and describes itself.

        Example:
            >>> from tract import Tract
            >>> with Tract.open() as t:
            ...     said = t.user("The booking code is RH-2041, for two nights, and breakfast is included in it.")
            ...     _ = t.compress(content="A room was booked.")
            ...     print(t.tools.lookup()("booking code")[0]["text"][:30])
            The booking code is RH-2041, f
        """
        return lookup_tool(self._store)


class Handle(Protocol):
    """A handle on a tract that can open those beside it."""

    @property
    def _store(self) -> Store: ...
    def _beside(self, name: str, /) -> Self: ...


H = TypeVar("H", bound=Handle)


class Children(Mapping[str, H]):
    """The tracts spawned from this one: `"x" in t.children`, `len`, iteration by name, `t.children["x"]` opens one.

    What is opened shares the connection of the parent's handle, and ends with it.
    """

    def __init__(self, handle: H) -> None:
        self._handle = handle

    def __getitem__(self, name: str) -> H:
        names = children_of(self._handle._store)  # noqa: SLF001 - of the handle this is a part of
        if name not in names:
            raise TractNotFoundError(name if isinstance(name, str) else type(name).__name__, names)
        return self._handle._beside(name)  # noqa: SLF001

    def __contains__(self, name: object) -> bool:
        return name in children_of(self._handle._store)  # noqa: SLF001

    def __iter__(self) -> Iterator[str]:
        return iter(children_of(self._handle._store))  # noqa: SLF001

    def __len__(self) -> int:
        return len(children_of(self._handle._store))  # noqa: SLF001

    def __repr__(self) -> str:
        return f"<Children {', '.join(self)}>"

    @property
    def tree(self) -> TractTree:
        """This tract with all that was spawned from it, and from those; `print` shows it."""
        store = self._handle._store  # noqa: SLF001
        return trees(tract_infos(store))[store.tract]


class Operations:
    """The operation log of a tract: `len`, iteration newest first, `t.operations[3]` by number."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getitem__(self, number: int) -> OperationInfo:
        """Return the operation of this number, from 1; negative numbers count from the newest (-1)."""
        if isinstance(number, int) and number < 0:
            number += self._store.last_operation() + 1
        return history.operation(self._store, number)

    def __iter__(self) -> Iterator[OperationInfo]:
        return history.newest_first(self._store)

    def __len__(self) -> int:
        return self._store.last_operation()

    def __repr__(self) -> str:
        return f"<Operations {len(self)}>"

    def for_ref(self, name: str) -> Iterator[OperationInfo]:
        """Yield the operations that moved a branch or tag, newest first: its reflog.

        Raises:
            BranchNotFoundError: Nothing of this name was ever moved.
        """
        if not isinstance(name, str):
            raise InvalidInputError(f"A ref is named by text, not {shown(name)}.", hint='Write `for_ref("main")`.')
        names = (name,) if name in {HEAD, ORIG_HEAD} else (BRANCH_PREFIX + name, TAG_PREFIX + name)
        found = (done for done in self if any(change[0] in names for change in done.changes))
        first = next(found, None)
        if first is None:
            raise BranchNotFoundError(name, self._store.refs(BRANCH_PREFIX))
        return itertools.chain([first], found)


class Proposals(Mapping[int, Proposal]):
    """The proposals of a tract by number, decided ones too: `t.proposals[3]`, `len`, iteration by number."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getitem__(self, number: int) -> Proposal:
        return find_proposal(self._store, number, KINDS)

    def __contains__(self, number: object) -> bool:
        return any(number == known for known in self)

    def __iter__(self) -> Iterator[int]:
        return iter([proposal.number for proposal in all_proposals(self._store, KINDS)])

    def __len__(self) -> int:
        return len(all_proposals(self._store, KINDS))

    def __repr__(self) -> str:
        return f"<Proposals {', '.join(map(str, self))}>"

    @property
    def open(self) -> tuple[Proposal, ...]:
        """Those nobody has decided, the oldest first."""
        return tuple([one for one in all_proposals(self._store, KINDS) if one.state == "open"])

    def approve(self, number: int) -> Any:
        """Carry out the proposal *number*, in one operation; what was committed meanwhile stays after it.

        Returns:
            What its verb returns, such as a `CompressResult`.

        Raises:
            ProposalNotFoundError: There is none.
            ProposalDecidedError: It was decided already.
            ProposalStaleError: What it is for has changed.
        """
        return self[number].approve()

    def reject(self, number: int) -> Proposal:
        """Drop the proposal *number*.

        Raises:
            ProposalNotFoundError: There is none.
            ProposalDecidedError: It was decided already.
        """
        return self[number].reject()

    def edit(self, number: int, drafts: str | Sequence[str]) -> Proposal:
        """Replace the drafts of the proposal *number*: as many texts as there are, or one where there is one.

        Raises:
            ProposalNotFoundError: There is none.
            ProposalDecidedError: It was decided already.
            SummaryError: A draft is longer than what it covers.
        """
        return self[number].edit(drafts)
