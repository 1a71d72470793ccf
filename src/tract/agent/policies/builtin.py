"""The policies that come with tract, by kind: what a tract can keep."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tract.agent.policies.auto_compress import AutoCompress
from tract.agent.policies.auto_pin import AutoPin
from tract.agent.policies.budget_guard import BudgetGuard
from tract.agent.policies.policy import Policy
from tract.agent.policies.secret_guard import SecretGuard
from tract.agent.policies.tool_rules import ToolRules

KINDS: Final[Mapping[str, type[Policy]]] = MappingProxyType(
    {one.kind: one for one in (AutoCompress, AutoPin, BudgetGuard, SecretGuard, ToolRules)}
)
