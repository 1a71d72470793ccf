"""Answers when a branch or a forked tract has fallen so far behind its parent that it is to be set on its tip."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from tract.agent.policies.policy import Decision, Policy
from tract.agent.policies.view import PolicyView
from tract.objects.policy import Event, PolicyAction


class AutoRebase(Policy):
    """Rebases the current branch onto its parent's tip once that has so many commits the branch has not.

    The parent of a branch is `parent`, the default branch if not said; that of a forked tract's default branch is the
    branch on which handles of the tract it was forked from start. What shares no history with it, has nothing of its
    own, or stands in the middle of a turn is left alone, and so is one whose parent does. Where something has to be
    decided it is proposed and never done.

    Attributes:
        behind_commits: How many commits of the parent it may lack.
        parent: Name of the parent branch.
        branches: Names of the branches it looks after; `None` for all.
    """

    kind: ClassVar[str] = "auto_rebase"
    events: ClassVar[tuple[str, ...]] = ("after_commit", "after_merge")

    priority: int = 0
    behind_commits: int = Field(default=20, ge=1)
    parent: str | None = None
    branches: tuple[str, ...] | None = None

    def evaluate(self, event: Event, view: PolicyView) -> Decision:  # noqa: ARG002 - whatever was committed
        """Look how far the branch is behind."""
        return self.scan(view)

    def scan(self, view: PolicyView) -> Decision:
        """Look how far the branch is behind."""
        onto = self._parent(view)
        if onto is None or onto == view.head:
            return None
        apart = view.apart(onto)
        if apart.behind < self.behind_commits or not apart.ahead or not apart.is_related:
            return None
        if not view.is_between_turns() or not view.is_between_turns(onto) or self._is_settled(view, onto):
            return None
        args: dict[str, Any] = {"onto": onto, "branch": view.branch}
        reason = f"`{view.branch}` lacks {apart.behind:,} commits of its parent"
        issues = view.rebase_issues(onto)
        if issues:
            args["issues"] = list(issues)
            reason += f"; to decide: {'; '.join(issues)}"
        return PolicyAction("rebase", args, reason)

    def _parent(self, view: PolicyView) -> str | None:
        """Return the tip of the current branch's parent."""
        branch = view.branch
        if branch is None or (self.branches is not None and branch not in self.branches):
            return None
        parent = view.default_branch if self.parent is None else self.parent
        if branch != parent:
            return view.branches.get(parent)
        return view.parent_tip if branch == view.default_branch else None

    def _is_settled(self, view: PolicyView, onto: str) -> bool:
        """Tell whether something waits for a yes, or somebody said no and the parent went not much further since."""
        if any(one.state == "open" and one.branch == view.branch for one in view.proposals):
            return True
        told = [one.args.get("onto") for one in view.refused(self.name) if one.branch == view.branch]
        return any(view.between(str(old), onto) < self.behind_commits for old in told if old)
