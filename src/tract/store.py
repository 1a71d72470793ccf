"""Answers how a handle reads and writes: one connection, one lock, one write gate.

Every write runs inside `Store.operation()`: one database transaction that ends in exactly one row
of the operation log, or leaves no trace. Reads are free of the gate. No model, tokenizer or
callback of the caller runs while a transaction is open, except in the body of a batch, which is
the caller's own.
"""

from __future__ import annotations

import copy
import os
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from tract.errors import (
    BranchNotFoundError,
    ClosedHandleError,
    CorruptObjectError,
    DetachedHeadError,
    ErasedMeanwhileError,
    ForkedHandleError,
    OperationNotFoundError,
    OperationOpenError,
    ReadOnlyError,
    StorageError,
)
from tract.objects.config import TractConfig
from tract.objects.content import ContentTypes
from tract.objects.hashing import canonical_json
from tract.objects.operation import OperationHeader
from tract.objects.policy import ACTING, Decides, note_policies
from tract.objects.refs import BRANCH_PREFIX, HEAD, Head
from tract.storage import queries as q
from tract.storage.database import Database, Query
from tract.storage.moves import RefMoves, conflict_at, point, require_kept, swap, write_operation
from tract.storage.writing import NO_TRACT, Draft, Tip, add_tract, counter_id, erasures_in, write_commit
from tract.tokens.counter import TokenCounter


