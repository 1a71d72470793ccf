"""Answers what the tools of one toolkit work on: a handle, its profile, and what was done with them so far.

The tools call the public methods of the handle and nothing else, so they can do nothing an application cannot. The
store is asked two questions only: whether a commit belongs to this tract, and which operation a call was.
"""

# ruff: noqa: D102 - what a member of the protocol does is said by the method of `Tract` it stands for

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from tract.agent.schemas import ArgumentsError
from tract.agent.toolkit.profiles import Profile
from tract.compile.compiler import states_of
from tract.compile.context import CompiledContext
from tract.compile.diff import DiffResult
from tract.compile.fold import Entry
from tract.errors import AmbiguousRevisionError, RevisionNotFoundError
from tract.history.ancestry import contains
from tract.history.info import commit_info
from tract.history.lanes import place_of
from tract.history.revision import known_names, resolve
from tract.history.status import Status
from tract.objects.commit import CommitInfo
from tract.objects.decision import AutonomyLevel
from tract.operations.search import SearchHit
from tract.search.scope import Standing
from tract.storage import queries as q
from tract.store import Store

MADE_BY: Final = "toolkit"
"""Key in the metadata of commits that were made through a toolkit; its value is the profile."""


class Handle(Protocol):
    """What the tools call: methods of `Tract`."""

    @property
    def name(self) -> str: ...
    @property
    def current_branch(self) -> str | None: ...
    @property
    def branches(self) -> Any: ...
    @property
    def children(self) -> Mapping[str, Any]: ...
    @property
    def collapse(self) -> Callable[..., Any]: ...
    @property
    def spawn(self) -> Callable[..., Any]: ...
    @property
    def tags(self) -> Mapping[str, Any]: ...
    @property
    def operations(self) -> Any: ...
    @property
    def status(self) -> Callable[..., Status]: ...
    @property
    def get(self) -> Callable[..., CommitInfo]: ...
    @property
    def show(self) -> Callable[..., Any]: ...
    @property
    def log(self) -> Callable[..., Any]: ...
    @property
    def search(self) -> Callable[..., list[SearchHit]]: ...
    @property
    def diff(self) -> Callable[..., DiffResult]: ...
    @property
    def compile(self) -> Callable[..., CompiledContext]: ...
    @property
    def commit(self) -> Callable[..., CommitInfo]: ...
    @property
    def edit(self) -> Callable[..., CommitInfo]: ...
    @property
    def annotate(self) -> Callable[..., CommitInfo]: ...
    @property
    def revert(self) -> Callable[..., CommitInfo]: ...
    @property
    def reorder(self) -> Callable[..., Any]: ...
    @property
    def cherry_pick(self) -> Callable[..., Any]: ...
    @property
    def rebase(self) -> Callable[..., Any]: ...
    @property
    def branch(self) -> Callable[..., Any]: ...
    @property
    def switch(self) -> Callable[..., str]: ...
    @property
    def tag(self) -> Callable[..., Any]: ...
    @property
    def reset(self) -> Callable[..., CommitInfo]: ...
    @property
    def merge(self) -> Callable[..., Any]: ...
    @property
    def compress(self) -> Callable[..., Any]: ...
    @property
    def expand(self) -> Callable[..., Any]: ...
    @property
    def undo(self) -> Callable[..., Any]: ...
    @property
    def redo(self) -> Callable[..., Any]: ...
    @property
    def configure(self) -> Callable[..., Any]: ...
    @property
    def gc(self) -> Callable[..., Any]: ...
    @property
    def erase(self) -> Callable[..., Any]: ...


@dataclass(slots=True)
class Desk:
    """What the tools of one toolkit work on.

    Attributes:
        t: The handle.
        store: Its store.
        profile: What the tools may do.
        done: Numbers of the operations these tools did and have not taken back, oldest first.
    """

    t: Handle
    store: Store
    profile: Profile
    done: list[int] = field(default_factory=list)

    @property
    def note(self) -> dict[str, str]:
        """Metadata that says a commit came through the toolkit."""
        return {MADE_BY: self.profile}

    @property
    def autonomy(self) -> str:
        """How far a call may go on its own: as the tract is set, else all the way."""
        return self.store.config.autonomy or AutonomyLevel.AUTONOMOUS

    @property
    def children(self) -> tuple[str, ...]:
        """Names of the tracts whose commits may be named as well: a supervisor's children."""
        return tuple(self.t.children) if self.profile in {"supervisor", "admin"} else ()

    def commit(self, revision: str) -> str:
        """Return the hash of the commit *revision* names, one of this tract.

        A hash of another tract in the same store is answered like one that names nothing.

        Raises:
            RevisionNotFoundError: It names nothing here.
            AmbiguousRevisionError: A prefix fits several commits of this tract.
        """
        revision = revision.strip().strip("`")
        try:
            found = [resolve(self.store, revision)]
        except AmbiguousRevisionError as error:
            found = [bytes.fromhex(one) for one in error.candidates]
        own = self._own(found)
        if not own:
            raise RevisionNotFoundError(revision, known_names(self.store))
        if len(own) > 1:
            raise AmbiguousRevisionError(revision, [one.hex() for one in own])
        return own[0].hex()

    def _own(self, commits: list[bytes]) -> list[bytes]:
        """Return those of *commits* that HEAD or any ref of this tract, or of `children`, ever led to."""
        store, children = self.store, self.children
        with store.reading():
            standing = Standing(store)
            reached = [standing.ever(one) for one in (store.tract_id, *standing.looked_in(children))]
            if store.head.commit is not None:
                reached.append(standing.behind(store.head.commit))
            places = {one: place_of(store, one) for one in commits}
            return [one for one, place in places.items() if any(contains(reach, place) for reach in reached)]

    def commits(self, revisions: list[str]) -> list[str]:
        """Return the hashes of the commits *revisions* name.

        Raises:
            ArgumentsError: None is named.
            RevisionNotFoundError: One names nothing here.
        """
        if not revisions:
            raise ArgumentsError("Name at least one commit.")
        return [self.commit(one) for one in revisions]

    def start(self, revision: str) -> str:
        """Return a revision, or a range `a..b`, with hashes of this tract in place of names."""
        before, dots, after = revision.partition("..")
        if not dots:
            return self.commit(revision)
        return f"{self.commit(before or 'HEAD')}..{self.commit(after or 'HEAD')}"

    def entry(self, commit: str) -> Entry | None:
        """Return the place in the current context that *commit* stands for, or `None`."""
        head, row = self.store.head_hash(), self.store.one(q.TIP, hash=bytes.fromhex(commit))
        if head is None or row is None:
            return None
        state = states_of(self.store).get(head)
        original = state.original(row[0])
        return None if original is None else state.entry(original)

    def is_ours(self, commit: bytes) -> bool:
        """Whether a commit was made through a toolkit."""
        return MADE_BY in commit_info(self.store, commit).metadata

    def remember(self, before: int, verbs: frozenset[str]) -> None:
        """Note which operations after number *before* were done by a call that does *verbs*."""
        for number in range(before + 1, self.store.last_operation() + 1):
            operation = self.t.operations[number]
            if operation.verb in verbs and operation.actor == self.store.actor:
                self.done.append(number)
