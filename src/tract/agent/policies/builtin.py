"""The policies that come with tract, by kind: what a tract can keep."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tract.agent.policies.auto_archive import AutoArchive
from tract.agent.policies.auto_branch import AutoBranch
from tract.agent.policies.auto_compress import AutoCompress
from tract.agent.policies.auto_pin import AutoPin
from tract.agent.policies.auto_rebase import AutoRebase
from tract.agent.policies.budget_guard import BudgetGuard
from tract.agent.policies.policy import Policy
from tract.agent.policies.secret_guard import SecretGuard
from tract.agent.policies.tool_rules import ToolRules
from tract.objects.config import TractConfig

KINDS: Final[Mapping[str, type[Policy]]] = MappingProxyType(
    {
        one.kind: one
        for one in (AutoArchive, AutoBranch, AutoCompress, AutoPin, AutoRebase, BudgetGuard, SecretGuard, ToolRules)
    }
)


def defaults(config: TractConfig) -> tuple[Policy, ...]:
    """Return the policies that are in force without being added, unless one of their kind is kept."""
    return () if config.budget is None else (AutoCompress(),)


def removed(rule: Policy) -> Policy | None:
    """Return what stays of *rule* when it is removed: what would be in force by itself is kept as `off`."""
    return AutoCompress(mode="off") if rule.kind == AutoCompress.kind else None
