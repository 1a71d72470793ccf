"""The tracts of one store, seen together: who there is, what happened in which order, who knew what."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self

from tract.agent.settings import Defaults, Models
from tract.compile.context import CompiledContext
from tract.errors import InvalidInputError, shown
from tract.llm.protocol import LLM
from tract.objects.commit import CommitInfo
from tract.objects.config import TractConfig
from tract.objects.content import SessionContent
from tract.objects.decision import AutonomyLevel, autonomy_level
from tract.operations.configure import parse_config
from tract.operations.search import SearchHit, search
from tract.operations.stats import Stats, stats
from tract.porcelain.arguments import build
from tract.porcelain.opening import Place, open_without_tract
from tract.porcelain.tract import Tract
from tract.search.scope import Where
from tract.sessions.executor import ChildResult, Executor, checked_executor, listed, run_children
from tract.sessions.opening import tract_names
from tract.sessions.session import hand_over, new_tract, open_for_session, require_same_store, unfinished
from tract.sessions.timeline import TimelineEntry, knew, timeline
from tract.sessions.tracts import TractInfo, TractTree, tract_info, tract_infos, trees
from tract.store import Store
from tract.tokens import TokenCounter

_NOWHERE = "-"
"""What stands for the tract of a handle that is in none; no tract can have this name."""


class Tracts(Mapping[str, TractInfo]):
    """What is known of the tracts of a store, by name: `len`, iteration (the oldest first), `session.tracts["x"]`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getitem__(self, name: str) -> TractInfo:
        return tract_info(self._store, name)

    def __contains__(self, name: object) -> bool:
        return name in tract_names(self._store)

    def __iter__(self) -> Iterator[str]:
        return iter(tract_names(self._store))

    def __len__(self) -> int:
        return len(tract_names(self._store))

    def __repr__(self) -> str:
        return f"<Tracts {', '.join(self)}>"


