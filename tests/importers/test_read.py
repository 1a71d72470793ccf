"""Shows which files are read, how formats are told apart, and that a bad file says where it is bad."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.errors import FormatError, InvalidInputError, TractError
from tract.importers import read, read_text

USER = {"role": "user", "content": "Hello"}
REPLY = {"role": "assistant", "content": "Hi"}
BLOCKS = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]}


@pytest.mark.parametrize(
    ("name", "text", "sizes"),
    [
        ("a.json", json.dumps([USER, REPLY]), [2]),
        ("a.json", json.dumps({"id": 7, "messages": [USER]}), [1]),
        ("a.json", json.dumps([{"messages": [USER]}, {"messages": [USER, REPLY]}]), [1, 2]),
        ("a.json", json.dumps([[USER], [USER, REPLY]]), [1, 2]),
        ("a.jsonl", f"{json.dumps(USER)}\n\n{json.dumps(REPLY)}\n", [2]),
        ("a.jsonl", f"{json.dumps([USER])}\n{json.dumps({'messages': [USER, REPLY]})}", [1, 2]),
        ("a.txt", f"{json.dumps(USER)}\n{json.dumps(REPLY)}\n", [2]),
        ("a.json", "\ufeff" + json.dumps([USER]), [1]),
        ("a.jsonl", json.dumps({"role": "user", "content": "a\u2028b"}, ensure_ascii=False), [1]),
    ],
)
def test_every_shape_of_file_is_read(tmp_path: Path, name: str, text: str, sizes: list[int]) -> None:
    """Arrays, objects, arrays of both and JSONL of messages or conversations give what they hold."""
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")

    assert [len(one.contents) for one in read(file)] == sizes


@pytest.mark.parametrize(
    ("conversation", "expected"),
    [
        ({"messages": [USER]}, "openai"),
        ({"messages": [{"role": "system", "content": "x"}, USER]}, "openai"),
        ({"messages": [USER, BLOCKS]}, "anthropic"),
        ({"messages": [USER], "system": "Be kind."}, "anthropic"),
        ({"messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}], "system": "Be kind."}, "openai"),
    ],
)
def test_the_format_is_told_by_what_only_one_has(conversation: dict[str, Any], expected: str) -> None:
    """Roles, fields and blocks of one provider decide; plain text counts as OpenAI's, a `system` beside it does not."""
    (found,) = read_text(json.dumps(conversation))

    assert found.format == expected


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "x.jsonl"),
        ("[]", "x.jsonl, line 1"),
        ("{", "x.jsonl, line 1"),
        ('{"role": "user", "content": "a"}\n{"role": "usr", "content": "a"}', "x.jsonl, line 2, role"),
        (
            '{"messages": [{"role": "user", "content": "a"}]}\n{"messages": [{"role": []}]}',
            "x.jsonl, line 2, messages[0].role",
        ),
        ('{"role": "user", "role": "user"}', "x.jsonl, line 1"),
        ('{"role": "user", "content": NaN}', "x.jsonl, line 1"),
        ('{"role": "user", "content": "a", "n": 99999999999999999999}', "x.jsonl, line 1"),
        ("[" * 200 + "]" * 200, "x.jsonl, line 1"),
        ("[" * 100_000, "x.jsonl, line 1"),
        ("1", "x.jsonl, line 1"),
        ('{"messages": 1}', "x.jsonl, line 1"),
        ('{"messages": []}', "x.jsonl, line 1"),
        ('{"role": "user", "content": "a"}\n{"messages": []}', "x.jsonl, line 2"),
    ],
)
def test_a_bad_file_says_where(text: str, place: str) -> None:
    """Each kind of damage is a `FormatError` that names the line and the message."""
    with pytest.raises(FormatError) as caught:
        read_text(text, name="x.jsonl")

    assert caught.value.path == place


def test_bytes_that_are_no_text_say_where() -> None:
    """A byte that is not UTF-8 is reported with its line."""
    with pytest.raises(FormatError, match="line 2: This is not UTF-8"):
        read_text(b'{"role": "user", "content": "a"}\n\xff', name="x.jsonl")


def test_two_formats_in_one_file_are_refused() -> None:
    """A file with signs of both providers has to be told apart by the caller."""
    with pytest.raises(FormatError, match="Some messages are in the format anthropic and some in the format openai"):
        read_text(json.dumps([{"messages": [BLOCKS]}, {"messages": [{"role": "system", "content": "x"}]}]))


@pytest.mark.parametrize("path", ["missing.json", ".", "\0", "/dev/zero"])
def test_what_is_no_file_is_refused(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file, a folder, an impossible name and a device are errors, not hangs."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InvalidInputError):
        read(path)


def test_an_unknown_format_is_refused() -> None:
    """The known formats are named."""
    with pytest.raises(InvalidInputError, match="Unknown format"):
        read_text("[]", format="cohere")  # type: ignore[arg-type]


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text(max_size=5)
    | st.sampled_from(["user", "text", "tool_use"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "messages",
                    "system",
                    "type",
                    "text",
                    "tool_calls",
                    "id",
                    "name",
                    "function",
                    "input",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.lists(_values, max_size=3), st.sampled_from(["auto", "openai", "anthropic"]))
def test_any_json_is_read_or_refused(messages: list[Any], kind: Any) -> None:
    """Whatever the messages are, the answer is conversations or a `TractError`."""
    try:
        found = read_text(json.dumps({"messages": messages}), format=kind)
    except TractError:
        found = []
    assert all(one.contents and one.id is None for one in found)
