"""Tags: names for commits that do not move."""

from __future__ import annotations

from dataclasses import dataclass

from tract.errors import RevisionNotFoundError, TagNotFoundError
from tract.objects.refs import HEAD, TAG_PREFIX, check_name
from tract.store import Store


@dataclass(frozen=True, slots=True)
class Tag:
    """A name for a commit.

    Attributes:
        name: Short name.
        commit: Hash of the commit.
    """

    name: str
    commit: str


def create_tag(store: Store, name: str, at: bytes | None) -> Tag:
    """Name the commit *at*.

    Raises:
        InvalidRefNameError: The name breaks the rules.
        RefExistsError: There is a tag of that name.
        RevisionNotFoundError: There is no commit yet.
    """
    ref = TAG_PREFIX + check_name(name)
    if at is None:
        raise RevisionNotFoundError(HEAD)
    tip = store.tip(at)
    store.pause("tag")
    with store.operation("tag", {"name": name}) as operation:
        operation.move(ref, None, tip)
    return Tag(name, at.hex())


def delete_tag(store: Store, name: str) -> Tag:
    """Drop the tag *name*; the commit stays.

    Raises:
        TagNotFoundError: There is none.
    """
    tag = find_tag(store, name)
    store.pause("tag-delete")
    with store.operation("tag-delete", {"name": name}) as operation:
        tip = operation.find(TAG_PREFIX + name)
        if tip is None:
            raise TagNotFoundError(name, store.refs(TAG_PREFIX))
        operation.move(TAG_PREFIX + name, tip, None)
    return tag


def find_tag(store: Store, name: str) -> Tag:
    """Return the tag *name*.

    Raises:
        TagNotFoundError: There is none.
    """
    commit = store.ref(TAG_PREFIX + check_name(name))
    if commit is None:
        raise TagNotFoundError(name, store.refs(TAG_PREFIX))
    return Tag(name, commit.hex())