class Session:
    """All tracts of a store on one connection.

    Open one with `Session.open`; use it as a context manager or call `close`. The tracts it opens share its
    connection and end with it. Threads may share a session; processes open their own.

    Example:
        >>> with Session.open() as session:
        ...     planner = session.create_tract("planner", purpose="plan the trip")
        ...     _ = planner.user("Where shall we go?")
        ...     _ = planner.spawn("find trains", name="trains")
        ...     [(info.name, info.parent) for info in session.tracts.values()]
        [('planner', None), ('trains', 'planner')]
    """

    def __init__(self, store: Store, models: Models, config: TractConfig) -> None:
        self._store = store
        self._models = models
        self._config = config

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] = ":memory:",
        *,
        autonomy: AutonomyLevel | str | None = None,
        create: bool = True,
        read_only: bool = False,
        durability: Literal["full", "normal", "off"] = "full",
        config: TractConfig | Mapping[str, Any] | None = None,
        tokenizer: str | TokenCounter | None = None,
        llm: LLM | Callable[..., Any] | None = None,
        provider: str | None = None,
        api_key: str | None = None,
        model: str | None = None,
        base_url: str | None = None,
        actor: str = "",
    ) -> Session:
        """Open the store at *path*, creating it if there is none; no tract is created.

        Args:
            path: As for `Tract.open`.
            autonomy: How far operations of its tracts go on their own where neither the call nor the tract says.
            create: Create the store if missing.
            read_only: Refuse every write.
            durability: As for `Tract.open`.
            config: Settings of tracts that are created.
            tokenizer: Name of a tokenizer or model, or a `TokenCounter`.
            llm: What its tracts ask.
            provider: Or who they ask.
            api_key: The provider's key; never stored.
            model: Name of the model.
            base_url: Where the provider is, if not at its usual address.
            actor: Who writes, for the operation logs.

        Raises:
            StoreNotFoundError: Nothing at *path* and *create* is false.
            NotAStoreError: Something else is at *path*; it was not touched.
        """
        place = Place(path=path, tract=_NOWHERE, create=create, read_only=read_only, durability=durability)
        defaults = Defaults(llm=llm, provider=provider, api_key=api_key, model=model, base_url=base_url).checked()
        given = parse_config(dict(config) if isinstance(config, Mapping) else config or TractConfig())
        if autonomy is not None:
            given = given.model_copy(update={"autonomy": autonomy_level(autonomy)})
        store = open_without_tract(place, config=given, tokenizer=tokenizer, actor=actor)
        return cls(store, Models(store, defaults), given)

    def close(self) -> None:
        """Close the connection, and with it every tract that was opened here. Closing twice does nothing."""
        self._models.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Session {self._store.database.location}>"

    # --- its tracts --------------------------------------------------------------------------------

    @property
    def autonomy(self) -> AutonomyLevel | None:
        """How far operations go on their own where nobody says, or `None` for what each does by itself."""
        return self._config.autonomy

    @property
    def tracts(self) -> Tracts:
        """What is known of each tract: a mapping by name of `TractInfo`, the oldest first."""
        return Tracts(self._store)

    def create_tract(
        self, name: str, *, purpose: str = "", config: TractConfig | Mapping[str, Any] | None = None
    ) -> Tract:
        """Create a tract that knows nothing, and return a handle on it.

        Args:
            name: Its name.
            purpose: What it is for.
            config: Its settings, instead of those of the session.

        Raises:
            TractExistsError: There is one of that name.
            InvalidRefNameError: The name breaks the rules.
        """
        settings = self._store.config if config is None else parse_config(config)
        return self._on(new_tract(self._store, name, purpose=purpose, config=settings))

    def get(self, name: str) -> Tract:
        """Return a handle on the tract *name*.

        Raises:
            TractNotFoundError: There is none.
        """
        return self._on(open_for_session(self._store, name, self._config))

    def trees(self) -> list[TractTree]:
        """Return a tree for each tract nobody spawned, the oldest first; `print` shows one."""
        infos = tract_infos(self._store)
        found = trees(infos)
        return [found[info.name] for info in infos if info.parent is None]

    def resume(self) -> Tract | None:
        """Return a handle on the unfinished tract that was written to last, or `None` if all are at their end.

        A tract is finished when the last thing said in it is a `SessionContent` of kind `end`. A run that was
        killed goes on with `run()`.
        """
        info = unfinished(self._store)
        return None if info is None else self.get(info.name)

    def handoff(
        self,
        source: str | Tract,
        target: str | Tract,
        *,
        summary: str,
        decisions: Iterable[str] = (),
        failed_approaches: Iterable[str] = (),
        next_steps: Iterable[str] = (),
    ) -> CommitInfo:
        """Tell the tract *target* where *source* stands, and end *source*. Returns what *target* was told.

        *target* gets a `SessionContent` of kind `handoff`, *source* one of kind `end`: two operations. Called again
        after a crash between them, it does what is missing.

        Args:
            source: Who stops.
            target: Who goes on.
            summary: Where it stands.
            decisions: What was decided.
            failed_approaches: What need not be tried again.
            next_steps: What comes next.

        Raises:
            TractNotFoundError: There is no such tract.
            InvalidContentError: A text is none.
        """
        lists = {"decisions": decisions, "failed_approaches": failed_approaches, "next_steps": next_steps}
        content = build(SessionContent, {"kind": "handoff", "summary": summary, **lists})
        return hand_over(self._of(source), self._of(target), content)

    # --- running children ------------------------------------------------------------------------------

    def run_children(
        self,
        children: str | Tract | Iterable[str | Tract],
        work: Callable[[Tract], object] | None = None,
        *,
        executor: Executor | None = None,
    ) -> list[ChildResult]:
        """Run spawned tracts, each by *work*, and return what came of each, in order; a failed one stops no other.

        Args:
            children: Names of tracts, or handles on them.
            work: Called with a handle on each; by default its `run()`, which goes on from the last commit.
            executor: How: `InlineExecutor()` (one after the other, the default), `ThreadExecutor()`,
                `DurableExecutor(url)`, which runs no finished child again after a crash, or an object with their `run`.

        Raises:
            TractNotFoundError: There is no such tract.
            InvalidInputError: One is named twice or was spawned by nobody, or *work* cannot be called.
            OperationOpenError: A batch is open.
        """
        if not (work is None or callable(work)):
            raise InvalidInputError(f"`work` is called with a handle; {shown(work)} cannot be.")
        given = [children] if isinstance(children, Tract) else listed(children)
        handles = {one.name: one for one in given if isinstance(one, Tract)}
        for handle in handles.values():
            self._of(handle)

        def run(name: str) -> str | None:
            child = handles[name] if name in handles else self.get(name)
            _ = child.run() if work is None else work(child)
            return child.head

        names = [one.name if isinstance(one, Tract) else one for one in given]
        return run_children(self._store, names, checked_executor(executor), run)

    # --- what happened -----------------------------------------------------------------------------

    def timeline(self, limit: int | None = None, *, tracts: Iterable[str] | str | None = None) -> list[TimelineEntry]:
        """Return the last *limit* operations (all by default) of all or some tracts, causes before what they caused.

        A child's beginning comes after its spawn, a collapse after the work it brought home; what has nothing to
        do with each other is ordered by time.

        Raises:
            TractNotFoundError: There is no such tract.
        """
        return timeline(self._store, limit=limit, tracts=tracts)

    def at(self, tract: str | Tract, when: str | CommitInfo | datetime) -> CompiledContext:
        """Return what *tract* knew at a time, or at the moment a commit was made; empty before it began.

        Args:
            tract: Whose context.
            when: A time with a time zone, or a commit of any tract: its hash, or `tract:revision`.

        Raises:
            TractNotFoundError: There is no such tract.
            RevisionNotFoundError: *when* names no commit.
        """
        return knew(self._store, tract.name if isinstance(tract, Tract) else tract, when)

    def search(self, query: str, *, limit: int = 20) -> list[SearchHit]:
        """Return the commits of all tracts whose texts hold what is asked for, best first; `hit.tract` says whose.

        As `Tract.search` with the scope `store`; `tract:name` in *query* looks in that tract alone.

        Raises:
            InvalidInputError: A query that is no text, or another limit than there can be.
            CorruptObjectError: A content that was looked at is damaged.

        Example:
            >>> with Session.open() as session:
            ...     _ = session.create_tract("planner").user("Is there a night train?")
            ...     [(hit.tract, hit.snippet) for hit in session.search("TRAIN role:user")]
            [('planner', 'Is there a night train?')]
        """
        return search(self._store, query, Where("store"), limit=limit)

    def stats(self) -> Stats:
        """Return how much the store holds: bytes by kind, duplicates, age, what gc could take.

        Cost:
            O(commits), plus the bytes of all contents.
        """
        return stats(self._store)

    # --- inside ------------------------------------------------------------------------------------

    def _on(self, store: Store) -> Tract:
        return Tract(store, None, self._models.beside(store))

    def _of(self, tract: str | Tract) -> Store:
        """Return a handle on *tract*, standing where a handle that was given stands."""
        if not isinstance(tract, Tract):
            return open_for_session(self._store, tract, self._config)
        require_same_store(self._store, tract._store)  # noqa: SLF001 - the facade keeps it there for its own layer
        return tract._store  # noqa: SLF001
