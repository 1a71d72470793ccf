"""Does what a policy wants, or keeps it as a proposal: each by the one operation its verb is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from tract.errors import InvalidInputError, ProposalStaleError, RefConflictError, shown
from tract.objects.decision import AutonomyLevel
from tract.objects.policy import PolicyAction, note_policies
from tract.objects.refs import BRANCH_PREFIX
from tract.operations.branch import create_branch, rename_branch
from tract.operations.commit import Remarks, annotate
from tract.operations.compress import Asked, CompressOptions, compress
from tract.operations.moving import Terms
from tract.operations.proposal import Proposal, ProposalKind, Proposed, mark, propose
from tract.operations.rebase import rebase
from tract.store import Store

POLICY: Final = "policy"
"""Name of the kind of proposals that hold an action."""


def carry_out(store: Store, action: PolicyAction, policy: str, *, is_proposal: bool = False) -> Any:
    """Do what *action* says, or with *is_proposal* keep it until somebody says yes.

    Raises:
        InvalidInputError: There is no such verb.
        TractError: It cannot be done.
    """
    verb = _VERBS.get(action.verb)
    if verb is None:
        raise InvalidInputError(f"No action {shown(action.verb)}.", hint=f"Actions are {', '.join(_VERBS)}.")
    if not is_proposal:
        return verb(store, action)
    if action.verb == "compress":
        return _compress(store, action, policy)
    head = store.head_hash()
    branch = store.head_ref().removeprefix(BRANCH_PREFIX)
    if head is None:
        raise InvalidInputError("There is nothing to act on.", hint="Commit something with `t.user(text)`.")
    payload = {"branch": branch, "drafts": [f"{policy}: {action}"], "action": _said(action, policy)}
    return propose(store, Proposed(ACTION, store.tip(head), payload), holds=lambda _: True)


def _annotate(store: Store, action: PolicyAction) -> Any:
    targets = [bytes.fromhex(commit) for commit in action.args["commits"]]
    priority = action.args["priority"]
    return annotate(store, targets, priority, reason=action.reason or None, remarks=Remarks(), verb="annotate")


def _said(action: PolicyAction, policy: str) -> dict[str, Any]:
    return {"verb": action.verb, "args": dict(action.args), "reason": action.reason, "policy": policy}


def _compress(store: Store, action: PolicyAction, proposes: str | None = None) -> Any:
    """Compress, or for the policy *proposes* keep the drafts.

    A draft nobody asked for costs nothing: the model that is configured writes one only where the policy says so.
    """
    args = action.args
    asks_model = args.get("asks_model")
    is_model = proposes is None if asks_model is None else asks_model
    options = CompressOptions(
        preserve=[bytes.fromhex(commit) for commit in args.get("preserve", ())],
        target_tokens=args.get("target_tokens"),
        summarizer=store.summarizer(store) if is_model and store.summarizer is not None else None,
    )
    if proposes is not None:
        asked = Asked(_said(action, proposes), tuple(args.get("replaces", ())))
        options = replace(options, autonomy=AutonomyLevel.COLLABORATIVE, asked=asked)
    return compress(store, options)


def _rename(store: Store, action: PolicyAction) -> Any:
    at = bytes.fromhex(action.args["at"])
    return rename_branch(store, action.args["branch"], action.args["name"], at=at)


def _branch(store: Store, action: PolicyAction) -> Any:
    return create_branch(store, action.args["name"], bytes.fromhex(action.args["at"]), switch=False)


def _rebase(store: Store, action: PolicyAction) -> Any:
    return rebase(store, bytes.fromhex(action.args["onto"]), Terms.of((), None, None))


_VERBS: Final[Mapping[str, Callable[[Store, PolicyAction], Any]]] = {
    "annotate": _annotate,
    "compress": _compress,
    "rename_branch": _rename,
    "branch": _branch,
    "rebase": _rebase,
}


# --- proposals -----------------------------------------------------------------------------------


def _action_of(proposal: Proposal) -> tuple[PolicyAction, str]:
    said = proposal.payload["action"]
    return PolicyAction(said["verb"], said["args"], said["reason"]), said["policy"]


def _check(_: Store, proposal: Proposal) -> None:
    raise InvalidInputError(
        f"The proposal {proposal.number} has no text to edit.",
        hint="Approve it, or drop it with `t.proposals.reject(number)`.",
    )


def _carry_out(store: Store, proposal: Proposal) -> Any:
    action, policy = _action_of(proposal)
    if store.head.branch != proposal.branch:
        raise ProposalStaleError(proposal.number, f"HEAD is not on `{proposal.branch}`")
    with store.batch(), store.operation("proposal-approve") as operation:
        mark(operation, proposal, "approved")
        note_policies(operation.args, (policy,))
        try:
            return _VERBS[action.verb](store, action)
        except (InvalidInputError, RefConflictError) as error:
            raise ProposalStaleError(proposal.number, error.message.rstrip(".")) from error


ACTION: Final = ProposalKind(POLICY, _check, _carry_out)
"""What a policy proposes besides compressions."""
