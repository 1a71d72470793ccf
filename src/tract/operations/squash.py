"""Brings another branch in as one summary; its commits stay where they are and are named as the source."""

from __future__ import annotations

from collections.abc import Sequence

from tract.compile.compiler import states_of
from tract.compile.fold import Event, State
from tract.objects.commit import least_trusted
from tract.objects.content import ArtifactContent, shorten
from tract.operations.commit import Remarks, append
from tract.operations.merge_plan import brought
from tract.operations.merge_result import MergeResult
from tract.store import Store


def squash(store: Store, result: MergeResult) -> MergeResult:
    """Append one digest of what the other branch added since it parted from the current one."""
    ours, theirs = states_of(store).get(result.ours), states_of(store).get(result.theirs)
    new = brought(store, ours, theirs)
    added = _shown(theirs, new)
    commits = [event.hash.hex() for event in new]
    remarks = Remarks(
        message=result.message or f"squash {result.name}",
        metadata={"squashed": {"head": result.theirs.hex(), "commits": commits}},
        origin=least_trusted(event.origin for event in added),
        expected_head=result.ours,
        is_derived=True,
    )
    content = ArtifactContent(text=_digest(result.name, added), kind="summary", title=result.name)
    info = append(store, content, remarks)
    result.commits = (info.hash,)
    return result.done("squashed", bytes.fromhex(info.hash))


def _shown(theirs: State, new: Sequence[Event]) -> list[Event]:
    """Return what the branch shows of the commits *new*, in the order in which it shows them."""
    entries = [entry for event in new if (entry := theirs.entry(event.id)) is not None and entry.is_visible]
    if any(event.op in {"reorder", "compress", "revert"} for event in new):
        known = {entry.placed.id for entry in entries}
        entries = [entry for entry in theirs.shown if entry.placed.id in known]
    return [entry.shown for entry in entries]


def _digest(name: str, added: Sequence[Event]) -> str:
    lines = [f"Summary of the branch {name} ({len(added)} messages):"]
    for event in added:
        if event.message is not None:
            said = event.message.text or ", ".join(call.name for call in event.message.tool_calls)
            lines.append(f"- {event.message.role}: {shorten(said)}")
    return "\n".join(lines)
