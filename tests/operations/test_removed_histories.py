"""G17, G14: whatever was erased or archived of any history, what stays is as it was and fits every provider."""

from __future__ import annotations

from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.operations.clock import Clock
from tests.operations.histories import History, state_of, violations
from tract import CompiledContext, Tract
from tract.objects.message import Message

# Shrinking takes minutes; the drawn verbs of a failure tell enough.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
BRANCHES = ("main", "side")


def _told(draw: Any) -> tuple[Tract, Clock]:
    """Return a tract whose two branches share a random beginning and go on differently."""
    t, clock = Tract.open(), Clock()
    clock.on(t)
    t.user("the beginning")
    history = History(t, draw)
    history.some(10)
    t.branch("side")
    history.some(6)
    t.switch("main")
    history.some(6)
    return t, clock


def _without(context: CompiledContext, blobs: set[str]) -> list[Message]:
    """Return the messages of *context* whose content is none of *blobs*."""
    pairs = zip(context.messages, context.shown, strict=True)
    return [message for message, entry in pairs if (entry.shown.content or b"").hex() not in blobs]


@settings(phases=PHASES)
@given(st.data())
def test_erasing_takes_these_messages_and_no_other(data: st.DataObject) -> None:
    """In every branch; marked, each is in its place; dry runs say the same; fsck stays green."""
    t, _ = _told(data.draw)
    with t:
        before = {name: t.compile(at=name) for name in BRANCHES}
        said = [info.hash for info in t.log(limit=200, all_branches=True) if info.content_type != "annotation"]
        wanted = data.draw(st.lists(st.sampled_from(said), min_size=1, max_size=3, unique=True))
        include = data.draw(st.booleans())
        looked = t.erase(wanted, reason="a test", include_derived=include, dry_run=True)

        done = t.erase(wanted, reason="a test", include_derived=include)

        assert (looked.commits, looked.blobs, looked.derived) == (done.commits, done.blobs, done.derived)
        for name, context in before.items():
            after = t.compile(at=name, verify=True)
            assert list(after.messages) == _without(context, set(done.blobs))
            assert len(t.compile(at=name, mark_erased=True)) == len(context)
            assert violations(after) == []
            assert violations(t.compile(at=name, mark_erased=True)) == []
        assert t.fsck() == []


@settings(phases=PHASES)
@given(st.data())
def test_archiving_changes_no_context_in_use(data: st.DataObject) -> None:
    """Only originals that every branch covers go."""
    t, clock = _told(data.draw)
    with t:
        before = {name: t.compile(at=name) for name in BRANCHES}
        clock.pass_days(40)
        visible = {entry.shown.content for name in BRANCHES for entry in state_of(t, name).shown}
        covered = {entry.placed.hash.hex() for name in BRANCHES for entry in state_of(t, name).order if entry.covers}

        done = t.gc(archived_days=data.draw(st.sampled_from([0, 35])), keep_pinned=False)

        placed = {one for one in done.archived if t.get(one).op != "edit"}
        assert placed <= covered
        gone = {t.get(one).content_hash for one in done.archived}
        assert not gone & {content.hex() for content in visible if content is not None}
        assert t.gc(archived_days=0).archived == ()
        for name, context in before.items():
            after = t.compile(at=name, verify=True)
            assert after.messages == context.messages
            assert violations(after) == []
        assert t.fsck() == []
