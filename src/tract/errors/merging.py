"""What can be wrong with a merge, or with one that waits for decisions."""

from __future__ import annotations

from typing import Literal

from tract.errors.base import StateError


class MergeConflictError(StateError):
    """A merge cannot be written: conflicts are undecided, a resolver aborted it, or no commit shows what was decided.

    Attributes:
        name: What was being merged.
        conflicts: How many conflicts this is about.
        reason: `undecided`, `aborted`, or `impossible`.
        said: Why the resolver aborted, or `None` if it did not say.
    """

    code = "merge_conflict"

    def __init__(
        self,
        name: str,
        conflicts: int,
        reason: Literal["undecided", "aborted", "impossible"] = "undecided",
        *,
        said: str | None = None,
    ) -> None:
        many = "" if conflicts == 1 else "s"
        told = {
            "undecided": f"has {conflicts} undecided conflict{many}",
            "aborted": "was aborted by its resolver",
            "impossible": f"cannot show {conflicts} message{many} as it was decided",
        }
        hint = "Look at `t.merge_in_progress`, decide each conflict, then `t.commit_merge(result)`."
        if reason == "impossible":
            hint = "Decide in another way, as with `result.resolve(0, 'ours')`, or give up with `t.abort_merge()`."
        super().__init__(f"The merge of `{name}` {told[reason]}; nothing was written.", hint=hint)
        self.name = name
        self.conflicts = conflicts
        self.reason = reason
        self.said = said


class MergeInProgressError(StateError):
    """Another merge waits for decisions, which a new one would overwrite.

    Attributes:
        name: What it merges.
        into: Branch it was begun on.
    """

    code = "merge_in_progress"

    def __init__(self, name: str, into: str) -> None:
        super().__init__(
            f"The merge of `{name}` into `{into}` waits for decisions.",
            hint="Finish `t.merge_in_progress` with `t.commit_merge(result)`, or give it up with `t.abort_merge()`.",
        )
        self.name = name
        self.into = into


class NoMergeError(StateError):
    """No merge waits for decisions."""

    code = "no_merge"

    def __init__(self) -> None:
        super().__init__("No merge is in progress.", hint="Begin one with `t.merge(branch)`.")
