"""Shows what commits, annotations, branches and notes refuse, and that a refusal writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ids import shown
from tract import InstructionContent, Tract
from tract.errors import (
    BranchNotFoundError,
    DetachedHeadError,
    InvalidContentError,
    InvalidInputError,
    InvalidRefNameError,
    InvalidTargetError,
    OperationOpenError,
    RefConflictError,
    RefExistsError,
    RevisionNotFoundError,
    TractError,
    UnknownContentTypeError,
)

Call = Callable[[Tract], object]

REFUSED: dict[str, tuple[type[TractError], Call]] = {
    "content of no kind": (InvalidContentError, lambda t: t.commit(5)),  # type: ignore[arg-type]
    "mapping of no kind": (InvalidContentError, lambda t: t.commit({"text": "a"})),
    "empty role": (InvalidContentError, lambda t: t.commit({"content_type": "dialogue", "role": "", "text": "a"})),
    "unknown type": (UnknownContentTypeError, lambda t: t.commit({"content_type": "dialog", "text": "a"})),
    "unknown origin": (InvalidInputError, lambda t: t.commit("a", origin="alien")),
    "author that is no text": (InvalidInputError, lambda t: t.commit("a", author=5)),  # type: ignore[arg-type]
    "author with half a surrogate": (InvalidInputError, lambda t: t.commit("a", author="\ud800")),
    "message that is no text": (InvalidInputError, lambda t: t.commit("a", message=5)),  # type: ignore[arg-type]
    "metadata that is no mapping": (InvalidInputError, lambda t: t.commit("a", metadata=[1])),  # type: ignore[arg-type]
    "text with half a surrogate": (InvalidContentError, lambda t: t.user("\ud800")),
    "edit without target": (InvalidTargetError, lambda t: t.commit("a", op="edit")),
    "append with target": (InvalidTargetError, lambda t: t.commit("a", target="HEAD")),
    "another op": (InvalidInputError, lambda t: t.commit("a", op="merge")),  # type: ignore[arg-type]
    "edit of an annotation": (InvalidTargetError, lambda t: t.edit("HEAD", {"role": "user", "content": "a"})),
    "edit of another branch": (InvalidTargetError, lambda t: t.edit("other", {"role": "user", "content": "a"})),
    "text for another branch": (InvalidTargetError, lambda t: t.edit("other", "a")),
    "skip of an annotation": (InvalidTargetError, lambda t: t.skip("HEAD")),
    "unknown priority": (InvalidInputError, lambda t: t.annotate("HEAD~", "urgent")),  # type: ignore[arg-type]
    "annotating nothing": (InvalidInputError, lambda t: t.annotate([], "skip")),
    "reason that is no text": (InvalidInputError, lambda t: t.skip("HEAD~", reason=5)),  # type: ignore[arg-type]
    "unknown target": (RevisionNotFoundError, lambda t: t.skip("nothing")),
    "unknown reply_to": (RevisionNotFoundError, lambda t: t.commit("a", reply_to="nothing")),
    "branch moved on": (RefConflictError, lambda t: t.commit("a", expected_head="HEAD~")),
    "branch there already": (RefExistsError, lambda t: t.branch("other")),
    "bad branch name": (InvalidRefNameError, lambda t: t.branch("a b")),
    "unknown branch": (BranchNotFoundError, lambda t: t.switch("othr")),
    "nowhere to go back": (RevisionNotFoundError, lambda t: t.checkout("-")),
    "unknown checkout": (RevisionNotFoundError, lambda t: t.checkout("nothing")),
    "negative limit": (InvalidInputError, lambda t: t.log(-1)),
}


@pytest.fixture
def t(tmp_path: Path) -> Any:
    path = tmp_path / "a.db"
    with Tract.open(path) as writer:
        writer.user("first")
        writer.branch("other")
        writer.user("there")
        writer.switch("main")
        writer.pin("HEAD")
    with Tract.open(path) as handle:
        yield handle


@pytest.mark.parametrize("name", REFUSED, ids=shown)
def test_bad_input_is_refused_and_writes_nothing(t: Tract, name: str) -> None:
    """Each mistake has its error; HEAD, branch and store are as before, and the handle goes on."""
    error, call = REFUSED[name]
    before = (t.head, t.current_branch, len(t.log()))

    with pytest.raises(error) as caught:
        call(t)

    assert type(caught.value).code == caught.value.code
    assert (t.head, t.current_branch, len(t.log())) == before
    assert t.fsck() == []
    t.user("and on")


def test_before_the_first_commit_there_is_nothing_to_branch_or_edit() -> None:
    """An empty tract says so."""
    with Tract.open() as t:
        with pytest.raises(RevisionNotFoundError):
            t.branch("other")
        with pytest.raises(RevisionNotFoundError):
            t.edit("HEAD", "a")
        assert (t.head, t.log(), t.status().head) == (None, [], None)


def test_a_detached_head_reads_and_does_not_write(t: Tract) -> None:
    """Committing needs a branch; making one there is the way on."""
    first = t.get("HEAD~").hash
    assert t.checkout("HEAD~") is None
    assert t.status().is_detached
    for call in (lambda: t.user("a"), lambda: t.skip("HEAD"), lambda: t.compile(as_of=t.get("HEAD").created_at)):
        with pytest.raises(DetachedHeadError):
            call()
    assert t.compile().head == first
    assert t.checkout("other") == "other"
    assert t.checkout("-") is None
    t.branch("onward")
    assert t.user("a").parents == (first,)


def test_a_read_only_handle_may_look_at_every_branch(t: Tract, tmp_path: Path) -> None:
    """Switching moves only its own HEAD and writes nothing."""
    with Tract.open(tmp_path / "a.db", read_only=True) as reader:
        reader.switch("other")
        assert reader.compile().messages[-1].text == "there"
        with pytest.raises(BranchNotFoundError):
            reader.switch("nothing")
    assert t.current_branch == "main"


def test_everything_said_about_a_commit_comes_back(t: Tract) -> None:
    """Message, metadata, origin, author, reply and config, from the call and from the store alike."""
    info = t.commit(
        InstructionContent(text="Be brief."),
        message="the rule",
        metadata={"run": 7, "nested": {"a": [None]}},
        generation_config={"model": "gpt-4o", "seed": 1},
        origin="tool",
        author="Ann Lee",
        reply_to="HEAD~",
        expected_head="HEAD",
    )

    assert t.get("HEAD") == info
    assert (info.message, info.origin, info.author, info.reply_to) == (
        "the rule",
        "tool",
        "Ann Lee",
        t.get("HEAD~2").hash,
    )
    assert info.metadata == {"run": 7, "nested": {"a": [None]}}
    assert info.generation_config == {"model": "gpt-4o", "seed": 1}
    assert info.short_hash == info.hash[:8]
    assert "Be brief" not in repr(info)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.skip("HEAD~"), "skip {0}"),
        (lambda t: t.pin("HEAD~", reason="the plan"), "pin {0}: the plan"),
        (lambda t: t.unpin("HEAD~"), "unpin {0}"),
        (lambda t: t.edit("HEAD~", "second"), "edit {0}: second"),
        (lambda t: t.user("\n hello \n"), "hello"),
    ],
    ids=shown,
)
def test_a_message_not_given_is_derived(t: Tract, call: Callable[[Tract], Any], message: str) -> None:
    """It says what was done to which commit, the same from the call and from the store."""
    target = t.get("HEAD~").short_hash

    info = call(t)

    assert info.message == t.get(info).message == message.format(target)


def test_a_batch_inside_a_batch_is_refused(t: Tract) -> None:
    """One batch is one operation; a part of it that fails is undone alone."""
    with t.batch():
        t.user("kept")
        with pytest.raises(OperationOpenError):
            t.batch().__enter__()
        with pytest.raises(InvalidTargetError):
            t.skip("other")
        t.user("kept too")

    assert [message.text for message in t.compile(verify=True).messages] == ["first", "kept", "kept too"]
