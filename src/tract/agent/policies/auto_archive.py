"""Answers which branches nobody has touched for so long that they are to be put away."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Final

from pydantic import Field

from tract.agent.policies.policy import Decision, Policy
from tract.agent.policies.view import PolicyView
from tract.objects.policy import Event, PolicyAction
from tract.operations.branch import Touch

ARCHIVE: Final = "archive/"
_LONGEST: Final = 240
_DAY: Final = 86_400_000_000


class AutoArchive(Policy):
    """Renames stale branches, the longest untouched first, one after each commit: `old` becomes `archive/old`.

    Touching a branch is committing on it, renaming it, switching to it or taking any of these back. So one that is
    renamed back stays until it went stale again. HEAD's branch, the one new handles start on, the default branch and
    those a proposal waits for are left alone.

    Attributes:
        idle_days: Untouched for so long it is stale.
        idle_operations: Untouched while so many operations were done it is stale; `None` for however many.
        keep: Names of branches that stay, `*` for any text in them.
    """

    kind: ClassVar[str] = "auto_archive"
    events: ClassVar[tuple[str, ...]] = ("after_commit", "after_merge")

    priority: int = -10
    idle_days: float = Field(default=30.0, gt=0)
    idle_operations: int | None = Field(default=None, ge=1)
    keep: tuple[str, ...] = ()

    def evaluate(self, event: Event, view: PolicyView) -> Decision:  # noqa: ARG002 - time goes on with any commit
        """Look for the branch that is stale for longest."""
        return self.scan(view)

    def scan(self, view: PolicyView) -> Decision:
        """Look for the branch that is stale for longest."""
        touched, branches = view.touched, view.branches
        waiting = [name for name in self._candidates(view) if self._why(touched.get(name), view)]
        if not waiting:
            return None
        waits = [one for one in view.proposals if one.state == "open"]
        busy = {one.args.get("branch", one.branch) for one in waits}
        refused = {_key(one.args) for one in view.refused(self.name)}
        for name in sorted(waiting, key=lambda one: touched[one]):
            if name in busy or (name, touched[name].operation) in refused:
                continue
            args = {"branch": name, "name": _free(name, branches), "at": branches[name]}
            told = {**args, "touched": touched[name].operation}
            return PolicyAction("rename_branch", told, f"`{name}`: {self._why(touched[name], view)}")
        return None

    def _candidates(self, view: PolicyView) -> list[str]:
        stay = {view.branch, view.start, view.default_branch}
        return [
            name
            for name in view.branches
            if name not in stay
            and not name.startswith(ARCHIVE)
            and len(name.encode()) <= _LONGEST
            and not any(fnmatchcase(name, pattern) for pattern in self.keep)
        ]

    def _why(self, last: Touch | None, view: PolicyView) -> str:
        """Return in what way it is stale, `""` if it is not."""
        if last is None:
            return ""
        days, operations = (view.now - last.at) / _DAY, view.operation - last.operation
        if days >= self.idle_days:
            return f"untouched for {days:.0f} days"
        if self.idle_operations is not None and operations >= self.idle_operations:
            return f"untouched for {operations:,} operations"
        return ""


def _key(args: Mapping[str, Any]) -> tuple[Any, Any]:
    return args.get("branch"), args.get("touched")


def _free(name: str, branches: Mapping[str, str]) -> str:
    """Return the name in the archive, with a number if there is one of that name."""
    new, number = ARCHIVE + name, 1
    while new in branches:
        number += 1
        new = f"{ARCHIVE}{name}-{number}"
    return new
