"""Answers what new commits will do before they are written: folds them ahead, then writes them in one go.

Until it is written a new commit is an event with a negative row id and, where it is a copy, the hash
of the commit it copies; so what is found in the fold names commits the caller knows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from tract.compile.compiler import size_of, states_of
from tract.compile.fold import Event, State, extend
from tract.history.info import stored
from tract.objects.hashing import canonical_json, config_hash
from tract.objects.message import Message
from tract.operations.budget import Sizes
from tract.storage import queries as q
from tract.storage.verify import read_blob
from tract.storage.writing import Draft, Tip
from tract.store import Operation, Store


@dataclass(frozen=True, slots=True)
class NewCommit:
    """A commit to be.

    Attributes:
        targets: The commits it acts on: existing ones, or earlier ones of the same chain.
        created_at: `None` for when it is written.
        reply_to: The commit of the same chain that its note is to name as answered, if that is to change.
        config: Canonical bytes of the generation config; `config_id` is its row, where it has one.
        copied: Hash of the commit it is a copy of, or `b""`.
    """

    op: str
    targets: tuple[Event, ...] = ()
    created_at: int | None = None
    content_type: str | None = None
    payload: bytes | None = None
    content: bytes | None = None
    files: tuple[bytes, ...] = ()
    config: bytes | None = None
    config_id: int | None = None
    note: bytes | None = None
    reply_to: Event | None = None
    origin: str = "developer"
    author: str = ""
    message: Message | None = None
    priority: str = "normal"
    tokens: int = 0
    copied: bytes = b""


class Chain:
    """New commits on top of *parent*, in order.

    Attributes:
        parent: What the first of them is written on, `None` to begin a history.
        state: The fold after the last of them; `None` while there is nothing at all.
    """

    def __init__(self, store: Store, parent: Tip | None) -> None:
        self.parent = parent
        self.state: State | None = None if parent is None else states_of(store).get(parent.hash)
        self._before = 0 if self.state is None else size_of(self.state)
        self._commits: list[tuple[Event, NewCommit, int]] = []

    def __len__(self) -> int:
        return len(self._commits)

    @property
    def sizes(self) -> Sizes:
        """Compiled size in tokens after the last of them, and before the first."""
        return Sizes(self._commits[-1][2] if self._commits else self._before, self._before)

    def add(self, new: NewCommit) -> Event:
        """Put *new* at the end and fold it; return its event.

        Cost:
            That of `extend` with one event.
        """
        event = Event(
            -1 - len(self._commits), new.copied, 0, 0, new.op, tuple([target.id for target in new.targets]),
            new.content_type, new.config_id, new.message, new.priority, new.tokens,
            new.origin, new.author, new.created_at or 0, new.content,
        )  # fmt: skip
        self.state = extend(self.state, [event])
        self._commits.append((event, new, size_of(self.state)))
        return event

    def write(self, operation: Operation) -> dict[int, Tip]:
        """Write them all and move the current branch to the last; return each by the row id of its event."""
        operation.require_nothing_erased()
        written: dict[int, Tip] = {}
        tip = self.parent
        for event, new, size in self._commits:
            tip = operation.add(_draft(new, size, written, operation.store), () if tip is None else (tip,))
            written[event.id] = tip
        operation.move(operation.store.head_ref(), operation.tip, tip)
        return written


def _draft(new: NewCommit, size: int, written: dict[int, Tip], store: Store) -> Draft:
    targets = tuple([(found.id, found.hash) for target in new.targets for found in [written.get(target.id, target)]])
    note = new.note
    if new.reply_to is not None:
        fields = json.loads(note or b"{}")
        note = canonical_json({**fields, "reply_to": written[new.reply_to.id].hash.hex()})
    return Draft(
        op=new.op,
        content_type=new.content_type,
        payload=new.payload,
        origin=new.origin,
        author=new.author,
        created_at=store.clock() if new.created_at is None else new.created_at,
        tokens=new.tokens,
        context_tokens=size,
        targets=targets,
        config=new.config,
        note=note,
        content_hash=new.content,
        files=new.files,
    )


def copy_of(store: Store, event: Event) -> NewCommit:
    """Return *event* as a commit to be, without targets: everything it says, read and verified.

    Raises:
        CorruptObjectError: It is damaged.
    """
    with store.reading() as database:
        row = stored(database, event.hash)
        note = None if row.note is None else read_blob(database, row.note)
        config = None if row.config_id is None else database.one(q.CONFIG, id=row.config_id)
    assert config is None or config_hash(config[1].encode()) == row.config
    return NewCommit(
        op=event.op,
        created_at=event.created_at,
        content_type=event.content_type,
        payload=row.data,
        content=row.content,
        config=None if config is None else config[1].encode(),
        config_id=event.config,
        note=note,
        origin=event.origin,
        author=event.author,
        message=event.message,
        priority=event.priority,
        tokens=event.tokens,
        copied=event.hash,
    )
