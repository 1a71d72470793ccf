"""G12: bad input gives its own `TractError`, writes nothing and changes nothing."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.reliability.dump import dump
from tests.reliability.verbs import make_history
from tract import ToolCall, Tract
from tract.errors import (
    BudgetExceededError,
    ClosedHandleError,
    ContentTooLargeError,
    DetachedHeadError,
    ForkedHandleError,
    InvalidContentError,
    InvalidInputError,
    InvalidRefNameError,
    InvalidTargetError,
    NotAStoreError,
    NotCanonicalError,
    ReadOnlyError,
    RevisionNotFoundError,
    SchemaTooNewError,
    StoreNotFoundError,
    TractError,
    UnknownContentTypeError,
)
from tract.objects.hashing import parse_json
from tract.objects.refs import check_name

_HALF = "\ud800"


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def freeform(data: object) -> dict[str, object]:
    """Return a content of any JSON."""
    return {"content_type": "freeform", "data": data}


def _annotation(t: Tract) -> str:
    return next(commit.hash for commit in t.log(20) if commit.op == "annotate")


def _off_history(t: Tract) -> str:
    t.switch("other")
    tip = t.head
    t.switch("main")
    assert tip is not None
    return tip


_REFUSED: dict[str, tuple[type[TractError], Callable[[Tract], object]]] = {
    "unknown commit": (RevisionNotFoundError, lambda t: t.edit("0123456789", "x")),
    "LIKE wildcards": (RevisionNotFoundError, lambda t: t.pin("____")),
    "a percent sign": (RevisionNotFoundError, lambda t: t.pin("%%%%")),
    "a long revision": (RevisionNotFoundError, lambda t: t.get("~1" * 100_000 + "x")),
    "edit without target": (InvalidTargetError, lambda t: t.commit("x", op="edit")),
    "target without edit": (InvalidTargetError, lambda t: t.commit("x", target="HEAD")),
    "edit outside the ancestry": (InvalidTargetError, lambda t: t.edit(_off_history(t), freeform(1))),
    "edit of an annotation": (InvalidTargetError, lambda t: t.edit(_annotation(t), {"role": "user", "content": "x"})),
    "empty role": (InvalidContentError, lambda t: t.commit({"content_type": "dialogue", "role": "", "text": "x"})),
    "unknown content type": (UnknownContentTypeError, lambda t: t.commit({"content_type": "nonsense"})),
    "half of a character": (InvalidContentError, lambda t: t.user(_HALF)),
    "half in a name": (InvalidContentError, lambda t: t.user("x", name=_HALF)),
    "half in a message": (NotCanonicalError, lambda t: t.user("x", message=_HALF)),
    "half in a metadata key": (NotCanonicalError, lambda t: t.user("x", metadata={_HALF: 1})),
    "half in an author": (InvalidInputError, lambda t: t.commit("x", author=_HALF)),
    "half in a branch": (InvalidRefNameError, lambda t: t.branch(_HALF)),
    "half in a reason": (NotCanonicalError, lambda t: t.pin("HEAD", reason=_HALF)),
    "a number as author": (InvalidInputError, lambda t: t.commit("x", author=5)),  # type: ignore[arg-type]
    "a line break in an author": (InvalidInputError, lambda t: t.commit("x", author="a\nb")),
    "NaN": (NotCanonicalError, lambda t: t.user("x", metadata={"n": float("nan")})),
    "infinity": (NotCanonicalError, lambda t: t.commit({"content_type": "freeform", "data": float("inf")})),
    "a huge integer": (NotCanonicalError, lambda t: t.commit({"content_type": "freeform", "data": 2**53})),
    "a key that is no text": (NotCanonicalError, lambda t: t.user("x", metadata={"a": {1: 2}})),
    "129 levels": (NotCanonicalError, lambda t: t.commit({"content_type": "freeform", "data": _nested(128)})),
    "100,000 levels": (NotCanonicalError, lambda t: t.commit({"content_type": "freeform", "data": _nested(100_000)})),
    "16 MiB and one": (ContentTooLargeError, lambda t: t.user("x" * (16 * 1024 * 1024 + 1))),
    "arguments that are no text": (
        InvalidContentError,
        lambda t: t.commit({"content_type": "dialogue", "role": "assistant", "tool_calls": [ToolCall("1", "f", {})]}),  # type: ignore[arg-type]
    ),
    "an unknown setting": (InvalidInputError, lambda t: t.configure(nonsense=1)),
    "a bad default branch": (InvalidRefNameError, lambda t: t.configure(default_branch="a b")),
}  # fmt: skip


@pytest.mark.parametrize("case", _REFUSED)
def test_bad_input_is_refused_and_nothing_is_written(tmp_path: Path, case: str) -> None:
    """Each case has its own error with a sentence and a hint, and leaves every row as it was."""
    path = tmp_path / "a.db"
    make_history(path)
    kind, call = _REFUSED[case]
    with Tract.open(path) as t:
        _off_history(t)
        before, commits = dump(path), t.log(99)
        with pytest.raises(kind) as caught:
            call(t)
        after = dump(path)

        assert str(caught.value)
        assert caught.value.hint
        assert {name: rows for name, rows in after.items() if name not in {"operations", "ref_changes"}} == {
            name: rows for name, rows in before.items() if name not in {"operations", "ref_changes"}
        }
        assert t.log(99) == commits
        assert t.user("Still here.").op == "append"


def test_odd_but_valid_text_is_kept() -> None:
    """NUL, special tokens of models and broken JSON in tool arguments come back as they were given."""
    texts = ["a\0b", "<|endoftext|>", "\u202e", "\r\n", "", "\ufeff"]
    with Tract.open() as t:
        for text in texts:
            t.user(text)
        t.assistant(tool_calls=[{"id": "1", "name": "f", "arguments": '{"broken'}])
        t.commit({"content_type": "freeform", "data": _nested(127)})
        messages = t.compile(verify=True).messages

    assert [message.text for message in messages[: len(texts)]] == texts
    assert messages[len(texts)].tool_calls[0].arguments == '{"broken'


def test_an_edit_of_an_edit_acts_on_the_original() -> None:
    """So the second edit wins and there is still one message."""
    with Tract.open() as t:
        said = t.user("one")
        first = t.edit(said, "two")
        second = t.edit(first, "three")

        assert second.targets == (said.hash,)
        assert [message.text for message in t.compile().messages] == ["three"]


# --- handles that cannot write ------------------------------------------------------------------------


def test_handles_that_cannot_write_say_so(tmp_path: Path) -> None:
    """Closed, detached and read-only handles, and one over its budget."""
    path = tmp_path / "a.db"
    make_history(path)
    t = Tract.open(path)
    t.checkout("HEAD~1")
    with pytest.raises(DetachedHeadError):
        t.user("x")
    t.switch("main")
    t.configure(budget={"limit_tokens": 1, "on_exceed": "reject"})
    before = dump(path)
    with pytest.raises(BudgetExceededError):
        t.user("x")
    t.close()
    with pytest.raises(ClosedHandleError):
        t.user("x")
    with Tract.open(path, read_only=True) as reader, pytest.raises(ReadOnlyError):
        reader.user("x")

    assert dump(path) == before


def test_a_forked_handle_is_refused_and_the_parent_goes_on(tmp_path: Path) -> None:
    """A connection must not cross a fork: the child is told so at once, even while the lock is held."""
    with Tract.open(tmp_path / "a.db") as t:
        t.user("before")
        child = os.fork()
        if child == 0:
            try:
                t.user("in the child")
            except ForkedHandleError:
                os._exit(17)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)

        assert os.waitstatus_to_exitcode(status) == 17
        t.user("after")
        assert [message.text for message in t.compile().messages] == ["before", "after"]


# --- files that are no stores -------------------------------------------------------------------------


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (a)")


def _newer(path: Path) -> None:
    make_history(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")
        connection.execute("PRAGMA journal_mode = DELETE")


_FILES: dict[str, tuple[type[TractError], Callable[[Path], object]]] = {
    "text": (NotAStoreError, lambda path: path.write_text("hello " * 99)),
    "short": (NotAStoreError, lambda path: path.write_bytes(b"SQLite format 3\0")),
    "directory": (NotAStoreError, lambda path: path.mkdir()),
    "pipe": (NotAStoreError, os.mkfifo),
    "somebody else's": (NotAStoreError, _foreign),
    "newer": (SchemaTooNewError, _newer),
}


@pytest.mark.about_files
@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("kind", _FILES)
def test_what_is_no_store_is_left_alone(tmp_path: Path, kind: str, *, read_only: bool) -> None:
    """Refused by its own error; bytes, time and folder are as before."""
    error, make = _FILES[kind]
    path = tmp_path / "a.db"
    make(path)
    before = (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None, os.listdir(tmp_path))  # noqa: PTH208

    with pytest.raises(error):
        Tract.open(path, read_only=read_only)

    assert before == (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None, os.listdir(tmp_path))  # noqa: PTH208


@pytest.mark.about_files
@pytest.mark.parametrize("name", ["a.db", "a.db/b.db", "x" * 300, "no/such/folder.db", "\ud800.db", "a\0b"])
def test_a_path_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    """An empty file that may not be filled, a file as a folder, a name too long or not a name."""
    (tmp_path / "a.db").touch()

    with pytest.raises(TractError):
        Tract.open(f"{tmp_path}/{name}", create=name != "a.db")

    assert os.listdir(tmp_path) == ["a.db"]  # noqa: PTH208
    assert (tmp_path / "a.db").stat().st_size == 0


def test_nothing_there_is_not_found(tmp_path: Path) -> None:
    """Without `create`, and no file appears."""
    with pytest.raises(StoreNotFoundError):
        Tract.open(tmp_path / "a.db", create=False)

    assert list(tmp_path.iterdir()) == []


# --- passwords ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://user:sk-canary@127.0.0.1:1/db",
        "mysql://user:sk-canary@127.0.0.1/db",
        "postgresql+psycopg://user:sk-canary@127.0.0.1:notaport/db",
        "nonsense://user:sk-canary@",
    ],
)
def test_a_password_in_a_url_is_never_shown(url: str) -> None:
    """Not in the error, not in its hint, not in its causes."""
    with pytest.raises(TractError) as caught:
        Tract.open(url)

    error: BaseException | None = caught.value
    assert "sk-canary" not in f"{caught.value!r} {caught.value.hint}"
    while error is not None:
        assert "sk-canary" not in f"{error} {error!r}"
        error = error.__cause__


# --- names, as git has them ----------------------------------------------------------------------------


def _is_git_branch(name: str) -> bool:
    if shutil.which("git") is None:
        pytest.fail("these tests ask git; install it")
    return (
        subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, check=False).returncode == 0
    )


_pieces = st.lists(
    st.sampled_from(
        ["a", "B9", "/", ".", "..", "@", "@{", "-", "~", "^", ":", " ", "?", "*", "[", "\\", ".lock", "é", "\x7f"]
    ),
    min_size=1,
    max_size=6,
).map("".join)


@given(_pieces)
@settings(max_examples=200)
@example("HEAD")
@example("a.lock/b")
@example("a/.b")
def test_every_name_we_take_is_one_git_takes(name: str) -> None:
    """Our rules are git's and stricter ones: reserved names, a leading dash, what cannot be seen."""
    try:
        check_name(name)
    except InvalidRefNameError:
        is_stricter = name in {"@", "-", "ORIG_HEAD"} or name.startswith(("-", "refs/"))
        assert is_stricter or not _is_git_branch(name)
    else:
        assert _is_git_branch(name)


