"""Says what can go wrong while summaries are written and proposals decided."""

from __future__ import annotations

from tract.errors.base import NotFoundError, StateError


class SummaryError(StateError):
    """The summarizer gave no summary that can be used, also when asked again; nothing was written.

    Attributes:
        reason: What was wrong with the last attempt.
        best: The attempt that came nearest, or `None` if there was no text at all. Not in the message.
        tokens: Tokens of that attempt's message.
        limit_tokens: Most tokens it may have.
        commits: Hashes of the commits it was to stand for.
    """

    code = "summary"

    def __init__(
        self,
        reason: str,
        *,
        best: str | None = None,
        tokens: int = 0,
        limit_tokens: int = 0,
        commits: tuple[str, ...] = (),
    ) -> None:
        super().__init__(
            f"No usable summary: {reason}.",
            hint="Raise `target_tokens`, pass another `summarizer`, or write it yourself: `t.compress(content=text)`.",
        )
        self.reason = reason
        self.best = best
        self.tokens = tokens
        self.limit_tokens = limit_tokens
        self.commits = commits


class ProposalNotFoundError(NotFoundError):
    """No proposal has this number."""

    code = "proposal_not_found"

    def __init__(self, number: int) -> None:
        super().__init__(f"No proposal {number}.", hint="Look at `t.proposals` for what exists.")
        self.number = number


class ProposalDecidedError(StateError):
    """The proposal was approved or rejected already, or edited by somebody else meanwhile.

    Attributes:
        number: The proposal.
        state: What became of it.
    """

    code = "proposal_decided"

    def __init__(self, number: int, state: str) -> None:
        said = "was edited meanwhile" if state == "replaced" else f"is {state}"
        super().__init__(f"Proposal {number} {said}.", hint="Look at it again with `t.proposals[number]`.")
        self.number = number
        self.state = state


class ProposalStaleError(StateError):
    """What the proposal was made for has changed, so it can no longer be carried out.

    Attributes:
        number: The proposal.
        reason: What changed.
    """

    code = "proposal_stale"

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(
            f"Proposal {number} no longer fits: {reason}.",
            hint="Drop it with `t.proposals.reject(number)`, and make a new one.",
        )
        self.number = number
        self.reason = reason
