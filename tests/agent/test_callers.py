"""Several callers on one branch, in threads and processes: one lands, the others know."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.agent.talking import model, require_valid, said
from tract import ToolCall, Tract
from tract.errors import RefConflictError, UnansweredCallsError

_CHILD = """
import sys, time
from tract import Tract
from tract.errors import RefConflictError
from tract.testing import ScriptedLLM

path, name, landing, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])

def slowly(request):
    time.sleep(0.01)
    return f"to {request.messages[-1].text}"

with Tract.open(path, llm=ScriptedLLM([slowly] * count)) as t:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(count):
        try:
            t.chat(f"{name}{number}", on_conflict=landing)
            print("landed", flush=True)
        except RefConflictError as error:
            print("lost" if error.reply.text.startswith("to ") else "odd", flush=True)
"""


@pytest.mark.parametrize("landing", ["raise", "after"])
def test_processes_that_chat_on_one_branch(landing: str, tmp_path: Path) -> None:
    """Every question is there once; each reply landed, or its caller has it in the error."""
    path = tmp_path / "a.db"
    Tract.open(path).close()
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(path), name, landing, "6"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "COVERAGE_PROCESS_START": ""},
        )
        for name in ("a", "b")
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    outcomes = [line for child in children for line in child.communicate("go\n", timeout=90)[0].split()]

    assert len(outcomes) == 12
    assert set(outcomes) <= {"landed", "lost"}
    with Tract.open(path) as t:
        texts = said(t)
        questions = [text for role, text in texts if role == "user"]
        assert sorted(questions) == sorted(f"{name}{number}" for name in "ab" for number in range(6))
        assert len([role for role, _ in texts if role == "assistant"]) == outcomes.count("landed")
        if landing == "after":
            assert outcomes.count("landed") == 12
        require_valid(t)


def test_threads_that_chat_on_one_handle() -> None:
    """The loser of each race gets the reply in its error, and nothing is half done."""
    both = threading.Barrier(2, timeout=60)
    kept: list[str] = []
    lost: list[str] = []

    def meeting(request: object) -> str:
        both.wait()
        return f"reply {len(getattr(request, 'messages', ()))}"

    with Tract.open(llm=model(*[meeting] * 8)) as t:

        def talk(name: str) -> None:
            for number in range(4):
                try:
                    kept.append(t.chat(f"{name}{number}").text)
                except RefConflictError as error:
                    lost.append(error.reply.text)

        threads = [threading.Thread(target=talk, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)

        assert len(kept) + len(lost) == 8
        assert len([role for role, _ in said(t) if role == "assistant"]) == len(kept)
        assert len([role for role, _ in said(t) if role == "user"]) == 8
        require_valid(t)


def test_a_chat_beside_a_run_never_comes_between_a_call_and_its_result() -> None:
    """While the tool runs a question is refused; afterwards it lands."""
    refused: list[str] = []
    with Tract.open() as t:

        def ask() -> str:
            try:
                t.chat("Me too?", llm=model("No."))
            except UnansweredCallsError as error:
                refused.extend(error.calls)
            return "asked"

        t.run("Go.", tools=[ask], llm=model(ToolCall("call_1", "ask", "{}"), "Done."))
        t.chat("Me too?", llm=model("Yes."))

        assert refused == ["call_1"]
        assert said(t)[-2:] == [("user", "Me too?"), ("assistant", "Yes.")]
        require_valid(t)
