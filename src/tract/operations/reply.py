"""Commits a turn of a conversation: what a model answered or a tool gave, on the branch that was compiled.

A turn was paid for, so a token budget never refuses it; it warns once the turn is committed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel

from tract.compile.compiler import states_of
from tract.compile.safety import answers, open_calls
from tract.objects.commit import CommitInfo
from tract.objects.content import ToolResultContent
from tract.objects.policy import note_policies
from tract.objects.refs import BRANCH_PREFIX
from tract.objects.usage import Usage
from tract.operations.budget import report_budget
from tract.operations.commit import Plan, Remarks, after_append, permitted
from tract.operations.prepare import encoded
from tract.operations.usage import known_usage, usage_values
from tract.storage import queries as q
from tract.storage.moves import conflict_at
from tract.storage.writing import Tip
from tract.store import Operation, Store

Landing: TypeAlias = Literal["raise", "after", "answer"]
"""Where a turn may land: `raise` only on the commit it follows; `after` also behind what came in, but never
between a call and its result; `answer` behind the call it answers, whatever came in."""

LANDINGS: Final = ("raise", "after")
"""What callers may choose for a reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn to commit.

    Attributes:
        content: What was said.
        branch: Name of the branch; the handle may stand on another one by now.
        follows: Hash of the commit that was compiled, or of the reply that made the call.
        landing: What to do where the branch has moved on.
        usage: What the provider said it cost.
        tools: Canonical bytes of the tool definitions sent.
        erasures: What `Store.erasures` was before what it answers was read; a reply may repeat what was erased since.
    """

    content: BaseModel
    branch: str
    follows: bytes
    landing: Landing = "raise"
    remarks: Remarks = field(default_factory=Remarks)
    usage: Usage | None = None
    tools: bytes | None = None
    erasures: str | None = None


def commit_turn(store: Store, verb: str, turn: Turn) -> tuple[CommitInfo, BaseModel]:
    """Commit *turn* and its usage, in one operation called *verb*; return its content as policies let it be committed.

    Raises:
        RefConflictError: The branch has moved on in a way the turn's landing does not allow.
        ErasedMeanwhileError: Something was erased since what it answers was read.
        PolicyDeniedError: A policy does not let it be committed.
    """
    content, remarks = permitted(store, verb, turn.content, turn.remarks)
    ready = encoded(store, content)
    plan = Plan(store, "append", ready, remarks, tools=turn.tools)
    name = BRANCH_PREFIX + turn.branch
    store.pause("reply")
    with store.operation(verb) as operation:
        # The model was told of it, and its answer may repeat it.
        operation.require_nothing_erased(turn.erasures)
        tip = _landed(operation, name, turn)
        sizes = after_append(store, tip, ready.tokens)
        note_policies(operation.args, remarks.policies)
        draft = plan.draft((), sizes)
        written = operation.commit_on(name, tip, draft)
        if turn.usage is not None:
            _record(operation, written, turn.usage)
        info = plan.info(draft, written, tip)
    report_budget(store, sizes)
    return info, content


def _landed(operation: Operation, name: str, turn: Turn) -> Tip:
    """Return the tip the turn is to be written on.

    Raises:
        RefConflictError: There is none it may be written on.
    """
    tip = operation.find(name)
    if tip is not None and (tip.hash == turn.follows or _may_land(operation.store, tip, turn)):
        return tip
    raise conflict_at(name, turn.follows, None if tip is None else tip.hash)


def _may_land(store: Store, tip: Tip, turn: Turn) -> bool:
    if turn.landing == "raise":
        return False
    state = states_of(store).get(tip.hash)
    row = store.one(q.TIP, hash=turn.follows)
    if row is None or state.event(row[0]) is None:
        return False  # the branch was set to another history
    if turn.landing == "after":
        return not open_calls(state.shown)
    return not _is_answered(store, tip, turn)


def _is_answered(store: Store, tip: Tip, turn: Turn) -> bool:
    """Tell whether a result of the same call came in behind the reply that made it."""
    assert isinstance(turn.content, ToolResultContent)
    for entry in reversed(states_of(store).get(tip.hash).shown):
        if entry.placed.hash == turn.follows:
            break
        assert entry.shown.message is not None
        if turn.content.call_id in answers(entry.shown.message):
            return True
    return False


def _record(operation: Operation, written: Tip, usage: Usage) -> None:
    kept: dict[str, Any] = {**asdict(usage), "raw": {}}
    noted = operation.args.setdefault("usages", [])
    noted.append({"commit": written.hash.hex(), "before": known_usage(operation.store, written), "usage": kept})
    operation.put(q.ADD_USAGE, **usage_values(written.id, kept))
