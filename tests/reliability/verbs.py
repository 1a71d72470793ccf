"""Answers which public writes there are, as calls on a handle with a small history behind it."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.operations.pending import keep_merge
from tract import DialogueContent, MergeResult, MoveResult, Resolution, Tract, Usage
from tract.compile.safety import WARNING_KINDS
from tract.errors import InvalidInputError, NothingToUndoError
from tract.objects.hashing import blob_hash
from tract.operations.commit import Remarks
from tract.operations.reply import Turn, commit_turn

Write = Callable[[Tract], object]

CALL: Final = {"id": "call_1", "name": "search", "arguments": '{"q": "tea"}'}
_DECIDED: Final = Resolution("use", "Which are best?", "Both hold.", "tool", {"model": "m-5", "temperature": 0.5})
USAGE: Final = {"prompt_tokens": 40, "completion_tokens": 7}


def make_history(path: Path | str) -> None:
    """Make a store with an instruction, a tool exchange, an edit, an annotation, a config and two branches."""
    with Tract.open(path) as t:
        t.system("You are terse.")
        asked = t.user("Which teas are there?", metadata={"channel": "web"})
        t.assistant(tool_calls=[CALL], generation_config={"model": "m-1", "temperature": 0.5})
        t.tool_result("call_1", "green, black")
        reply = t.assistant("Green and black.", message="the answer")
        t.edit(asked, "Which teas do you have?")
        t.pin(reply)
        t.record_usage(USAGE)
        t.branch("other")
        t.user("And coffee?")
        t.switch("main")
        t.branch("spare", switch=False)
        t.branch("aside", at="HEAD~1")
        t.user("An aside.")
        t.switch("other")
        t.user("How much is it?")
        t.tag("release")
        t.user("And now?")
        # What there is to redo for whoever begins with it.
        t.undo()


def make_merges(path: Path | str) -> None:
    """Add a branch ahead, one that contradicts main, a merge and a proposal that wait, and a child that worked."""
    with Tract.open(path) as t:
        asked = contents(t)[-2]
        t.branch("clash")
        t.edit(asked, "Which teas are best?")
        t.user("And milk?")
        t.switch("main")
        t.edit(asked, "Which teas have you got?")
        t.branch("ahead")
        t.user("And cakes?")
        t.switch("main")
        t.compress(content="Said.", autonomy="collaborative")
        t.merge("clash")
        t.spawn("look it up", name="worker").assistant("Looked up.")


def _where_one_waits(write: Callable[[Tract, MergeResult], object]) -> Write:
    """Return *write* as one that may be called again when it has been done."""

    def again(t: Tract) -> object:
        result = t.merge_in_progress
        return None if result is None else write(t, result)

    return again


def contents(t: Tract) -> list[str]:
    """Return the commits that placed a message, newest first."""
    return list(reversed(t.compile().commit_hashes))


_numbers = itertools.count()


def _batch(t: Tract) -> None:
    with t.batch():
        said = t.user("In a batch.")
        t.edit(said, "Edited in a batch.")
        t.branch(f"from-batch-{next(_numbers)}")


def _to_spare(t: Tract, write: Callable[[str], object]) -> None:
    """Do *write* to a branch nothing else needs; make one if the writes before left none."""
    spare = set(t.branches) - {"main", "other", "aside"}
    if spare:
        write(max(spare))
    else:
        t.branch("spare", switch=False)


def _applied(t: Tract, result: MoveResult) -> object:
    """Decide what is left to decide, and do it."""
    while result.unresolved:
        result = result.resolve(result.unresolved[0], "use")
    return t.apply(result) if result.is_waiting else result


def _redo(t: Tract) -> None:
    try:
        t.redo()
    except NothingToUndoError:
        # Whoever repeats it finds something again.
        t.undo()


def _compress(t: Tract, **options: Any) -> None:
    try:
        t.compress(**options)
    except InvalidInputError:
        # Whoever repeats it finds something again.
        t.user("Tea is a drink made of the leaves of a plant, and of hot water. " * 2)


def _reply(t: Tract) -> object:
    """Commit what a model answered, as every conversation does once it has the answer."""
    sent = {"format": "openai", "model": "m-4", "operation": "chat", "tools": blob_hash(b"[]").hex()}
    turn = Turn(
        content=DialogueContent(role="assistant", text="I am well."),
        branch=t.current_branch or "",
        follows=bytes.fromhex(t.head or ""),
        remarks=Remarks(generation_config={"model": "m-4"}, sent=sent),
        usage=Usage(40, 7),
        tools=b"[]",
    )
    return commit_turn(t._store, "chat", turn)[0]


def _collapse(t: Tract) -> object:
    """Bring the work of the worker home, unless it is."""
    is_home = any("collapsed" in info.metadata for info in t.log(3))
    return None if is_home else t.collapse("worker", content="It was looked up.")


WRITES: Final[dict[str, Write]] = {
    "user": lambda t: t.user("Hello."),
    "user with note": lambda t: t.user("Hello.", message="greeting", metadata={"n": 1}),
    "assistant with tool calls": lambda t: t.assistant(
        "I look.", tool_calls=[CALL | {"id": "call_2"}], generation_config={"model": "m-2"}
    ),
    "tool_result": lambda t: t.tool_result("call_1", "none"),
    "system": lambda t: t.system("Be kind."),
    "commit of JSON": lambda t: t.commit({"content_type": "freeform", "data": [1, {"a": None}]}),
    "edit": lambda t: t.edit(contents(t)[0], "Changed."),
    "annotate": lambda t: t.annotate(contents(t)[:2], "skip", reason="noise"),
    "pin": lambda t: t.pin(contents(t)[1], reason="keep"),
    "skip": lambda t: t.skip(contents(t)[0]),
    "revert": lambda t: t.revert(contents(t)[1]),
    "reorder": lambda t: t.reorder(contents(t)[:2], allow=WARNING_KINDS),
    "cherry_pick": lambda t: t.cherry_pick(contents(t)[:2], allow=WARNING_KINDS),
    "rebase": lambda t: t.rebase("aside"),
    "apply": lambda t: _applied(t, t.reorder([contents(t)[0], contents(t)[-1]], autonomy="manual")),
    "batch": _batch,
    "branch": lambda t: t.branch(f"new-{next(_numbers)}"),
    "branch without switch": lambda t: t.branch(f"aside-{next(_numbers)}", at="HEAD~2", switch=False),
    "switch": lambda t: t.switch("other"),
    "checkout": lambda t: t.checkout("other"),
    "record_usage": lambda t: t.record_usage(USAGE | {"model": "m-3"}),
    "tag": lambda t: t.tag(f"v{next(_numbers)}", at="HEAD~1"),
    "reset": lambda t: t.reset("HEAD~1"),
    "undo": lambda t: t.undo(),
    "redo": _redo,
    "describe": lambda t: t.branches.describe("other", f"for {next(_numbers)}"),
    "rename": lambda t: _to_spare(t, lambda spare: t.branches.rename(spare, f"x{next(_numbers)}")),
    "delete a branch": lambda t: _to_spare(t, lambda spare: t.branches.delete(spare, force=True)),
    "delete a tag": lambda t: t.tags.delete(max(t.tags)) if t.tags else t.tag("release"),
    "compress": lambda t: _compress(t, summarizer=lambda _: "Said."),
    "compress by sentences": _compress,
    "propose": lambda t: _compress(t, autonomy="collaborative"),
    "reply": _reply,
    "configure_operations": lambda t: t.configure_operations(chat={"model": "m-4", "seed": next(_numbers)}),
    "policies": lambda t: t.policies.add("auto_pin", name=f"pins {next(_numbers)}", types=["artifact"]),
    "spawn": lambda t: t.spawn("look it up"),
    "spawn a snapshot": lambda t: t.spawn("look it up", mode="snapshot"),
    "spawn a selection": lambda t: t.spawn("look it up", mode="select", select=contents(t)[:1]),
    "gc": lambda t: t.gc(keep_days=0),
    "erase": lambda t: t.erase(contents(t)[0], reason="a test"),
    "erase a text": lambda t: t.erase(text="Green and black", reason="a test"),
    "configure": lambda t: t.configure(cached_states=t.config.cached_states + 1),
}


def _where_one_is_open(write: Callable[[Tract, int], object]) -> Write:
    """Return *write* as one that may be called again when every proposal is decided."""

    def again(t: Tract) -> object:
        return write(t, t.proposals.open[0].number) if t.proposals.open else None

    return again


MERGES: Final[dict[str, Write]] = {
    "merge": lambda t: t.merge("other"),
    "merge forward": lambda t: t.merge("ahead"),
    "merge with additions": lambda t: t.merge("clash", strategy="theirs"),
    "merge decided by a model": lambda t: t.merge("clash", resolver=lambda _: _DECIDED, autonomy="autonomous"),
    "merge squash": lambda t: t.merge("other", strategy="squash"),
    "merge_in_progress": _where_one_waits(lambda t, result: keep_merge(t, result.resolve(0, "theirs"))),
    "commit_merge": _where_one_waits(lambda t, result: t.commit_merge(result.resolve(0, "use", "Which teas?"))),
    "abort_merge": _where_one_waits(lambda t, _: t.abort_merge()),
    "collapse": _collapse,
    "approve": _where_one_is_open(lambda t, number: t.proposals.approve(number)),
    "reject": _where_one_is_open(lambda t, number: t.proposals.reject(number)),
    "edit a proposal": _where_one_is_open(lambda t, number: t.proposals.edit(number, "Said so.")),
}
"""Those that need `make_merges` first, and do something once."""
