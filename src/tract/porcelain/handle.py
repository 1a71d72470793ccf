"""What every part of `Tract` stands on: the open store, the client, and what names a commit."""

from __future__ import annotations

from functools import partial
from types import TracebackType
from typing import Self

from tract.agent.policies.decider import Decider
from tract.agent.policies.kept import KeptPolicies
from tract.agent.settings import Defaults, Models
from tract.agent.summarizer import configured
from tract.compile.compiler import Compiler
from tract.history.revision import resolve
from tract.objects.commit import CommitInfo
from tract.objects.config import TractConfig
from tract.objects.decision import AutonomyLevel
from tract.operations.room import make_room
from tract.porcelain.collections import Tools
from tract.sessions.opening import open_beside
from tract.store import Store


class TractHandle:
    """An open tract: its store, its models and its tools."""

    def __init__(
        self,
        store: Store,
        compiler: Compiler | None = None,
        models: Models | None = None,
        tools: Tools | None = None,
        *,
        policies: KeptPolicies | None = None,
    ) -> None:
        self._store = store
        self._compiler = compiler
        self._models = Models(store, Defaults()) if models is None else models
        self._tools = Tools(store) if tools is None else tools
        self._decider = _equipped(store, self._models, policies)

    def close(self) -> None:
        """Close the handle. Closing twice does nothing."""
        self._decider.close()
        self._models.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Tract {self._store.tract!r} {self._store.database.location}>"

    @property
    def head(self) -> str | None:
        """Hash of the commit HEAD stands on, or `None` before the first."""
        head = self._store.head_hash()
        return None if head is None else head.hex()

    @property
    def current_branch(self) -> str | None:
        """Name of the branch HEAD is on, or `None` when detached."""
        return self._store.head.branch

    @property
    def name(self) -> str:
        """Name of this tract in its store."""
        return self._store.tract

    @property
    def config(self) -> TractConfig:
        """The settings in force."""
        return self._store.config

    # --- inside ------------------------------------------------------------------------------------

    def _on(self, store: Store, policies: KeptPolicies | None = None) -> Self:
        """Return a handle on another tract of the store, with what this one was given."""
        return type(self)(
            store, self._compiler, self._models.beside(store), Tools(store, self._tools), policies=policies
        )

    def _beside(self, name: str) -> Self:
        return self._on(open_beside(self._store, name))

    def _level(self, autonomy: AutonomyLevel | str | None) -> AutonomyLevel | str | None:
        return self._store.config.autonomy if autonomy is None else autonomy

    def _resolve(self, revision: str | CommitInfo) -> bytes:
        return resolve(self._store, revision)


def _equipped(store: Store, models: Models, policies: KeptPolicies | None) -> Decider:
    """Let *store* use what the application gave: who makes room and summarizes, and the policies in force."""
    store.summarizer = configured(models)
    store.make_room = partial(make_room, store.summarizer)
    return Decider(store, policies)