class Store:
    """One open handle on one tract of a store.

    Attributes:
        database: The held connection.
        tract: Name of the tract.
        head: Where this handle stands; never moved by another process.
        config: Settings in force.
        counter: Counts tokens.
        types: Content types this handle knows.
        lock: Held during each use of the connection and of `memo`.
        clock: Microseconds since 1970, UTC.
        erasures: What the setting `erasures` was when `memo` was last known to hold nothing erased.
        memo: What upper layers derived from the store and may keep; emptied when a transaction is rolled back.
        make_room: Called with this and the tokens to win back where the budget says `compress`; nothing is locked.
        summarizer: Gives who summarizes for policies: a model that is configured, or nobody.
        policies: Asked before and after what this handle does, if any policy is in force; see `permit`.
        rules: What the store counted as the last change of the policies when this handle read them, `None` before.
        reread: Reads the policies again, and with them `rules`; with `is_config` it only looks at the settings.
        on_pause: Called with a point's name between reading and swapping; for tests of races.
    """

    def __init__(self, database: Database, *, tract: str, config: TractConfig, counter: TokenCounter) -> None:
        self.database, self.tract = database, tract
        self.config, self.counter = config, counter
        self.actor, self.types = "", ContentTypes()
        self.clock: Callable[[], int] = lambda: time.time_ns() // 1000
        self.make_room: Callable[[Store, int], None] | None = None
        self.policies: Decides | None = None
        self.rules: str | None = None
        self.reread: Callable[..., None] | None = None
        self.summarizer: Callable[[Store], Any] | None = None
        self.on_pause: Callable[[str], None] | None = None
        self.memo: dict[str, Any] = {}
        self.head = Head(config.default_branch)
        self.previous_head: Head | None = None
        self.at_operation: int | None = None
        self.tract_id = NO_TRACT
        self.counter_id: int | None = None
        self.erasures: str | None = None
        self.lock = threading.RLock()
        self._process, self._closed, self._is_owner, self._is_looking = os.getpid(), False, True, False
        self._beside = weakref.WeakSet([self])
        self._open: Any = None
        self.use_config(config)

    # --- the handle ------------------------------------------------------------------------------

    @property
    def read_only(self) -> bool:
        """Whether this handle may only read."""
        return self.database.read_only or self._is_looking

    def view(self, number: int) -> Store:
        """Return a read-only handle on the tract as it was after operation *number*; it shares the connection."""
        view = copy.copy(self)
        view.at_operation, view._is_looking, view._is_owner = number, True, False  # noqa: SLF001 - one of its own
        start = self.one(q.SYMBOLIC_AFTER, tract_id=self.tract_id, name=HEAD, no=number)
        if start is None or start[0] is None:
            raise OperationNotFoundError(number)
        view.head, view.previous_head, view.reread = Head(start[0].removeprefix(BRANCH_PREFIX)), None, None
        return view

    def beside(self, tract: str, tract_id: int = NO_TRACT) -> Store:
        """Return a handle on another tract of the store, yet to be opened; it shares the connection and the lock."""
        with self.lock:
            other = copy.copy(self)
            other.tract, other.tract_id, other.types, other.memo = tract, tract_id, self.types.copy(), {}
            other.previous_head = other.at_operation = other._open = None  # noqa: SLF001 - one of its own
            other.policies = other.rules = other.reread = None
            other._is_owner = False  # noqa: SLF001
            self._beside.add(other)
            return other

    @property
    def is_writing(self) -> bool:
        """Whether an operation is open on this handle."""
        return self._open is not None

    def close(self) -> None:
        """Close the connection; closing twice does nothing.

        In a forked child the parent's connection is left alone.
        """
        if os.getpid() != self._process:
            self._closed = True
            return
        with self.lock:
            if not self._closed:
                self._closed = True
                if self._is_owner:
                    self.database.close()

    def check_usable(self) -> None:
        """Refuse a closed or forked handle."""
        if self._closed or self.database.is_closed:
            raise ClosedHandleError
        self.refuse_fork()

    def refuse_fork(self) -> None:
        """Refuse a handle another process opened.

        Asked before taking the lock: a thread the fork did not copy may hold it for ever.
        """
        if os.getpid() != self._process:
            raise ForkedHandleError

    def _check_writable(self) -> None:
        self.check_usable()
        if self.read_only:
            raise ReadOnlyError

    def pause(self, point: str) -> None:
        """Let a test interleave another operation here; does nothing otherwise.

        Every verb that moves a ref passes a point after it has read and before it takes the gate.
        """
        if self.on_pause is not None:
            self.on_pause(point)

    def forget(self) -> None:
        """Drop what was learnt in a transaction that did not happen: its row ids will be used again."""
        for one in (self, *self._beside):  # those that share the connection may have read them as well
            one.counter_id = None
            one.memo.clear()

    def notice_erasures(self, found: str | None = None) -> str | None:
        """Drop what was learnt before something was erased; *found* is what the store says, if it is known.

        Returns `erasures`, for what will be made of what is read from now on: see `require_nothing_erased`.
        """
        if found is None:
            # While the gate is held nobody erases, and it has looked.
            row = (self.erasures,) if self.is_writing else self.one(q.META, key=q.ERASURES)
            found = row[0] if row is not None and row[0] is not None else ""
        if self.erasures is not None and found != self.erasures:
            self.memo.clear()
        self.erasures = found
        return found

    # --- reading ---------------------------------------------------------------------------------

    def one(self, query: Query, **parameters: Any) -> tuple[Any, ...] | None:
        """Return the first row of *query*, or `None`."""
        self.refuse_fork()
        with self.lock:
            self.check_usable()
            return self.database.one(query, **parameters)

    def all(self, query: Query, **parameters: Any) -> list[tuple[Any, ...]]:
        """Return every row of *query*."""
        self.refuse_fork()
        with self.lock:
            self.check_usable()
            return self.database.all(query, **parameters)

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """Hold one snapshot for several reads; inside an operation, see what it has written."""
        self.refuse_fork()
        with self.lock:
            self.check_usable()
            if self.database.in_transaction:
                yield self.database
                return
            try:
                self.database.begin_read()
                yield self.database
            finally:
                try:
                    self.database.rollback()
                finally:
                    self.database.rollback()  # as in `_whole`

    def head_ref(self) -> str:
        """Return the full name of the current branch's ref.

        Raises:
            DetachedHeadError: HEAD names a commit.
        """
        if self.head.branch is None:
            raise DetachedHeadError
        return BRANCH_PREFIX + self.head.branch

    def stand_on(self, head: Head) -> None:
        """Move this handle's HEAD; other handles stay where they are."""
        with self.lock:
            if head != self.head:
                self.previous_head, self.head = self.head, head

    def ref(self, name: str) -> bytes | None:
        """Return the commit hash the ref *name* points to, or `None`.

        Raises:
            CorruptObjectError: It points to a commit that is missing.
        """
        if self.at_operation is not None:
            row = self.one(q.REF_AFTER, tract_id=self.tract_id, name=name, no=self.at_operation)
            return None if row is None else row[0]
        row = self.one(q.REF, tract_id=self.tract_id, name=name)
        if row is None:
            return None
        if row[0] is not None and row[2] is None:
            raise CorruptObjectError("ref", name, "the commit it points to is missing")
        return row[2]  # type: ignore[no-any-return]  # a hash, or nothing

    def refs(self, prefix: str = "") -> dict[str, bytes]:
        """Return the commit hash of every ref whose full name starts with *prefix*, by the rest of its name."""
        at = {} if self.at_operation is None else {"no": self.at_operation}
        rows = self.all(q.REFS_AFTER if at else q.REFS, tract_id=self.tract_id, **at)
        return {name[len(prefix) :]: hash_ for name, hash_ in rows if name.startswith(prefix)}

    def last_operation(self) -> int:
        """Return the number of the last operation this handle sees; 0 before the first."""
        if self.at_operation is not None:
            return self.at_operation
        row = self.one(q.LAST_OPERATION, tract_id=self.tract_id)
        return row[0] if row is not None and row[0] is not None else 0

    def head_hash(self) -> bytes | None:
        """Return the hash HEAD stands on, or `None` before the first commit.

        Raises:
            BranchNotFoundError: Somebody else deleted or renamed the branch this handle stands on.
        """
        if self.head.branch is None:
            self.check_usable()
            return self.head.commit
        found = self.ref(BRANCH_PREFIX + self.head.branch)
        if found is None and self.at_operation is None and self.is_gone(self.head.branch):
            # What followed would look like an empty history.
            raise BranchNotFoundError(self.head.branch, self.refs(BRANCH_PREFIX))
        return found

    def start(self) -> str | None:
        """Return the branch new handles start on; inside an operation, as it has left it."""
        row = self.one(q.REF, tract_id=self.tract_id, name=HEAD)
        return None if row is None else str(row[1]).removeprefix(BRANCH_PREFIX)

    def is_gone(self, branch: str) -> bool:
        """Tell whether the missing *branch* was deleted or renamed; else it waits for its first commit.

        New handles start on a branch that waits; one that was never there is an orphan branch.
        """
        name = BRANCH_PREFIX + branch
        return self.start() != branch and self.one(q.LAST_CHANGE, tract_id=self.tract_id, name=name) is not None

    def tip(self, commit: bytes) -> Tip:
        """Return what a child of *commit* needs to know of it."""
        row = self.one(q.TIP, hash=commit)
        if row is None:
            raise CorruptObjectError("commit", commit.hex(), "it is missing")
        return Tip(*row)

    # --- writing ---------------------------------------------------------------------------------

    @contextmanager
    def operation(
        self, verb: str, args: dict[str, Any] | None = None, *, undoes: int | None = None, alone: bool = False
    ) -> Generator[Operation, None, None]:
        """Hold the write gate for one public write: the handle's lock and the database's write lock.

        Leaving normally commits; leaving with any exception, `KeyboardInterrupt` included, keeps
        nothing. Inside `batch()` the write joins the batch's operation. With *alone* no tract is written
        to meanwhile, and there is no joining.

        A generator, because nothing else is safe from Ctrl-C: an interrupt may come as the first
        thing in any `__exit__` written in Python, and a dropped generator still runs its `finally`.
        """
        done: Operation | None = None
        self.refuse_fork()
        with self.lock:
            self._check_writable()
            if self._open is not None:
                yield from self._part(self._open, verb, alone=alone)
            elif self.database.in_transaction:  # that of a tract beside this one
                raise OperationOpenError(verb)
            else:
                done = Operation(self, verb, args or {}, undoes=undoes)
                yield from self._whole(done, alone=alone)
        if done is not None and self.policies is not None:
            self.policies.done(verb, done.number, frozenset(done.written), done.args, tip=done.tip)

    def _whole(self, operation: Operation, *, alone: bool) -> Generator[Operation, None, None]:
        before = (self.head, self.previous_head, self.tract_id)
        is_done = False
        try:
            if alone:
                self.database.begin_alone()
            else:
                self.database.begin_write(None if self.tract_id == NO_TRACT else self.tract_id)
            operation.read_gate()
            self._open = operation
            yield operation
            operation.finish()
            is_done = True
        finally:
            self._open = None
            if not is_done:
                self.head, self.previous_head, self.tract_id = before
                try:
                    self.database.rollback()
                finally:
                    # Does nothing, unless the first was interrupted before it began.
                    self.database.rollback()
                    self.forget()
            if self.policies is not None:
                self.policies.settle_log(is_kept=is_done)

    @contextmanager
    def joined(self, other: Operation, verb: str, args: dict[str, Any]) -> Generator[Operation, None, None]:
        """Write to this tract, which nobody else knows yet, in the transaction of an operation of another one."""
        operation = Operation(self, verb, args)
        try:
            operation.read_gate()
            # What is caused is never before its cause, whatever the clocks say.
            operation.now = max(operation.now, other.now)
            self._open = operation
            yield operation
            operation.record()
        finally:
            self._open = None

    def _part(self, batch: Operation, verb: str, *, alone: bool) -> Generator[Operation, None, None]:
        """Be a part of the open batch that can fail on its own."""
        if batch.verb != "batch" or alone:
            raise OperationOpenError(verb)
        batch.require_transaction()
        noted = {name: copy.copy(value) for name, value in batch.args.items()}
        heads, saved = (self.head, self.previous_head), (batch.tip, batch.moves.copy(), batch.has_values, noted)
        is_done = False
        self.database.begin_part()  # interrupted right after it, COMMIT releases what nobody returns to
        try:
            yield batch
            is_done = True
        finally:
            if is_done:
                batch.joined[verb] = batch.joined.get(verb, 0) + 1
            else:
                batch.tip, batch.moves, batch.has_values, batch.args = saved
                self.head, self.previous_head = heads
                self.forget()
            self.database.end_part(keep=is_done)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Make all writes in the block one operation and one transaction.

        Other writers wait until the block ends, so keep it short. If the block raises, nothing is kept.
        """
        self.refuse_fork()
        with self.lock:
            if self._open is not None:
                raise OperationOpenError("batch")
            with self.operation("batch") as operation:
                yield
                operation.args["verbs"] = dict(sorted(operation.joined.items()))

    def use_config(self, config: TractConfig) -> None:
        """Put *config* in force on this handle."""
        self.config = config
        self.database.busy_timeout_seconds = config.busy_timeout_seconds

    def use_counter(self, counter: TokenCounter) -> None:
        """Count with *counter* from now on, and learn under which id its counts are stored."""
        self.counter = counter
        self.memo.clear()  # what was derived holds counts of the counter before
        row = self.one(q.COUNTER, name=counter.name)
        self.counter_id = None if row is None else row[0]


class Operation:
    """What one public write does while `Store.operation` holds the gate: one transaction, one row in the log.

    Attributes:
        number: Its place in the log.
        now: Its time, microseconds UTC; never before that of the operation before it.
        tip: Tip of the current branch.
        joined: How often each verb was part of it, in a batch.
        has_values: Whether it has written a setting or a usage.
        written: Row ids of the commits it has written.
        restored: Row ids of the contents and files that were gone and that these say again.
    """

    def __init__(self, store: Store, verb: str, args: dict[str, Any], *, undoes: int | None = None) -> None:
        self.store = store
        self.verb, self.args, self.undoes = verb, args, undoes
        self.number = self.now = 0
        self.tip: Tip | None = None
        self.joined: dict[str, int] = {}
        self._database = store.database
        self._previous: bytes | None = None
        self.moves = RefMoves()
        self.has_values = self._is_outdated = False
        self.written, self.restored = set[int](), set[int]()

    # --- beginning and ending ----------------------------------------------------------------------

    def read_gate(self) -> None:
        """Read the last operation, the tip of the current branch and what counts the rules, under the write lock."""
        store, branch = self.store, self.store.head.branch
        if store.tract_id == NO_TRACT:
            store.tract_id = add_tract(self._database, store.tract, store.counter.name, store.clock())
        name = BRANCH_PREFIX + branch if branch is not None else ""
        row = self._database.one(q.GATE, tract_id=store.tract_id, name=name, rules=q.RULES + store.tract)
        assert row is not None
        number, self._previous, created_at, *tip, erasures, rules = row
        known = store.erasures
        store.notice_erasures(erasures or "")
        self._is_outdated = known is not None and erasures_in(known) != erasures_in(store.erasures or "")
        self.number = (number or 0) + 1
        # Operation times never go back, so "where was this branch at that time" has one answer.
        self.now = max(store.clock(), created_at or 0)
        self.tip = Tip(*tip) if tip[0] is not None else None
        if store.reread is not None and (rules or "") != store.rules:
            store.reread()

    def finish(self) -> None:
        """Record what was done and make it durable; drop the transaction if nothing was."""
        is_write = bool(self.moves.ids) or self.has_values
        if is_write or self.joined:
            self.require_transaction()
        if is_write:
            self.record()
            self._database.commit()
        else:
            self.store.forget()
            self._database.rollback()

    def require_transaction(self) -> None:
        """Refuse to go on where the database has dropped the transaction by itself, as after some I/O errors.

        What is written then would be kept statement by statement.
        """
        if not self._database.has_transaction:
            raise StorageError("The database has dropped the transaction.", hint="Run the whole batch again.")

    def record(self) -> None:
        """Write the operation, chained to the one before it, and its ref changes."""
        store = self.store
        note_policies(self.args, ACTING.get())
        if store.policies is not None:
            store.policies.keep_log()
        args = canonical_json(self.args).decode() if self.args else "{}"
        header = OperationHeader(
            self.number, self._previous, store.tract, self.verb, args, store.actor, self.now, self.undoes,
            self.moves.changes(),
        )  # fmt: skip
        write_operation(self._database, store.tract_id, header, self.moves)

    # --- refs --------------------------------------------------------------------------------------

    def require_nothing_erased(self, since: str | None = None) -> None:
        """Refuse to write what was made of erased contents; *since* is `Store.erasures` when they were read.

        Raises:
            ErasedMeanwhileError: Something was erased.
        """
        is_older = since is not None and erasures_in(since) != erasures_in(self.store.erasures or "")
        if self._is_outdated or is_older:
            head = None if self.tip is None else self.tip.hash.hex()
            raise ErasedMeanwhileError(self.store.head.branch or HEAD, head)

    def require_tip(self, expected: bytes | None) -> None:
        """Refuse to go on if the current branch is not at *expected*.

        Raises:
            RefConflictError: It is elsewhere.
        """
        actual = None if self.tip is None else self.tip.hash
        if actual != expected:
            raise conflict_at(self.store.head_ref(), expected, actual)

    def move(self, name: str, old: Tip | None, new: Tip | None) -> None:
        """Swap the ref *name* from *old* to *new*; `None` stands for "does not exist".

        Raises:
            RefConflictError: It was not at *old*.
        """
        if old == new:
            return
        if new is not None and new.id not in self.written:
            require_kept(self._database, new)
        swap(self._database, (self.store.tract_id, name), old, new)
        self.moves.add(name, *[(None, None) if tip is None else (tip.id, tip.hash) for tip in (old, new)])
        if name == BRANCH_PREFIX + (self.store.head.branch or ""):
            self.tip = new

    def point(self, name: str, target: str) -> None:
        """Let the symbolic ref *name* point to the ref *target*."""
        old = point(self._database, self.store.tract_id, name, target)
        if old != target:
            self.moves.add(name, (None, None if old is None else old.encode()), (None, target.encode()))

    def stand_on(self, head: Head) -> None:
        """Move HEAD of this handle to a branch; new handles will start there too."""
        assert head.branch is not None
        self.point(HEAD, BRANCH_PREFIX + head.branch)
        self.tip = self.find(BRANCH_PREFIX + head.branch)
        self.store.stand_on(head)

    def find(self, name: str) -> Tip | None:
        """Return the commit the ref *name* points to in this transaction, or `None`."""
        row = self._database.one(q.REF, tract_id=self.store.tract_id, name=name)
        return None if row is None or row[2] is None else self.store.tip(row[2])

    def meta(self, key: str) -> str:
        """Return a setting of the store as this transaction sees it, `""` for none."""
        row = self._database.one(q.META, key=key)
        return "" if row is None else row[0]

    def set_meta(self, key: str, value: str) -> None:
        """Keep a setting of the store, `""` for none; the operation notes its value before and after."""
        self.has_values = True
        noted: dict[str, list[str]] = self.args.setdefault("settings", {})
        # In a batch a key may be set twice; undo goes back to before the first.
        noted[key] = [noted[key][0] if key in noted else self.meta(key), value]
        self._database.execute(q.SET_META, {"key": key, "value": value})
        if key.startswith(q.POLICIES):
            self._database.execute(q.SET_META, {"key": key.replace(q.POLICIES, q.RULES, 1), "value": str(self.number)})

    def put(self, query: Query, **values: Any) -> None:
        """Write what is neither object nor ref, such as a usage; what undo needs to know belongs in `args`."""
        self.has_values = True
        self._database.execute(query, values)

    # --- objects -----------------------------------------------------------------------------------

    def commit(self, draft: Draft) -> Tip:
        """Write *draft* on the current branch and move the branch to it.

        Raises:
            BranchNotFoundError: Somebody else deleted or renamed the branch.
        """
        if self.tip is None:
            self.store.head_hash()  # refuses a branch that is gone
        return self.commit_on(self.store.head_ref(), self.tip, draft)

    def commit_on(self, name: str, tip: Tip | None, draft: Draft) -> Tip:
        """Write *draft* on the branch whose ref is *name* and stands at *tip*, and move the branch to it."""
        written = self.add(draft, () if tip is None else (tip,))
        self.move(name, tip, written)
        return written

    def add(self, draft: Draft, parents: tuple[Tip, ...]) -> Tip:
        """Write *draft* as a child of *parents*, moving no ref; the same commit written twice is one."""
        for parent in parents:
            if parent != self.tip and parent.id not in self.written:
                require_kept(self._database, parent)
        if self.store.counter_id is None:
            self.store.counter_id = counter_id(self._database, self.store.counter.name)
        written = write_commit(self._database, draft, parents, self.store.counter_id, restored=self.restored)
        if self.restored:
            self.store.memo.clear()  # contexts that hold what is back were remembered without it
        self.written.add(written.id)
        return written
