"""Brings another branch in as one summary; its commits stay where they are and are named as the source."""

from __future__ import annotations

from collections.abc import Sequence

from tract.compile.compiler import states_of
from tract.compile.fold import Event
from tract.objects.commit import least_trusted
from tract.objects.content import ArtifactContent, shorten
from tract.operations.commit import Remarks, append
from tract.operations.merge_result import MergeResult
from tract.store import Store


def squash(store: Store, result: MergeResult) -> MergeResult:
    """Append one digest of what the other branch added since it parted from the current one."""
    ours, theirs = states_of(store).get(result.ours), states_of(store).get(result.theirs)
    added = [entry.shown for entry in theirs.shown if ours.position(entry.placed.id) is None]
    commits = [event.hash.hex() for event in theirs.events if ours.position(event.id) is None]
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


def _digest(name: str, added: Sequence[Event]) -> str:
    lines = [f"Summary of the branch {name} ({len(added)} messages):"]
    for event in added:
        if event.message is not None:
            said = event.message.text or ", ".join(call.name for call in event.message.tool_calls)
            lines.append(f"- {event.message.role}: {shorten(said)}")
    return "\n".join(lines)
