"""Shows that what is imported comes back exactly, in one operation, or not at all."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gates import source
from tract import Tract
from tract.errors import ContentTooLargeError, DetachedHeadError, FormatError, InvalidInputError, RefExistsError
from tract.formats.gemini import gemini_body
from tract.importers import import_file, import_messages, read_text

CONVERSATIONS = source.ROOT / "tests" / "data" / "airline-conversations.jsonl"
USER = {"role": "user", "content": "Hello"}

_COMPILE_ALL = """
import json, sys
from tract import Tract
with Tract.open(sys.argv[1], read_only=True) as t:
    print(json.dumps([t.compile(at=name).to_openai() for name in sys.argv[2:]]))
"""


def _write(folder: Path, value: Any) -> Path:
    file = folder / "in.json"
    file.write_text(json.dumps(value), encoding="utf-8")
    return file


def test_all_conversations_come_back_exactly_in_a_new_process(tmp_path: Path) -> None:
    """Forty real conversations, imported, reopened elsewhere and compiled, equal the file; fsck is clean."""
    expected = [json.loads(line) for line in CONVERSATIONS.read_text(encoding="utf-8").splitlines()]
    with Tract.open(tmp_path / "a.db") as t:
        branches = [one.branch for one in import_file(t, CONVERSATIONS)]
        findings = t.fsck()

    command = [sys.executable, "-c", _COMPILE_ALL, str(tmp_path / "a.db"), *branches]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    assert branches == [one["id"] for one in expected]
    assert json.loads(result.stdout) == [one["messages"] for one in expected]
    assert findings == []


def test_what_the_file_says_beside_the_messages_is_kept() -> None:
    """Other fields stay with the first commit; roles keep their own origin."""
    with Tract.open() as t:
        first = import_file(t, CONVERSATIONS)[0]

        assert t.get(first.commits[0]).metadata == {
            "import": {
                "file": "airline-conversations.jsonl",
                "format": "openai",
                "id": "airline-00-0",
                "fields": {"task": 0, "trial": 0, "reward": 0.0},
            }
        }
        assert [info.origin for info in first.commits[:3]] == ["system", "user", "model"]


def test_anthropic_messages_come_back_exactly(tmp_path: Path) -> None:
    """System, tool use and tool results are sent to Anthropic as they were read."""
    request = {
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"a": 1}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sunny."}]},
        ],
    }
    with Tract.open() as t:
        (done,) = import_file(t, _write(tmp_path, request))

        assert done.format == "anthropic"
        assert t.compile().to_anthropic() == request


RESPONSES: dict[str, Any] = {
    "instructions": "Be brief.",
    "input": [
        {"role": "user", "content": "Weather?"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e"},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "Sunny."},
    ],
}
GEMINI: dict[str, Any] = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "contents": [
        {"role": "user", "parts": [{"text": "Weather?"}]},
        {
            "role": "model",
            "parts": [{"functionCall": {"id": "c1", "name": "look", "args": {}}, "thoughtSignature": "eA=="}],
        },
        {
            "role": "user",
            "parts": [{"functionResponse": {"id": "c1", "name": "look", "response": {"result": "Sunny."}}}],
        },
    ],
}


def test_requests_to_responses_and_gemini_come_back_exactly(tmp_path: Path) -> None:
    """Each is told by where it has its messages, and sent as it was read."""
    for request, name in ((RESPONSES, "openai_responses"), (GEMINI, "gemini")):
        with Tract.open() as t:
            (done,) = import_file(t, _write(tmp_path, request))

            assert done.format == name
            value = t.compile().report(name).value
            assert (gemini_body(value) if name == "gemini" else value) == request


def test_items_and_turns_alone_are_told_apart() -> None:
    """An array of them is enough, and an error says which one is wrong."""
    for messages, name in ((RESPONSES["input"], "openai_responses"), (GEMINI["contents"], "gemini")):
        (read_back,) = read_text(json.dumps(messages))
        assert read_back.format == name
        lines = "\n".join(json.dumps(message) for message in messages)
        assert read_text(lines, name="a.jsonl")[0].contents == read_back.contents
        with Tract.open() as t:
            import_messages(t, messages, system="Be brief.")
            assert t.compile().messages[0].text == "Be brief."
    broken = {**RESPONSES, "input": [*RESPONSES["input"], {"type": "function_call_output", "output": "x"}]}
    with pytest.raises(FormatError) as caught:
        read_text(json.dumps(broken))
    assert caught.value.path == "input[4].call_id"
    with pytest.raises(FormatError, match="format gemini and some in the format openai_responses"):
        read_text(json.dumps([RESPONSES, GEMINI]))


def test_one_conversation_goes_to_the_end_of_the_current_branch(tmp_path: Path) -> None:
    """It continues what is there, on the branch that is there."""
    with Tract.open() as t:
        t.system("Be kind.")
        (done,) = import_file(t, _write(tmp_path, [USER]))

        assert done.branch == t.current_branch == "main"
        assert [message.text for message in t.compile().messages] == ["Be kind.", "Hello"]


def test_several_get_branches_that_start_from_nothing(tmp_path: Path) -> None:
    """Names come from ids, cleaned and made unique; HEAD stays on a branch that has commits."""
    ids = ["a b", "a b", "../x.lock", None, "\u202e", "été"]
    file = _write(tmp_path, [{"id": name, "messages": [USER]} for name in ids])
    with Tract.open() as t:
        t.system("Be kind.")
        done = import_file(t, file)

        assert [one.branch for one in done] == ["a-b", "a-b-2", "in-3", "in-4", "in-5", "été"]
        assert t.current_branch == "main"
        assert all(len(t.compile(at=one.branch)) == 1 for one in done)


def test_head_leaves_an_empty_branch_for_the_first_conversation(tmp_path: Path) -> None:
    """After an import into a new tract there is something to see."""
    file = _write(tmp_path, [{"id": "x", "messages": [USER]}, {"id": "y", "messages": [USER]}])
    with Tract.open(tmp_path / "a.db") as t:
        import_file(t, file)

    with Tract.open(tmp_path / "a.db") as t:
        assert t.current_branch == "x"


def test_a_branch_can_be_named(tmp_path: Path) -> None:
    """One conversation gets that branch; several get it as the first part of their names."""
    with Tract.open() as t:
        one = import_file(t, _write(tmp_path, [USER]), branch="talk")
        two = import_file(t, _write(tmp_path, [[USER], [USER]]), branch="more")

        assert [done.branch for done in (*one, *two)] == ["talk", "more/in-1", "more/in-2"]


def test_a_second_import_is_refused_and_changes_nothing() -> None:
    """The branches are there already; no operation is recorded."""
    with Tract.open() as t:
        import_file(t, CONVERSATIONS)
        before = (t.head, t.current_branch, t.log(500))

        with pytest.raises(RefExistsError):
            import_file(t, CONVERSATIONS)

        assert (t.head, t.current_branch, t.log(500)) == before


def test_an_error_in_the_last_message_writes_nothing(tmp_path: Path) -> None:
    """Neither a bad message nor a content over the limit leaves a part behind."""
    file = _write(tmp_path, [[USER], [USER, {"role": "user", "content": "x" * 2000}]])
    bad = tmp_path / "bad.jsonl"
    bad.write_text(f"{json.dumps(USER)}\n{{}}\n")
    with Tract.open(tmp_path / "a.db", config={"max_content_bytes": 1000}) as t:
        with pytest.raises(ContentTooLargeError):
            import_file(t, file)
        with pytest.raises(FormatError, match=r"bad\.jsonl, line 2"):
            import_file(t, bad)

        assert (t.head, t.current_branch, t.log()) == (None, "main", [])
        assert t.user("still usable").context_tokens > 0


def test_messages_are_committed_in_one_operation() -> None:
    """`import_messages` takes what is sent to a provider; `@{1}` is the state before all of it."""
    with Tract.open() as t:
        before = t.user("before")
        commits = import_messages(t, [USER, {"role": "assistant", "content": "Hi"}])

        assert [info.message for info in commits] == ["Hello", "Hi"]
        assert t.get("@{1}").hash == before.hash


def test_a_system_text_beside_the_messages_comes_first() -> None:
    """It becomes the system message, in either format."""
    for kind in ("openai", "anthropic"):
        with Tract.open() as t:
            import_messages(t, [USER], system="Be kind.", format=kind)

            assert t.compile().to_openai() == [{"role": "system", "content": "Be kind."}, USER]


@pytest.mark.parametrize("messages", ["text", {"role": "user"}, None])
def test_messages_that_are_no_list_are_refused(messages: Any) -> None:
    """Text, one message and nothing are errors with a hint."""
    with Tract.open() as t, pytest.raises(InvalidInputError):
        import_messages(t, messages)


def test_a_detached_handle_imports_nothing(tmp_path: Path) -> None:
    """There is no branch to go back to."""
    with Tract.open() as t:
        t.checkout(t.user("x").hash)

        with pytest.raises(DetachedHeadError):
            import_file(t, _write(tmp_path, [[USER], [USER]]))
