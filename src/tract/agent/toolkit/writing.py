"""Answers what a model may do to its own context: tools that lose nothing, open to `self` and above.

Every call is one operation, which `undo` takes back. None touches an instruction or a pin somebody else set, puts words
into another's mouth or decides for an application: that needs a higher profile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from tract.agent.schemas import ArgumentsError
from tract.agent.toolkit.desk import Desk
from tract.agent.toolkit.reading import Revision
from tract.agent.toolkit.words import commit_line, counted, listing, one_line, short, shorts
from tract.errors import InvalidInputError, MergeConflictError
from tract.objects.decision import Resolution
from tract.operations.moving import MoveResult
from tract.operations.proposal import Proposal

Revisions: TypeAlias = Annotated[list[Revision], Field(min_length=1, max_length=500)]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
Reason: TypeAlias = Annotated[str, Field(max_length=1000)]
Decisions: TypeAlias = dict[str, Literal["ours", "theirs", "skip"]]
Kind: TypeAlias = Literal["note", "artifact", "output", "reasoning"]


def commit(
    desk: Desk, text: Annotated[str, Field(min_length=1)], kind: Kind = "note", message: Reason | None = None
) -> str:
    """Keep a text of yours in the context, at its end.

    Args:
        text: What to keep.
        kind: `note` for what you say, `artifact` for something made, `output` for a result to hand on, `reasoning` for
            what is kept but not sent.
        message: A headline for the log.
    """
    content = {"content_type": kind, "text": text}
    if kind == "note":
        content = {"content_type": "dialogue", "role": "assistant", "text": text}
    return committed(desk, content, message)


def committed(desk: Desk, content: dict[str, Any], message: str | None) -> str:
    """Commit *content* as the model's, and say so."""
    info = desk.t.commit(content, message=message, origin="model", metadata=desk.note)
    return f"Committed {commit_line(info)}"


def annotate(
    desk: Desk, commits: Revisions, priority: Literal["skip", "normal", "pinned"], reason: Reason | None = None
) -> str:
    """Set the priority of commits: `skip` leaves them out of what is sent, `pinned` keeps them from being compressed.

    Instructions and what somebody else pinned stay as they are. `normal` takes your own `skip` or pin back.

    Args:
        commits: Their hashes.
        priority: `skip`, `normal` or `pinned`.
        reason: Why.
    """
    hashes = desk.commits(commits)
    for hash_ in hashes:
        _require_free(desk, hash_, priority)
    return annotated(desk, hashes, priority, reason)


def _require_free(desk: Desk, commit: str, priority: str) -> None:
    """Refuse to change a priority that was not set with these tools."""
    entry = desk.entry(commit)
    if entry is None or entry.priority in {"normal", priority}:
        return
    if entry.annotated is None or not desk.is_ours(entry.annotated.hash):
        how = "pinned" if entry.priority == "pinned" else "left out"
        raise ArgumentsError(f"{short(commit)} was {how} by somebody else, and stays so.")


def annotated(desk: Desk, hashes: list[str], priority: str, reason: str | None) -> str:
    """Set priorities, and say so."""
    info = desk.t.annotate(hashes, priority, reason=reason, metadata=desk.note)
    return f"{shorts(hashes)}: {priority}; the context is {info.context_tokens:,} tokens now"


def compress(
    desk: Desk,
    summary: str | list[str] | None = None,
    *,
    commits: Revisions | None = None,
    target_tokens: Annotated[int, Field(ge=1)] | None = None,
    must_keep: list[str] | None = None,
) -> str:
    """Cover messages with a shorter summary; nothing is lost, `expand` shows it and `revert` brings it back.

    Args:
        summary: The summary you wrote, one text for each group of neighbours; without it sentences are picked.
        commits: The messages to cover; by default all that are not pinned.
        target_tokens: Most tokens the summaries may have together.
        must_keep: Texts that have to be in the summaries, such as names and numbers.
    """
    result = desk.t.compress(
        None if commits is None else desk.commits(commits),
        content=summary,
        target_tokens=target_tokens,
        must_keep=tuple(must_keep or ()),
    )
    if isinstance(result, Proposal):
        return waiting(result)
    lines = [f"{short(one)} is the summary" for one in result.commits]
    top = f"{result.tokens_before:,} tokens became {result.tokens_after:,}; {counted(len(result.kept), 'commit')} kept"
    return "\n".join([top, *lines])


def waiting(proposal: Proposal) -> str:
    """Say that what was asked for waits for somebody to approve it."""
    return f"Nothing is changed yet: it waits for approval as proposal {proposal.number}"


def branch(desk: Desk, name: Name, at: Revision | None = None, *, switch: bool = True) -> str:
    """Begin a branch, to try something without touching the current one.

    Args:
        name: Its name.
        at: The commit it begins at; HEAD if not given.
        switch: Stand on it.
    """
    made = desk.t.branch(name, at=None if at is None else desk.commit(at), switch=switch)
    return f"Branch {made.name} at {short(made.head or '')}{', now current' if switch else ''}"


