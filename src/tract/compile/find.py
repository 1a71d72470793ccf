"""Answers which commits of a history have a property: a text, a tag, an author, a generation config."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tract.compile.compiler import states_of
from tract.compile.conditions import meets, parse_conditions
from tract.compile.counts import counted
from tract.compile.fold import Event
from tract.errors import CorruptObjectError, InvalidInputError, TagNotFoundError
from tract.history.ancestry import Place, contains
from tract.history.info import commit_info
from tract.history.lanes import reach_of
from tract.history.reflog import require_logged
from tract.objects.commit import OPS, ORIGINS, CommitInfo, to_microseconds
from tract.objects.hashing import config_hash
from tract.objects.message import searchable
from tract.objects.refs import TAG_PREFIX
from tract.storage import queries as q
from tract.storage.verify import verify_blob
from tract.store import Store

_Test = Callable[[Event], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a commit has to be; `None` asks nothing.

    Attributes:
        text: Occurs in its content, whatever the case; no character stands for another.
        tag: A tag points to it.
        content_type: Type of its content.
        op: What it does.
        metadata: Every key is in its metadata with this value.
        author: Occurs in its author, whatever the case.
        origin: Who its content came from.
        since: Committed then or later (with a time zone).
        until: Committed before then (with a time zone).
    """

    text: str | None = None
    tag: str | None = None
    content_type: str | None = None
    op: str | None = None
    metadata: Mapping[str, Any] | None = None
    author: str | None = None
    origin: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def find(store: Store, commit: bytes | None, wanted: Wanted, limit: int | None = None) -> list[CommitInfo]:
    """Return the commits in the history of *commit* that are as *wanted*, newest first.

    Raises:
        InvalidInputError: An op, origin, time or limit that cannot be.
        TagNotFoundError: There is no such tag.

    Cost:
        O(history); reading it only if it is not compiled yet. Metadata costs one query per lane.
    """
    _check_limit(limit)
    _check_types(wanted)
    require_logged(store)
    tests = [*_field_tests(wanted), *_time_tests(wanted), *_tag_tests(store, wanted)]
    if commit is None:
        return []
    # By generation, as the log has them: children before parents.
    events = sorted(states_of(store).get(commit).events, key=_age, reverse=True)
    if wanted.text is not None:
        tests.append(_has_text(wanted.text))
    if wanted.metadata is not None:
        tests.append(_has_metadata(_metadata(store, events), wanted.metadata))
    found: list[CommitInfo] = []
    for event in events:
        if limit is not None and len(found) >= limit:
            break
        if all(test(event) for test in tests):
            found.append(_info(store, event.hash))
    return found


def _age(event: Event) -> tuple[int, int]:
    return event.generation, event.lane


def _check_limit(limit: int | None) -> None:
    if limit is not None and (not isinstance(limit, int) or limit < 0):
        raise InvalidInputError("`limit` is a number, at least 0.")


def _check_types(wanted: Wanted) -> None:
    for name in ("text", "tag", "content_type", "op", "author", "origin"):
        if not isinstance(getattr(wanted, name), (str, type(None))):
            raise InvalidInputError(f"`{name}` is text.", hint=f"Leave `{name}` out to find all.")
    if not isinstance(wanted.metadata, (Mapping, type(None))):
        raise InvalidInputError("`metadata` is a mapping.", hint="Write `t.find(metadata={'ticket': 7})`.")


_KNOWN: Final[Mapping[str, frozenset[str]]] = {"op": OPS, "origin": ORIGINS}


def _field_tests(wanted: Wanted) -> Iterable[_Test]:
    for name in ("op", "content_type", "origin"):
        value = getattr(wanted, name)
        if value is not None:
            if name in _KNOWN and value not in _KNOWN[name]:
                raise InvalidInputError(
                    f"`{name}` is one of {', '.join(sorted(_KNOWN[name]))}, not `{value!a}`.",
                    hint=f"Leave `{name}` out to find all.",
                )
            yield _is(name, value)
    if wanted.author is not None:
        author = wanted.author.casefold()
        yield lambda event: author in event.author.casefold()


def _is(name: str, value: Any) -> _Test:
    return lambda event: getattr(event, name) == value


def _time_tests(wanted: Wanted) -> Iterable[_Test]:
    if wanted.since is not None:
        since = _microseconds("since", wanted.since)
        yield lambda event: event.created_at >= since
    if wanted.until is not None:
        until = _microseconds("until", wanted.until)
        yield lambda event: event.created_at < until


def _microseconds(name: str, moment: datetime) -> int:
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidInputError(f"`{name}` is a time with a time zone.", hint="Use `datetime.now(UTC)`.")
    return to_microseconds(moment)


def _tag_tests(store: Store, wanted: Wanted) -> Iterable[_Test]:
    if wanted.tag is None:
        return
    tags = store.refs(TAG_PREFIX)
    tagged = tags.get(wanted.tag)
    if tagged is None:
        raise TagNotFoundError(wanted.tag, tags)
    yield lambda event: event.hash == tagged


def _has_text(text: str) -> _Test:
    folded = text.casefold()

    def has(event: Event) -> bool:
        return event.message is not None and any(folded in said.casefold() for said in searchable(event.message))

    return has


def _has_metadata(metadata: Mapping[int, Any], wanted: Mapping[str, Any]) -> _Test:
    def has(event: Event) -> bool:
        kept = metadata.get(event.id, {})
        return all(key in kept and kept[key] == value for key, value in wanted.items())

    return has


def _metadata(store: Store, events: Sequence[Event]) -> dict[int, Mapping[str, Any]]:
    """Return the metadata of each of *events* that has some, by row id."""
    ends: dict[int, tuple[int, int]] = {}
    for event in events:
        low, high = ends.get(event.lane, (event.generation, event.generation))
        ends[event.lane] = (min(low, event.generation), max(high, event.generation))
    found: dict[int, Mapping[str, Any]] = {}
    for lane, (low, high) in ends.items():
        for id_, hash_, data, erased_at in store.all(q.NOTES_IN_RUN, lane_id=lane, low=low, high=high):
            verify_blob(hash_, data, erased_at)
            found[id_] = {} if data is None else json.loads(data).get("metadata", {})
    return found


def query_by_config(
    store: Store, commit: bytes | None, conditions: Sequence[Any], limit: int | None = None
) -> list[CommitInfo]:
    """Return the commits in the history of *commit* whose generation config meets all *conditions*, newest first.

    Raises:
        InvalidInputError: Something that is no condition.

    Cost:
        O(distinct configs + commits of the store with one that fits + lanes of the history).
    """
    _check_limit(limit)
    parsed = parse_conditions(conditions)
    require_logged(store)
    if commit is None:
        return []
    with store.reading() as database:
        reach = reach_of(store, commit)
        found = []
        for id_, hash_, text in database.all(q.CONFIGS):
            if config_hash(text.encode()) != hash_:
                raise CorruptObjectError("config", str(id_), "it does not match its hash")
            config = json.loads(text)
            if all(meets(config, condition) for condition in parsed):
                found += database.all(q.WITH_CONFIG, config_id=id_)
        inside = [(-at, -lane, hash_) for hash_, lane, at in found if contains(reach, Place(lane, at))]
        return [_info(store, hash_) for _, _, hash_ in sorted(inside)[:limit]]


def _info(store: Store, commit: bytes) -> CommitInfo:
    return counted(store, commit_info(store, commit))
