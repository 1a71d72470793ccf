"""Answers which tool each profile has: one entry each, with the operations a call may write.

An entry replaces one of the same name for a lower profile. Another verb is one function and one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tract.agent.toolkit import reading, ruling, writing
from tract.agent.toolkit.profiles import PROFILES, Profile


@dataclass(frozen=True, slots=True)
class ToolEntry:
    """One tool of the toolkit.

    Attributes:
        name: What the model calls it by.
        profile: The lowest profile that has it.
        function: Called with the desk and the arguments; its docstring describes it.
        verbs: What its operations are called in the log; none for a tool that writes nothing.
        is_slow: It may ask a model or work for long, so other threads are not kept waiting.
    """

    name: str
    profile: Profile
    function: Callable[..., str]
    verbs: frozenset[str] = frozenset()
    is_slow: bool = False


def _entry(name: str, profile: Profile, function: Callable[..., str], *verbs: str, is_slow: bool = False) -> ToolEntry:
    return ToolEntry(name, profile, function, frozenset(verbs), is_slow)


TABLE: Final[tuple[ToolEntry, ...]] = (
    _entry("status", "read", reading.status),
    _entry("context", "read", reading.context),
    _entry("log", "read", reading.log),
    _entry("show", "read", reading.show),
    _entry("search", "read", reading.search),
    _entry("diff", "read", reading.diff),
    _entry("expand", "read", writing.expand),
    _entry("branches", "read", reading.branches),
    _entry("tags", "read", reading.tags),
    _entry("operations", "read", reading.operations),
    _entry("commit", "self", writing.commit, "commit"),
    _entry("annotate", "self", writing.annotate, "annotate"),
    _entry("compress", "self", writing.compress, "compress", is_slow=True),
    _entry("branch", "self", writing.branch, "branch"),
    _entry("switch", "self", writing.switch, "switch"),
    _entry("merge", "self", writing.merge, "merge", is_slow=True),
    _entry("cherry_pick", "self", writing.cherry_pick, "cherry-pick", is_slow=True),
    _entry("revert", "self", writing.revert, "revert"),
    _entry("tag", "self", writing.tag, "tag"),
    _entry("undo", "self", writing.undo),
    _entry("commit", "supervisor", ruling.commit_as, "commit"),
    _entry("annotate", "supervisor", ruling.annotate_any, "annotate"),
    _entry("edit", "supervisor", ruling.edit, "edit"),
    _entry("revert", "supervisor", ruling.revert_any, "revert"),
    _entry("reorder", "supervisor", ruling.reorder, "reorder"),
    _entry("rebase", "supervisor", ruling.rebase, "rebase", is_slow=True),
    _entry("undo", "supervisor", ruling.undo_any),
    _entry("redo", "supervisor", ruling.redo),
    _entry("describe_branch", "supervisor", ruling.describe_branch, "branch-describe"),
    _entry("rename_branch", "supervisor", ruling.rename_branch, "branch-rename"),
    _entry("delete_branch", "supervisor", ruling.delete_branch, "branch-delete"),
    _entry("spawn", "supervisor", ruling.spawn, "spawn"),
    _entry("collapse", "supervisor", ruling.collapse, "collapse", is_slow=True),
    _entry("children", "supervisor", ruling.children),
    _entry("commit", "admin", ruling.commit_any, "commit"),
    _entry("reset", "admin", ruling.reset, "reset"),
    _entry("delete_branch", "admin", ruling.drop_branch, "branch-delete"),
    _entry("set_budget", "admin", ruling.set_budget, "configure"),
    _entry("gc", "admin", ruling.gc, "gc", is_slow=True),
    _entry("erase", "admin", ruling.erase, "erase", is_slow=True),
)


def entries_of(profile: Profile) -> dict[str, ToolEntry]:
    """Return the entries of *profile* by name: its own, and those of lower ones it does not replace."""
    rank = PROFILES.index(profile)
    return {one.name: one for one in TABLE if PROFILES.index(one.profile) <= rank}
