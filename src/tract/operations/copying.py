"""Answers what commits become on top of another one: for each a new one, acting on the new ones.

Everything a commit says is kept, its time included; only its parent, its targets and what it answers
change. What acts on a commit that is not there is for a resolver to decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from tract.compile.compiler import states_of
from tract.compile.fold import Entry, Event, State
from tract.compile.safety import SafetyWarning, warning
from tract.errors import InvalidInputError
from tract.history.ancestry import Place, contains
from tract.history.info import stored
from tract.history.lanes import reach_of
from tract.objects.commit import SHORT_HASH
from tract.objects.config import encode_config
from tract.objects.content import to_message
from tract.objects.decision import Resolution
from tract.operations.chain import Chain, NewCommit, copy_of
from tract.operations.choices import Choices, MissingTarget
from tract.operations.prepare import as_content, prepare
from tract.storage import queries as q
from tract.storage.writing import Tip
from tract.store import Store


@dataclass(slots=True)
class Copies:
    """Commits copied onto another one, folded and not yet written.

    Attributes:
        chain: The new commits.
        made: The event each became, by hash.
        skipped: Hashes of those left out.
        warnings: What the copies break.
    """

    chain: Chain
    made: dict[bytes, Event] = field(default_factory=dict)
    skipped: list[bytes] = field(default_factory=list)
    warnings: list[SafetyWarning] = field(default_factory=list)

    def mapping(self, written: dict[int, Tip]) -> dict[str, str]:
        """Return the hash each became, once *written*."""
        return {old.hex(): written[event.id].hash.hex() for old, event in self.made.items()}


def only_in(store: Store, commit: bytes, without: bytes) -> list[Event]:
    """Return what the history of *commit* has and that of *without* has not, in linear order; merges left out.

    What a merge brought is there by itself, so nothing is lost with it.
    """
    known = reach_of(store, without)
    return [
        event
        for event in states_of(store).get(commit).events
        if event.op != "merge" and not contains(known, Place(event.lane, event.generation))
    ]


def copy_commits(
    store: Store,
    parent: Tip | None,
    events: Sequence[Event],
    *,
    reply_to: dict[bytes, bytes],
    choices: Choices,
) -> Copies:
    """Return *events*, in this order, as new commits on top of *parent*; merges among them are dropped.

    Args:
        store: The open store.
        parent: What the first is to be written on.
        events: The commits to copy; what one acts on comes before it.
        reply_to: Maps the hash of a reply to that of the commit it answers.
        choices: Decides what to do where a target is missing, and says what to leave out.

    Raises:
        MissingTargetError: A target is missing and there is no resolver.
        AbortedError: The resolver aborted.
    """
    copying = _Copying(store, Copies(Chain(store, parent)), choices)
    for event in events:
        if event.op == "merge":
            continue
        if event.hash in choices.left_out:
            copying.copies.skipped.append(event.hash)
        else:
            copying.copy(event, reply_to.get(event.hash))
    return copying.copies


class _Copying:
    """One run of `copy_commits`."""

    def __init__(self, store: Store, copies: Copies, choices: Choices) -> None:
        self._store = store
        self.copies = copies
        self._choices = choices
        self._stand_in: dict[int, Event] = {}
        """What acts for a commit of this row id here: its copy, or what an edit of it was made into."""

    def copy(self, event: Event, answered: bytes | None) -> None:
        new = copy_of(self._store, event)
        if answered is not None and answered in self.copies.made:
            new = replace(new, reply_to=self.copies.made[answered])
        found = {target: self._here(event, target) for target in event.targets}
        missing = [target for target, here in found.items() if here is None]
        if missing:
            self._adapt(event, new, missing, [here for here in found.values() if here is not None])
            return
        self._note_changes(event, found)
        self._add(event, replace(new, targets=tuple(here for here in found.values() if here is not None)))

    def _add(self, event: Event, new: NewCommit) -> Event:
        made = self.copies.chain.add(new)
        self.copies.made[event.hash] = self._stand_in[event.id] = made
        return made

    def _here(self, event: Event, target: int) -> Event | None:
        """Return what *event* acts on here in the place of the commit *target*."""
        state = self.copies.chain.state
        here = self._stand_in.get(target) or (None if state is None else state.event(target))
        if here is None or state is None:
            return None
        # An edit made into a message has nothing a revert could switch off.
        fits = here.op not in {"append", "merge"} if event.op == "revert" else state.entry(here.id) is not None
        return here if fits else None

    # --- what is not there ---------------------------------------------------------------------------

    def _adapt(self, event: Event, new: NewCommit, missing: Sequence[int], here: Sequence[Event]) -> None:
        """Do what was decided about a commit some of whose targets are missing."""
        before = self._state_before(event)
        hashes = tuple([found.hash.hex() for target in missing if (found := before.event(target)) is not None])
        name = event.hash.hex()
        issue = MissingTarget(
            name,
            event.op,
            hashes,
            f"The {event.op} {name[:SHORT_HASH]} acts on {hashes[0][:SHORT_HASH]}, which is not here.",
        )
        resolution = self._choices.missing(issue)
        if resolution.action in {"skip", "ours"}:
            self.copies.skipped.append(event.hash)
        elif here and event.op != "revert" and resolution.content is None:
            self._add(event, replace(new, targets=tuple(here)))
        else:
            self._append(event, new, self._content(event, resolution), before.entry(missing[0]))

    def _content(self, event: Event, resolution: Resolution) -> NewCommit | None:
        """Return the content to append in the place of *event*, `None` for its own."""
        if resolution.content is None:
            if event.op not in {"edit", "compress"}:
                raise InvalidInputError(
                    f"The {event.op} {event.hash.hex()[:SHORT_HASH]} has no content to append.",
                    hint="Give it in the resolution, or let it say `skip`.",
                )
            return None
        ready = prepare(self._store, as_content(self._store, resolution.content))
        return NewCommit(
            "append",
            created_at=event.created_at,
            content_type=ready.content_type,
            payload=ready.payload,
            content=ready.content_hash,
            files=ready.files,
            config=None if resolution.generation_config is None else encode_config(resolution.generation_config),
            origin=resolution.origin or ready.origin,
            message=to_message(ready.content_type, ready.fields),
            priority=ready.priority,
            tokens=ready.tokens,
        )

    def _append(self, event: Event, new: NewCommit, given: NewCommit | None, edited: Entry | None) -> None:
        """Append what *event* says, or what was *given*, as a message of its own."""
        if given is not None:
            new = replace(given, note=new.note, reply_to=new.reply_to, author=new.author, copied=new.copied)
        elif new.config is None and edited is not None and edited.shown.config is not None:
            # An edit without settings of its own keeps those of what it edits.
            config = self._store.one(q.CONFIG, id=edited.shown.config)
            assert config is not None
            new = replace(new, config=config[1].encode(), config_id=edited.shown.config)
        made = self._add(event, replace(new, op="append", targets=()))
        if edited is not None and event.op == "edit":
            self._stand_in.setdefault(edited.placed.id, made)

    # --- what has changed -----------------------------------------------------------------------------

    def _note_changes(self, event: Event, found: dict[int, Event | None]) -> None:
        """Warn where *event* acts on an existing message that is not what it was made for."""
        shared = [target for target, here in found.items() if here is not None and here.id == target]
        if not shared or event.op not in {"edit", "annotate", "compress"}:
            return
        before, state = self._state_before(event), self.copies.chain.state
        assert state is not None
        for target in shared:
            old, now = before.entry(target), state.entry(target)
            if old is not None and now is not None and _is_changed(event, old, now):
                said = f"The {event.op} {{}} was made for another version of {{}}."
                self.copies.warnings.append(warning("target_changed", (event.hash, now.placed.hash), said))

    def _state_before(self, event: Event) -> State:
        """Return the state *event* was made in."""
        with self._store.reading() as database:
            row = stored(database, event.hash)
            parent = database.one(q.HASH_OF, id=row.parent_id)
        assert parent is not None  # a commit with targets has commits before it
        return states_of(self._store).get(parent[0])


def _is_changed(event: Event, old: Entry, now: Entry) -> bool:
    content = (old.shown.content_type, old.shown.content) != (now.shown.content_type, now.shown.content)
    if event.op == "annotate":
        return now.priority not in {old.priority, event.priority}
    if event.op == "compress":
        return content or bool(old.covers) != bool(now.covers)
    return content and now.shown.content != event.content


def duplicates(known: Iterable[Entry], made: Iterable[tuple[bytes, Event]], state: State | None) -> list[SafetyWarning]:
    """Return a warning for each copied message that *known* visible ones say already.

    Args:
        known: Visible entries that are not copies.
        made: Hash and new event of each copied commit.
        state: The fold with the copies.
    """
    there = {(entry.shown.content_type, entry.shown.content): entry.placed.hash for entry in known}
    found = []
    for old, event in made:
        entry = None if state is None else state.entry(event.id)
        if entry is None or not entry.is_visible:
            continue
        same = there.get((entry.shown.content_type, entry.shown.content))
        if same is not None:
            found.append(warning("duplicate_content", (old, same), "The commit {} says the same as {}, which is here."))
    return found
