"""Shows the main job on a real conversation: commit, reopen, compile, change, branch, merge, undo, compress, send.

Everything printed is computed by the calls shown beside it, in a temporary folder and without a
network. The text is the same on every run, so it names commits by their place and not by their hash.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from tract.compile.context import CompiledContext
from tract.formats.validate import validate_anthropic, validate_openai
from tract.importers import import_messages
from tract.objects.hashing import parse_json
from tract.operations.compress import CompressResult
from tract.porcelain.tract import Tract

Kind: TypeAlias = Literal["title", "code", "result"]


class Line(NamedTuple):
    """One line of the demonstration.

    Attributes:
        kind: `title` opens a step, `code` is what a developer would write, `result` what it gave.
        text: The line.
    """

    kind: Kind
    text: str


def conversation() -> list[dict[str, Any]]:
    """Return the messages of the conversation shipped with this package, in OpenAI's format."""
    data = files("tract").joinpath("data", "airline-conversation.json").read_bytes()
    messages: list[dict[str, Any]] = parse_json(data)["messages"]
    return messages


def run() -> Iterator[Line]:
    """Do the main job in a temporary folder, and yield what was done and what came out."""
    messages = conversation()
    with tempfile.TemporaryDirectory(prefix="tract-demo-") as folder:
        path = Path(folder) / "agent.db"
        with Tract.open(path) as t:
            yield from _commit(t, messages)
        with Tract.open(path) as t:
            yield from _reopen(t, messages)
            yield from _change(t)
            yield from _branch(t)
            yield from _merge(t)
            yield from _compress(t)
            yield from _send(t)
            yield from _check(t)


def _commit(t: Tract, messages: list[dict[str, Any]]) -> Iterator[Line]:
    yield Line("title", "Commit a real conversation: an airline's agent, a customer, two tool calls")
    yield Line("code", 't = Tract.open("agent.db")')
    yield Line("code", "import_messages(t, messages)")
    commits = import_messages(t, messages)
    yield Line("result", f"{len(commits)} commits in one transaction, on the branch {t.current_branch}")
    yield Line("code", "t.log()")
    for place, info in enumerate(t.log()):
        message = info.message if len(info.message) <= 48 else info.message[:47] + "…"
        yield Line("result", f"HEAD~{place:<2} {info.origin:<7} {info.tokens:>5,} tokens  {message}")


def _reopen(t: Tract, messages: list[dict[str, Any]]) -> Iterator[Line]:
    yield Line("title", "Reopen the file and get back what was said")
    yield Line("code", 't = Tract.open("agent.db")')
    yield Line("code", "context = t.compile()")
    context = t.compile()
    yield Line("result", f"{len(context)} messages, {context.token_count:,} tokens ({context.token_source})")
    yield Line("code", "context.to_openai() == messages")
    yield Line("result", str(context.to_openai() == messages))


def _change(t: Tract) -> Iterator[Line]:
    yield Line("title", "Change what the model sees; the history keeps what was there")
    before = t.compile()
    question, tool_result = before.commit_hashes[1], before.commit_hashes[5]
    yield Line("code", 't.edit(question, "Hi! Please take Ethan off reservation H9ZU1C.")')
    t.edit(question, "Hi! Please take Ethan off reservation H9ZU1C.")
    yield Line("code", 't.pin(tool_result, reason="the facts")')
    t.pin(tool_result, reason="the facts")
    yield Line("code", 't.skip(t.user("Nice weather today, by the way."))')
    t.skip(t.user("Nice weather today, by the way."))
    after = t.compile()
    yield _sizes("before", before)
    yield _sizes("after", after)
    yield Line("code", "t.compile(at=question)")
    yield Line("result", f'still says "{_shortened(t.compile(at=question).messages[1].text)}"')


def _branch(t: Tract) -> Iterator[Line]:
    yield Line("title", "Try another answer on a branch; nothing is copied")
    main = t.current_branch
    assert main is not None
    yield Line("code", 't.branch("kinder-answer", at=question)')
    t.branch("kinder-answer", at=t.compile().commit_hashes[1])
    t.assistant("I am sorry, Mia: a passenger cannot be removed. Shall I cancel the reservation instead?")
    yield _sizes("kinder-answer", t.compile())
    yield Line("code", f't.switch("{main}")')
    t.switch(main)
    yield _sizes(main, t.compile())


def _merge(t: Tract) -> Iterator[Line]:
    yield Line("title", "Bring two lines of work together, and take it back")
    main = t.current_branch or ""
    t.branch("notes")
    t.user("Note: the customer paid with a gift card.")
    t.switch(main)
    t.user("Anything else I can do for you?")
    yield Line("code", 't.merge("notes")')
    result = t.merge("notes")
    yield Line("result", f"{result.kind}: {len(result.conflicts)} conflicts, nothing lost")
    yield _sizes(main, t.compile())
    yield Line("code", "t.undo()")
    t.undo()
    yield _sizes(main, t.compile())


def _compress(t: Tract) -> Iterator[Line]:
    yield Line("title", "Compress what lies behind, offline; every original can be opened again")
    before = t.compile()
    yield Line("code", "result = t.compress(end=reply)")
    result = t.compress(end=before.commit_hashes[-3], autonomy="autonomous")
    assert isinstance(result, CompressResult)
    yield _sizes("before", before)
    yield _sizes("after", t.compile())
    yield Line("code", "t.expand(summary).originals")
    originals = [len(t.expand(summary).originals) for summary in result.commits]
    yield Line("result", f"{sum(originals)} originals behind {len(originals)} summaries; pinned ones stayed")


def _send(t: Tract) -> Iterator[Line]:
    yield Line("title", "Send it to either provider: tool calls stay with their results")
    context = t.compile()
    openai = context.to_openai()
    yield Line("code", "client.chat.completions.create(messages=context.to_openai(), ...)")
    yield Line("result", f"{len(openai)} messages, {_verdict(len(validate_openai(openai)))}")
    anthropic = context.to_anthropic()
    yield Line("code", "client.messages.create(**context.to_anthropic(), ...)")
    problems = validate_anthropic(anthropic.get("system"), anthropic["messages"])
    yield Line("result", f"system and {len(anthropic['messages'])} messages, {_verdict(len(problems))}")


def _check(t: Tract) -> Iterator[Line]:
    yield Line("title", "Hash every stored byte again")
    yield Line("code", "t.fsck()")
    yield Line("result", f"{len(t.fsck())} problems in {len(t.log(1000))} commits")


def _sizes(name: str, context: CompiledContext) -> Line:
    return Line("result", f"{name:<13} {len(context):>2} messages, {context.token_count:>5,} tokens")


def _verdict(problems: int) -> str:
    return "valid" if not problems else f"{problems} problems"


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
