"""Says what can go wrong: one tree, each error with attributes, a sentence and a hint.

Every error is a `TractError`. Where Python users expect a built-in (`KeyError` for a missing
name, `ValueError` for bad input, `TimeoutError` for a deadline) the class inherits it too.
Hints name real methods; a gate resolves them against the public API.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from tract.errors.agent import (
    NothingToAnswerError,
    OrchestratorStateError,
    StreamOpenError,
    ToolNotFoundError,
    UnansweredCallsError,
)
from tract.errors.base import NotFoundError, StateError, TractError, nearest, shown
from tract.errors.compressing import ProposalDecidedError, ProposalNotFoundError, ProposalStaleError, SummaryError
from tract.errors.llm import (
    AuthenticationError,
    ContextTooLongError,
    ModelAnswerError,
    ModelConnectionError,
    ModelError,
    ModelRequestError,
    ModelResponseError,
    ModelTimeoutError,
    ModelUnavailableError,
    NoModelError,
    RateLimitedError,
    StreamBrokenError,
)
from tract.errors.merging import MergeConflictError, MergeInProgressError, NoMergeError
from tract.errors.policies import PolicyDeniedError, PolicyNotFoundError
from tract.errors.removal import CommitCollectedError, ContentErasedError, IrreversibleError
from tract.errors.storage import (
    BusyError,
    ConnectionLostError,
    CorruptGraphError,
    CorruptObjectError,
    CorruptRanksError,
    CorruptStoreError,
    DiskFullError,
    MigrationError,
    NotAStoreError,
    SchemaTooNewError,
    StorageError,
)
from tract.errors.tracts import TractExistsError, TractNotFoundError

__all__ = [
    "AbortedError",
    "AmbiguousRevisionError",
    "AuthenticationError",
    "BranchNotFoundError",
    "BudgetExceededError",
    "BusyError",
    "ClosedHandleError",
    "CommitCollectedError",
    "ConnectionLostError",
    "ContentErasedError",
    "ContentTooLargeError",
    "ContextTooLongError",
    "CorruptGraphError",
    "CorruptObjectError",
    "CorruptRanksError",
    "CorruptStoreError",
    "CurrentBranchError",
    "DetachedHeadError",
    "DiskFullError",
    "ErasedMeanwhileError",
    "ForkedHandleError",
    "FormatError",
    "InvalidContentError",
    "InvalidInputError",
    "InvalidRefNameError",
    "InvalidTargetError",
    "IrreversibleError",
    "MergeConflictError",
    "MergeInProgressError",
    "MigrationError",
    "MissingTargetError",
    "ModelAnswerError",
    "ModelConnectionError",
    "ModelError",
    "ModelRequestError",
    "ModelResponseError",
    "ModelTimeoutError",
    "ModelUnavailableError",
    "NoMergeError",
    "NoModelError",
    "NotAStoreError",
    "NotCanonicalError",
    "NotFoundError",
    "NothingToAnswerError",
    "NothingToUndoError",
    "OperationConflictError",
    "OperationNotFoundError",
    "OperationOpenError",
    "OrchestratorStateError",
    "PolicyDeniedError",
    "PolicyNotFoundError",
    "ProposalDecidedError",
    "ProposalNotFoundError",
    "ProposalStaleError",
    "RateLimitedError",
    "ReadOnlyError",
    "RefConflictError",
    "RefExistsError",
    "RevisionNotFoundError",
    "SafetyError",
    "SchemaTooNewError",
    "StateError",
    "StorageError",
    "StoreNotFoundError",
    "StreamBrokenError",
    "StreamOpenError",
    "SummaryError",
    "TagNotFoundError",
    "ToolNotFoundError",
    "TractError",
    "TractExistsError",
    "TractNotFoundError",
    "UnansweredCallsError",
    "UnknownContentTypeError",
    "UnknownTokenizerError",
    "UnmergedBranchError",
    "shown",
]

# --- not found -----------------------------------------------------------------------------------


class RevisionNotFoundError(NotFoundError):
    """No commit, branch or tag answers to this revision."""

    code = "revision_not_found"

    def __init__(self, revision: str, known: Collection[str] = ()) -> None:
        super().__init__(
            f"No commit, branch or tag matches `{revision}`.",
            hint=nearest(revision, known, "List recent commits with `t.log()`."),
        )
        self.revision = revision


class BranchNotFoundError(NotFoundError):
    """No branch has this name."""

    code = "branch_not_found"

    def __init__(self, name: str, known: Collection[str] = ()) -> None:
        super().__init__(f"No branch `{name}`.", hint=nearest(name, known, "Look at `t.branches` for what exists."))
        self.name = name


class TagNotFoundError(NotFoundError):
    """No tag has this name."""

    code = "tag_not_found"

    def __init__(self, name: str, known: Collection[str] = ()) -> None:
        super().__init__(f"No tag `{name}`.", hint=nearest(name, known, "Look at `t.tags` for what exists."))
        self.name = name


class StoreNotFoundError(NotFoundError):
    """The file holds no store and creating one was not allowed."""

    code = "store_not_found"

    def __init__(self, path: str) -> None:
        super().__init__(f"No tract store at `{path}`.", hint="Create one with `Tract.open(path)` or `tract init`.")
        self.path = path


class OperationNotFoundError(NotFoundError):
    """The operation log has no operation of this number."""

    code = "operation_not_found"

    def __init__(self, number: int) -> None:
        super().__init__(f"No operation {number}.", hint="List them with `t.operations`.")
        self.number = number


class AmbiguousRevisionError(TractError, ValueError):
    """A prefix names more than one commit."""

    code = "ambiguous_revision"

    def __init__(self, prefix: str, candidates: Sequence[str]) -> None:
        super().__init__(
            f"`{prefix}` is the start of {len(candidates)} commits.",
            hint=f"Use more characters: {', '.join(c[: len(prefix) + 6] for c in candidates[:5])}.",
        )
        self.prefix = prefix
        self.candidates = tuple(candidates)


# --- bad input -----------------------------------------------------------------------------------


class InvalidInputError(TractError, ValueError):
    """An argument has a value this call cannot take."""

    code = "invalid_input"
    usual_hint = "Look at what the call takes with `help`."


class InvalidContentError(InvalidInputError):
    """The content given cannot be stored as it is.

    Attributes:
        field: Path to the offending part, such as `messages[3].role`, or `None`.
    """

    code = "invalid_content"
    usual_hint = "Look at the fields of the content type with `help`, as in `help(tract.DialogueContent)`."

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field


class NotCanonicalError(InvalidContentError):
    """A value has no canonical JSON form (lone surrogate, NaN, huge integer, bad key, too deep)."""

    code = "not_canonical"
    usual_hint = "Make it plain JSON: text, numbers, lists, and objects with text keys, at most 128 levels deep."


class ContentTooLargeError(InvalidContentError):
    """A payload is larger than the store accepts."""

    code = "content_too_large"

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"The content has {size_bytes:,} bytes; the limit is {limit_bytes:,}.",
            hint="Split it, or raise `max_content_bytes` in `TractConfig`.",
        )
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class UnknownContentTypeError(InvalidContentError):
    """No content type has this name."""

    code = "unknown_content_type"

    def __init__(self, name: str, known: Collection[str]) -> None:
        super().__init__(
            f"Unknown content type `{name}`.",
            hint=nearest(name, known, "Register it first with `t.register_content_type(name, model)`."),
        )
        self.name = name


class InvalidTargetError(InvalidInputError):
    """An edit, annotation or revert names a commit it cannot act on."""

    code = "invalid_target"

    def __init__(self, message: str, *, target: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.target = target


class InvalidRefNameError(InvalidInputError):
    """A branch, tag or tract name breaks the naming rules.

    Attributes:
        name: The name given.
        reason: The rule it breaks.
    """

    code = "invalid_ref_name"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"`{name!a}` is not a valid name: {reason}.", hint="Use letters, digits, `-`, `_` and `/`.")
        self.name = name
        self.reason = reason


class UnknownTokenizerError(InvalidInputError):
    """No token counter has this name."""

    code = "unknown_tokenizer"

    def __init__(self, name: str, known: Collection[str]) -> None:
        super().__init__(f"Unknown tokenizer `{name}`.", hint=f"Known are {', '.join(sorted(known))}.")
        self.name = name
        self.known = tuple(sorted(known))


class FormatError(InvalidInputError):
    """Messages in a provider's format could not be read.

    Attributes:
        path: Where in the input, such as `messages[3].tool_calls[0]`.
    """

    code = "format"
    usual_hint = "Write messages as the provider's API takes them, or use `t.user(text)` and its siblings."

    def __init__(self, message: str, *, path: str = "", hint: str | None = None) -> None:
        super().__init__(f"{path}: {message}" if path else message, hint=hint)
        self.path = path


# --- state ---------------------------------------------------------------------------------------


class ClosedHandleError(StateError):
    """The handle was closed."""

    code = "closed"

    def __init__(self) -> None:
        super().__init__("This tract is closed.", hint="Open it again with `Tract.open(path)`.")


class ForkedHandleError(StateError):
    """The handle was opened by another process; a database connection must not cross a fork."""

    code = "forked"

    def __init__(self) -> None:
        super().__init__(
            "This tract was opened before the process forked.", hint="Call `Tract.open(path)` in the child process."
        )


class ReadOnlyError(StateError):
    """The handle was opened for reading only."""

    code = "read_only"

    def __init__(self) -> None:
        super().__init__("This tract is open read-only.", hint="Open it with `Tract.open(path)` to write.")


class DetachedHeadError(StateError):
    """HEAD names a commit and no branch, so there is nothing a commit could move."""

    code = "detached_head"

    def __init__(self) -> None:
        super().__init__(
            "HEAD is detached: it names a commit, not a branch.",
            hint="Keep working here with `t.branch(name)`, or go back with `t.switch(name)`.",
        )


class OperationOpenError(StateError):
    """A batch is open on this handle and the call needs its own operation."""

    code = "operation_open"

    def __init__(self, verb: str) -> None:
        super().__init__(
            f"`{verb}` cannot run inside `t.batch()`.", hint="Leave the `with` block of `t.batch()` first."
        )
        self.verb = verb


class RefConflictError(StateError):
    """The ref moved: somebody else wrote since the value this call was based on.

    Attributes:
        name: Short name of the ref.
        expected: Hash the caller expected, or `None` for "does not exist".
        actual: Hash found, or `None`.
    """

    code = "ref_conflict"

    def __init__(self, name: str, expected: str | None, actual: str | None) -> None:
        super().__init__(
            f"`{name}` is at {(actual or 'nothing')[:12]}, not at {(expected or 'nothing')[:12]} as expected.",
            hint="Look at what came in with `t.log()`, then try again.",
        )
        self.name = name
        self.expected = expected
        self.actual = actual


class ErasedMeanwhileError(RefConflictError):
    """What this call was making holds contents that somebody has erased meanwhile; nothing was written."""

    code = "erased_meanwhile"

    def __init__(self, name: str, head: str | None) -> None:
        super().__init__(name, head, head)
        self.message = "Something was erased while this was being made of it; nothing was written."
        self.args = (self.message,)  # what `repr` shows
        self.hint = "Make the call again; a result that waited is made anew, or read with `t.merge_in_progress`."


class NothingToUndoError(StateError):
    """There is no operation left to undo, or none to redo."""

    code = "nothing_to_undo"

    def __init__(self, verb: str) -> None:
        super().__init__(f"There is nothing to {verb}.", hint="Look at `t.operations` for what was done.")
        self.verb = verb


class OperationConflictError(StateError):
    """Later operations built on this one, so it cannot be undone by itself.

    Attributes:
        number: The operation that was to be undone or redone.
        name: Full name of the ref or setting that has moved on; `""` if another operation came in between.
    """

    code = "operation_conflict"

    def __init__(self, verb: str, number: int, name: str) -> None:
        super().__init__(
            f"Cannot {verb} operation {number}: "
            + (f"`{name.partition('/')[2] or name}` has moved since." if name else "another one came in between."),
            hint="Undo the later operations first with `t.undo(n)`, or go back with `t.reset(revision)`.",
        )
        self.verb = verb
        self.number = number
        self.name = name


class CurrentBranchError(StateError):
    """The branch HEAD is on cannot be deleted."""

    code = "current_branch"

    def __init__(self, name: str) -> None:
        super().__init__(f"`{name}` is the current branch.", hint="Stand on another one first: `t.switch(name)`.")
        self.name = name


class UnmergedBranchError(StateError):
    """Deleting this branch would leave commits no other branch or tag reaches.

    Attributes:
        name: The branch.
        commits: How many commits only it reaches.
    """

    code = "unmerged_branch"

    def __init__(self, name: str, commits: int) -> None:
        super().__init__(
            f"`{name}` holds {commits} commit{'s' if commits != 1 else ''} no other branch or tag has.",
            hint="Pass `force=True` to `t.branches.delete(name, force=True)`; `t.undo()` brings it back.",
        )
        self.name = name
        self.commits = commits


class RefExistsError(StateError):
    """A ref of this name exists already."""

    code = "ref_exists"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"A {kind} `{name}` exists already.", hint="Choose another name, or delete it first.")
        self.kind = kind
        self.name = name


class BudgetExceededError(StateError):
    """The compiled context would be larger than its token budget.

    Attributes:
        tokens: Compiled size after the commit; of `t.compile(budget=...)`, what it cannot leave out.
        limit_tokens: Largest compiled size allowed.
    """

    code = "budget_exceeded"

    def __init__(self, tokens: int, limit_tokens: int, *, what: str = "The context") -> None:
        super().__init__(
            f"{what} would hold {tokens:,} tokens; the budget is {limit_tokens:,}.",
            hint="Leave something out with `t.skip(commit)`, or raise the `TokenBudget`.",
        )
        self.tokens = tokens
        self.limit_tokens = limit_tokens


class SafetyError(StateError):
    """The call would break something; nothing was written.

    Attributes:
        warnings: What it would break, each with `kind`, `commits` and `message`.
    """

    code = "safety"

    def __init__(self, verb: str, warnings: Sequence[_Warning]) -> None:
        first, more = warnings[0].message, len(warnings) - 1
        kinds = ", ".join(repr(kind) for kind in dict.fromkeys(warning.kind for warning in warnings))
        super().__init__(
            f"{first[:-1]} ({more} more warning{'s' if more > 1 else ''})." if more else first,
            hint=f"Pass `allow=[{kinds}]` to {verb} all the same, or a `resolver` that decides.",
        )
        self.verb = verb
        self.warnings = tuple(warnings)


class _Warning(Protocol):
    @property
    def kind(self) -> str: ...
    @property
    def commits(self) -> tuple[str, ...]: ...
    @property
    def message(self) -> str: ...


class MissingTargetError(StateError):
    """A commit to be copied acts on one that is not there; nothing was written.

    Attributes:
        issue: The commit and what it misses, as a resolver would be asked.
    """

    code = "missing_target"

    def __init__(self, issue: _Issue) -> None:
        super().__init__(
            issue.message, hint="Name what it acts on as well, or pass a `resolver` that adapts or skips it."
        )
        self.issue = issue


class _Issue(Protocol):
    @property
    def message(self) -> str: ...


class AbortedError(StateError):
    """A resolver decided that the call should do nothing; nothing was written.

    Attributes:
        issue: What it was asked about.
        reason: Why, or `None` if it did not say.
    """

    code = "aborted"

    def __init__(self, issue: _Issue, reason: str | None = None) -> None:
        super().__init__(f"The resolver aborted: {reason or issue.message}", hint="Nothing was written.")
        self.issue = issue
        self.reason = reason
