"""Answers what a supervisor or an administrator may do besides: rewrite, restore, and remove for good."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from tract.agent.schemas import ArgumentsError
from tract.agent.toolkit.desk import Desk
from tract.agent.toolkit.reading import Revision
from tract.agent.toolkit.words import commit_line, counted, listing, short, shorts
from tract.agent.toolkit.writing import Name, Reason, Revisions, annotated, committed, done, reverted, undone, waiting
from tract.operations.proposal import Proposal

# --- supervisor ----------------------------------------------------------------------------------


def commit_as(
    desk: Desk,
    text: Annotated[str, Field(min_length=1)],
    kind: Literal["note", "artifact", "output", "reasoning", "user"] = "note",
    message: Reason | None = None,
) -> str:
    """Keep a text in the context, at its end.

    Args:
        text: What to keep.
        kind: `note` for what an assistant says, `user` for what a user says, `artifact` for something made, `output`
            for a result to hand on, `reasoning` for what is kept but not sent.
        message: A headline for the log.
    """
    roles = {"note": "assistant", "user": "user"}
    content: dict[str, Any] = {"content_type": kind, "text": text}
    if kind in roles:
        content = {"content_type": "dialogue", "role": roles[kind], "text": text}
    return committed(desk, content, message)


def annotate_any(
    desk: Desk, commits: Revisions, priority: Literal["skip", "normal", "pinned"], reason: Reason | None = None
) -> str:
    """Set the priority of any commits: `skip` leaves them out of what is sent, `pinned` keeps them as they are.

    Args:
        commits: Their hashes.
        priority: `skip`, `normal` or `pinned`.
        reason: Why.
    """
    return annotated(desk, desk.commits(commits), priority, reason)


def edit(desk: Desk, commit: Revision, text: Annotated[str, Field(min_length=1)], message: Reason | None = None) -> str:
    """Replace what a message says, in its place; the history keeps the old text.

    Args:
        commit: The message.
        text: What it is to say.
        message: A headline for the log.
    """
    info = desk.t.edit(desk.commit(commit), text, message=message, metadata=desk.note)
    return f"Edited by {commit_line(info)}"


def revert_any(desk: Desk, commit: Revision) -> str:
    """Switch off what any commit did, by a new commit.

    Args:
        commit: Its hash.
    """
    return reverted(desk, desk.commit(commit))


def reorder(desk: Desk, commits: Revisions, message: Reason | None = None) -> str:
    """Let messages trade the places they hold among themselves.

    Args:
        commits: In the order they are to have.
        message: A headline for the log.
    """
    result = done(desk.t.reorder(desk.commits(commits), message=message))
    return f"Reordered; HEAD is {short(result.head or '')}"


def rebase(desk: Desk, onto: Revision) -> str:
    """Make what only the current branch has again on top of another commit, and move the branch there.

    Args:
        onto: The commit or branch to stand on.
    """
    result = done(desk.t.rebase(desk.commit(onto)))
    return f"Rebased onto {short(desk.commit(onto))}; HEAD is {short(result.head or '')}"


def undo_any(desk: Desk, n: Annotated[int, Field(ge=1, le=100)] = 1, operation: int | None = None) -> str:
    """Take back the last operations of this tract, whoever did them, or a single one by its number.

    Args:
        n: How many.
        operation: Take back just this one.
    """
    return undone(desk.t.undo(n) if operation is None else desk.t.undo(operation=operation))


def redo(desk: Desk, n: Annotated[int, Field(ge=1, le=100)] = 1) -> str:
    """Do the last undone operations again.

    Args:
        n: How many.
    """
    return undone(desk.t.redo(n))


def describe_branch(desk: Desk, name: Name, description: Reason) -> str:
    """Say what a branch is for.

    Args:
        name: The branch.
        description: A sentence.
    """
    return f"Branch {desk.t.branches.describe(name, description).name} is described"


def rename_branch(desk: Desk, name: Name, new: Name) -> str:
    """Give a branch another name.

    Args:
        name: The branch.
        new: Its new name.
    """
    return f"Branch {name} is {desk.t.branches.rename(name, new).name} now"


def delete_branch(desk: Desk, name: Name) -> str:
    """Drop a branch whose commits another branch or tag has as well.

    Args:
        name: The branch.
    """
    dropped = desk.t.branches.delete(name)
    return f"Dropped {dropped.name}, which was at {short(dropped.head or '')}"


def spawn(desk: Desk, purpose: Reason, mode: Literal["fork", "snapshot"] = "fork", name: Name | None = None) -> str:
    """Start a child tract for another agent; its commits are named `CHILD:HEAD`, as in `merge` with `CHILD:main`.

    Args:
        purpose: What the child is for.
        mode: `fork` gives it the whole history, `snapshot` the context as one instruction.
        name: Its name.
    """
    return f"Spawned {desk.t.spawn(purpose, mode=mode, name=name).name}"


def collapse(
    desk: Desk, child: Name, summary: str | None = None, target_tokens: Annotated[int, Field(ge=1)] | None = None
) -> str:
    """Bring home what a child has done since the last time, as one summary; `expand` opens it.

    Args:
        child: Its name.
        summary: The summary you wrote; without it sentences are picked.
        target_tokens: Most tokens it may have.
    """
    result = desk.t.collapse(child, content=summary, target_tokens=target_tokens)
    if isinstance(result, Proposal):
        return waiting(result)
    many = counted(len(result.commits), "commit")
    return f"{many} of {result.child} are home as {short(result.commit)}, {result.tokens_after:,} tokens"


def children(desk: Desk) -> str:
    """List the child tracts: name and last commit."""
    lines = [f"{name} | {commit_line(desk.t.get(f'{name}:HEAD'))}" for name in desk.t.children]
    return listing(lines, none="No children.")


# --- admin ---------------------------------------------------------------------------------------


def commit_any(
    desk: Desk,
    text: Annotated[str, Field(min_length=1)],
    kind: Literal["note", "artifact", "output", "reasoning", "user", "system"] = "note",
    message: Reason | None = None,
) -> str:
    """Keep a text in the context, at its end; `system` makes it an instruction.

    Args:
        text: What to keep.
        kind: `note`, `user`, `system`, `artifact`, `output`, or `reasoning`, which is kept but not sent.
        message: A headline for the log.
    """
    if kind == "system":
        return committed(desk, {"content_type": "instruction", "text": text}, message)
    return commit_as(desk, text, kind, message)


def reset(desk: Desk, revision: Revision, mode: Literal["soft", "hard"] = "soft") -> str:
    """Let the current branch point to another commit; what came after is no longer sent.

    Args:
        revision: Where to.
        mode: `soft` keeps the old tip as ORIG_HEAD.
    """
    return f"The branch is at {commit_line(desk.t.reset(desk.commit(revision), mode))}"


def drop_branch(desk: Desk, name: Name, *, force: bool = False) -> str:
    """Drop a branch, also one whose commits nothing else has.

    Args:
        name: The branch.
        force: Also if only it has some commits.
    """
    dropped = desk.t.branches.delete(name, force=force)
    return f"Dropped {dropped.name}, which was at {short(dropped.head or '')}"


def set_budget(desk: Desk, limit_tokens: Annotated[int, Field(ge=1)] | None) -> str:
    """Set how many tokens the context may hold.

    Args:
        limit_tokens: The limit; null for none.
    """
    budget = None if limit_tokens is None else {"limit_tokens": limit_tokens}
    desk.t.configure(budget=budget)
    return "No token budget" if limit_tokens is None else f"The token budget is {limit_tokens:,}"


def gc(desk: Desk, keep_days: Annotated[float, Field(ge=0)] = 30, *, dry_run: bool = True) -> str:
    """Remove for good what no branch or tag reaches any more, in all tracts of the store.

    Args:
        keep_days: How long such commits are kept.
        dry_run: Only say what would be removed.
    """
    result = desk.t.gc(keep_days=keep_days, dry_run=dry_run)
    what = f"{counted(len(result.collected), 'commit')}, {result.bytes:,} bytes"
    return f"{'Would remove' if result.is_dry_run else 'Removed'} {what}"


def erase(desk: Desk, commits: Revisions, reason: Reason, *, dry_run: bool = True) -> str:
    """Erase for good what commits say; tombstones stay. It cannot be undone.

    Args:
        commits: Their hashes.
        reason: Why; it is kept.
        dry_run: Only say what would be erased.
    """
    if not reason.strip():
        raise ArgumentsError("Say why.")
    result = desk.t.erase(desk.commits(commits), reason=reason, dry_run=dry_run)
    top = f"{'Would erase' if result.is_dry_run else 'Erased'} {shorts(result.commits)}, {result.bytes:,} bytes"
    made = [f"made of it, and kept: {shorts(one.commit for one in result.derived)}"] if result.derived else []
    return listing([top, *made], none="")