# --- JSON of others ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ['{"a":1,"a":2}', "NaN", "[Infinity]", "9007199254740992", "1" * 5000, "[" * 129 + "]" * 129,
             "[" * 100_000 + "]" * 100_000, "{1:2}", '"\\ud800"', b"\xff", "", "{"],
)  # fmt: skip
def test_json_that_is_not_canonical_is_refused(text: str | bytes) -> None:
    """Duplicate keys, numbers no two readers agree on, depth, and what is no JSON."""
    with pytest.raises(NotCanonicalError):
        parse_json(text)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)
_messages = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "tool", "system", ""]) | _json,
        "content": _json,
        "content_type": st.sampled_from(["dialogue", "tool_result", "freeform", "session"]) | _json,
        "tool_calls": _json,
        "text": _json,
        "parts": _json,
        "data": _json,
        "call_id": _json,
        "kind": _json,
        "name": _json,
        "tool_call_id": _json,
    },
)


@given(_messages)
@settings(max_examples=200)
def test_any_mapping_is_committed_and_compiles_or_is_refused(message: dict[str, Any]) -> None:
    """Whatever JSON comes as a content: a `TractError`, or a commit that reads back and compiles."""
    with Tract.open() as t:
        try:
            made = t.commit(message)
        except TractError:
            assert t.head is None
        else:
            t.show(made)
            t.compile(verify=True).to_openai()
            assert t.fsck() == []
