"""What can go wrong after something was removed on purpose: erased, collected, or not to be undone."""

from __future__ import annotations

from datetime import UTC, datetime

from tract.errors.base import StateError


class ContentErasedError(StateError):
    """The content was erased or collected on purpose; only its tombstone is left.

    Attributes:
        commit: Hash of the commit.
        verb: `erase`, or `gc` if it was collected; `""` if the log does not say.
        reason: Why it was erased, `""` if nobody said.
        actor: Who did it, `""` if not given.
        erased_at: When, UTC; `None` if the log does not say.
    """

    code = "content_erased"

    def __init__(
        self, commit: str, *, verb: str = "", reason: str = "", actor: str = "", erased_at: datetime | None = None
    ) -> None:
        done = "collected" if verb == "gc" else "erased"
        when = "" if erased_at is None else f" on {erased_at:%Y-%m-%d %H:%M} UTC"
        who = f" by {actor}" if actor else ""
        super().__init__(
            f"The content of {commit[:12]} was {done}{when}{who}{f': {reason}' if reason else ''}.",
            hint="Its commit is still there: `t.get(commit)`.",
        )
        self.commit = commit
        self.verb = verb
        self.reason = reason
        self.actor = actor
        self.erased_at = erased_at


class CommitCollectedError(StateError):
    """Nothing reached the commit for long enough, and gc has taken its history; no ref can go back to it.

    Attributes:
        commit: Hash of the commit.
        collected_at: When, UTC.
    """

    code = "commit_collected"

    def __init__(self, commit: str, collected_at: int) -> None:
        self.commit = commit
        self.collected_at = datetime.fromtimestamp(collected_at / 1_000_000, UTC)
        super().__init__(
            f"The commit {commit[:12]} was collected on {self.collected_at:%Y-%m-%d}: no ref can go back to it.",
            hint="Copy what was pinned with `t.cherry_pick(commit)`; keep more with `t.gc(keep_days=...)`.",
        )


class IrreversibleError(StateError):
    """The operation removed something for good and cannot be undone.

    Attributes:
        number: Its number.
        verb: `gc` or `erase`.
        before: Number of the last operation before it that can be undone, or `None`.
    """

    code = "irreversible"

    def __init__(self, number: int, verb: str, before: int | None) -> None:
        super().__init__(
            f"Operation {number} ({verb}) cannot be undone: what it removed is gone.",
            hint=None if before is None else f"Undo the one before it with `t.undo(operation={before})`.",
        )
        self.number = number
        self.verb = verb
        self.before = before