def switch(desk: Desk, name: Name) -> str:
    """Stand on another branch.

    Args:
        name: The branch.
    """
    return f"On branch {desk.t.switch(name)}"


def merge(
    desk: Desk,
    branch: Revision,
    *,
    strategy: Literal["auto", "ours", "theirs", "squash"] = "auto",
    decisions: Decisions | None = None,
    message: Reason | None = None,
) -> str:
    """Bring what another branch has into the current one. Where both changed the same, nothing is done until decided.

    Args:
        branch: The other branch.
        strategy: `auto`; `ours` or `theirs` decide all conflicts for one side; `squash` adds one summary.
        decisions: For single conflicts, by the hash an earlier call named: `ours`, `theirs` or `skip`.
        message: A headline for the log.
    """
    name = branch if branch in desk.t.branches else desk.commit(branch)
    decide = _resolver(desk, decisions or {})
    try:
        result = desk.t.merge(name, strategy=strategy, resolver=decide, autonomy=desk.autonomy, message=message)
    except MergeConflictError as error:
        if error.reason != "aborted":
            raise
        raise ArgumentsError(f"Nothing was merged. {counted(error.conflicts, 'conflict')}; {error.said}") from error
    if result.head is None:
        return "Nothing is merged yet: the merge waits for somebody to look at what was decided"
    how = {"up_to_date": "is here already", "fast_forward": "was ahead; this branch moved there"}
    return f"{one_line(branch)} {how.get(result.kind, result.kind)}; HEAD is {short(result.head or '')}"


def _resolver(desk: Desk, decisions: Decisions) -> Callable[[Any], Resolution]:
    made = {desk.commit(commit): action for commit, action in decisions.items()}

    def decide(conflict: Any) -> Resolution:
        action = made.get(conflict.target)
        if action is not None:
            return Resolution(action, origin="model")
        ours, theirs = (_version(one) for one in (conflict.ours, conflict.theirs))
        said = f"{conflict.kind} {short(conflict.target)}: ours {ours}, theirs {theirs}. Decide it with `decisions`."
        return Resolution("abort", reason=said)

    return decide


def _version(version: Any) -> str:
    text = "" if version.message is None else one_line(version.message.text, 60)
    return f"({version.priority}) «{text}»"


def cherry_pick(desk: Desk, commits: Revisions) -> str:
    """Make commits of other branches again at the end of this one; a tool call brings its results.

    Args:
        commits: Their hashes, in the order they are to have.
    """
    result = done(desk.t.cherry_pick(desk.commits(commits)))
    skipped = f"; {counted(len(result.skipped), 'commit')} left out" if result.skipped else ""
    return f"Picked as {shorts(result.commits)}{skipped}"


def done(result: MoveResult) -> Any:
    """Return *result*, if it was carried out.

    Raises:
        ArgumentsError: It waits for decisions, and nothing was written.
    """
    if result.is_waiting:
        raise ArgumentsError(f"Nothing was done; somebody has to decide: {', '.join(map(repr, result.issues))}.")
    return result


def revert(desk: Desk, commit: Revision) -> str:
    """Switch off a note or an annotation of yours, or let a summary show what it covers again; by a new commit.

    Args:
        commit: Its hash.
    """
    hash_ = desk.commit(commit)
    if desk.t.get(hash_).op != "compress" and not desk.is_ours(bytes.fromhex(hash_)):
        raise ArgumentsError(f"{short(hash_)} is not yours, and stays so; `annotate` leaves a message out.")
    return reverted(desk, hash_)


def reverted(desk: Desk, commit: str) -> str:
    """Switch a commit off, and say so."""
    return f"Reverted {short(commit)} by {commit_line(desk.t.revert(commit))}"


def tag(desk: Desk, name: Name, at: Revision | None = None) -> str:
    """Give a commit a name, to find it again.

    Args:
        name: The name.
        at: The commit; HEAD if not given.
    """
    made = desk.t.tag(name, None if at is None else desk.commit(at))
    return f"Tag {made.name} at {short(made.commit)}"


def undo(desk: Desk) -> str:
    """Take back the last thing you did with these tools, if nothing was built on it since."""
    if not desk.done:
        raise ArgumentsError("Nothing you did with these tools is left to undo.")
    try:
        result = desk.t.undo(operation=desk.done[-1])
    except InvalidInputError:
        desk.done.pop()  # somebody took it back already
        raise
    desk.done.pop()
    return undone(result)


def undone(result: Any) -> str:
    """Say what an undo or redo did."""
    lines = [
        f"{'took back' if result.verb == 'undo' else 'did again'} {one.number} {one.verb}" for one in result.operations
    ]
    return listing([*lines, f"HEAD is {short(result.head) if result.head else 'nothing'}"], none="")


def expand(desk: Desk, commit: Revision) -> str:
    """Show what a summary or a merge stands for, down to the original messages.

    Args:
        commit: Hash of the summary or merge.
    """
    found = desk.t.expand(desk.commit(commit))
    lines = [
        f"{'  ' * level}{short(one.commit)} {one.op} {one.tokens}t | {one_line(one.text)}"
        for level, one in found.walk()
    ]
    return listing(lines, none="It stands for itself.")
