"""The facade: one handle on one agent's context. Each method resolves names and calls one operation."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Literal

from tract.agent.settings import Defaults
from tract.compile.compiler import Compiler
from tract.llm.protocol import LLM
from tract.objects.commit import CommitInfo
from tract.objects.config import LLMConfig, TractConfig
from tract.operations import branch as branching
from tract.operations.branch import Branch
from tract.operations.reset import reset
from tract.operations.tag import Tag
from tract.operations.undo import UndoResult, redo, undo
from tract.porcelain.collections import Branches, Operations, Tags
from tract.porcelain.conversation import Conversation
from tract.porcelain.family import Family
from tract.porcelain.opening import Place, open_models, open_store
from tract.porcelain.policies import Policies
from tract.porcelain.rewriting import Rewriting
from tract.porcelain.upkeep import Upkeep
from tract.porcelain.writing import Writing
from tract.tokens import TokenCounter


class Tract(Conversation, Family, Writing, Rewriting, Upkeep):
    """One agent's context under version control.

    Open one with `Tract.open`; use it as a context manager or call `close`. Threads may share a
    handle; processes open their own on the same path.

    Example:
        >>> with Tract.open() as t:
        ...     _ = t.system("You are terse.")
        ...     _ = t.user("Hello!")
        ...     [m.role for m in t.compile().messages]
        ['system', 'user']
    """

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] = ":memory:",
        *,
        tract: str = "default",
        create: bool = True,
        read_only: bool = False,
        durability: Literal["full", "normal", "off"] = "full",
        config: TractConfig | Mapping[str, Any] | None = None,
        tokenizer: str | TokenCounter | None = None,
        compiler: Compiler | None = None,
        llm: LLM | Callable[..., Any] | None = None,
        provider: str | None = None,
        api_key: str | None = None,
        model: str | None = None,
        base_url: str | None = None,
        operations: Mapping[str, LLMConfig | Mapping[str, Any] | None] | None = None,
        actor: str | None = None,
    ) -> Tract:
        """Open the tract kept at *path*, creating it if there is none.

        Args:
            path: A file, `":memory:"`, or a PostgreSQL URL (`postgresql+psycopg://user@host/db`).
            tract: Name of the agent's context within the store.
            create: Create the store and the tract if missing.
            read_only: Refuse every write.
            durability: `full` survives a power cut, `normal` may lose the last commits to one
                (never to a crash of the process), `off` waits for nothing.
            config: Settings to put in force and keep; those kept are used when not given.
            tokenizer: Name of a tokenizer or model, or a `TokenCounter`.
            compiler: Replaces how entries become messages.
            llm: What to ask: a client, or a function `(messages, **options)` that returns text or a message.
            provider: Or who to ask, such as `openai`, `anthropic` or `gemini`.
            api_key: The provider's key, if not in its usual environment variable; never stored.
            model: Name of the model.
            base_url: Where the provider is, if not at its usual address.
            operations: Model settings of single operations, as for `configure_operations`.
            actor: Who writes, for the operation log.

        Raises:
            StoreNotFoundError: Nothing at *path* and *create* is false.
            NotAStoreError: Something else is at *path*; it was not touched.
            SchemaTooNewError: A newer version wrote the store; it was not touched.
        """
        place = Place(path=path, tract=tract, create=create, read_only=read_only, durability=durability)
        defaults = Defaults(llm=llm, provider=provider, api_key=api_key, model=model, base_url=base_url).checked()
        store = open_store(place, config=config, tokenizer=tokenizer, actor=actor)
        return cls(store, compiler, open_models(store, defaults, operations))

    def branch(
        self, name: str, *, at: str | CommitInfo | None = None, switch: bool = True, orphan: bool = False
    ) -> Branch:
        """Create the branch *name* at *at* (HEAD by default) and stand on it. O(1): nothing is copied.

        With *orphan* it starts from nothing: the next commit is its first.
        """
        if orphan:
            return branching.start_branch(self._store, name, at)
        commit = self._store.head_hash() if at is None else self._resolve(at)
        return branching.create_branch(self._store, name, commit, switch=switch)

    def switch(self, name: str) -> str:
        """Stand on the branch *name*. Other open handles stay where they are."""
        return branching.switch(self._store, name)

    def checkout(self, revision: str | CommitInfo) -> str | None:
        """Stand on a branch, or detached (read-only) on any other revision; `-` goes back.

        Returns:
            The branch now stood on, `None` when detached.
        """
        return branching.checkout(self._store, revision).branch

    @property
    def branches(self) -> Branches:
        """The branches: a mapping by name, with `create`, `delete`, `rename`, `describe`, `compare`."""
        return Branches(self._store)

    def tag(self, name: str, at: str | CommitInfo | None = None) -> Tag:
        """Name the commit *at* (HEAD by default)."""
        return self.tags.create(name, at=at)

    @property
    def tags(self) -> Tags:
        """The tags: a mapping by name, with `create` and `delete`."""
        return Tags(self._store)

    def reset(
        self,
        revision: str | CommitInfo,
        mode: Literal["soft", "hard"] = "soft",
        *,
        expected_head: str | CommitInfo | None = None,
    ) -> CommitInfo:
        """Let the current branch point to *revision*; `undo` moves it back.

        Args:
            revision: Where to.
            mode: `soft` keeps the old tip as `ORIG_HEAD`; `hard` leaves it to the operation log.
            expected_head: Refuse if the branch has moved on from here.

        Raises:
            RefConflictError: The branch is not at *expected_head*, or moved while the call was on its way.
        """
        info = self.get(revision)
        before = self._store.head_hash() if expected_head is None else self._resolve(expected_head)
        reset(self._store, bytes.fromhex(info.hash), mode, before)
        return info

    @property
    def policies(self) -> Policies:
        """The rules that look after this tract: a mapping by name, with `add`, `change`, `pause`, `test` and `log`."""
        return Policies(self._decider)

    def undo(self, n: int = 1, *, operation: int | None = None) -> UndoResult:
        """Take back the last *n* operations of this tract, whoever did them, as one new operation.

        Args:
            n: How many.
            operation: Take back just this one, by number; refused if later ones built on it.

        Raises:
            NothingToUndoError: There are not that many.
            OperationConflictError: A ref has moved on since.
        """
        return undo(self._store, n, number=operation)

    def redo(self, n: int = 1) -> UndoResult:
        """Do the last *n* undone operations again.

        Raises:
            NothingToUndoError: There are not that many, or something else was done since.
        """
        return redo(self._store, n)

    @property
    def operations(self) -> Operations:
        """The operation log: `len`, iteration newest first, `[number]`, `for_ref(name)`."""
        return Operations(self._store)

    def at_operation(self, number: int) -> Tract:
        """Return a read-only view of the whole tract as it was after operation *number*.

        It shares this handle's connection and ends with it.

        Raises:
            OperationNotFoundError: There is no such operation.
        """
        return type(self)(self._store.view(self.operations[number].number), self._compiler, self._models)
