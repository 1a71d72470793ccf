"""A child starts with what its mode says, and neither it nor its parent ever sees what the other does."""

import contextlib
import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tests.operations.histories import History
from tests.reliability.dump import connected
from tract import CommitInfo, SessionContent, SpawnContent, ToolCall, Tract
from tract.errors import (
    ClosedHandleError,
    DetachedHeadError,
    InvalidInputError,
    OperationOpenError,
    RevisionNotFoundError,
    TractExistsError,
    TractNotFoundError,
)
from tract.testing import ScriptedLLM

Open = Callable[..., Tract]
CALL = {"id": "call_1", "name": "search", "arguments": "{}"}


def texts(t: Tract) -> list[str]:
    """Return what each compiled message says."""
    return [message.text for message in t.compile().messages]


def exchange(t: Tract, call: str = "call_1") -> tuple[CommitInfo, CommitInfo]:
    """Commit a tool call and its result."""
    return t.assistant(tool_calls=[CALL | {"id": call}]), t.tool_result(call, f"result of {call}")


# --- fork --------------------------------------------------------------------------------------------


def test_a_fork_knows_everything_and_the_two_go_their_ways(open_tract: Open) -> None:
    """Also for handles of their own, which see the same."""
    t = open_tract()
    t.system("You are terse.")
    t.user("Which teas are there?")

    child = t.spawn("find teas")
    child.user("Green?")
    t.user("Never mind.")

    assert texts(child) == ["You are terse.", "Which teas are there?", "Green?"]
    assert texts(t) == ["You are terse.", "Which teas are there?", "Never mind."]
    own = open_tract(tract=child.name)
    assert texts(own) == texts(child)
    assert own.fsck() == []


@settings(max_examples=25)
@given(data=st.data())
def test_a_fork_compiles_to_what_its_parent_does_after_any_history(data: st.DataObject) -> None:
    """The very messages, in every format; the parent's context is what it was, and later commits stay with each."""
    with Tract.open(config={"cached_states": 3}) as t:
        t._store.clock = itertools.count(2_000_000_000_000_000).__next__
        history = History(t, data.draw)
        t.user("root")
        history.some(8)
        before = t.compile()
        at = t.head

        child = t.spawn("work", at=at)
        after = t.compile()
        history.some(4)
        known = child.compile(verify=True)
        History(child, data.draw).some(4)
        here = t.compile()

        assert after.messages == before.messages == known.messages
        assert known.token_count == before.token_count
        assert known.to_openai() == before.to_openai()
        assert child.compile(at=at).messages == before.messages
        assert t.compile(verify=True).messages == here.messages
        assert t.fsck() == []


def test_the_spawn_is_a_commit_that_is_not_sent(open_tract: Open) -> None:
    """It names the child, what it is for and what it was given; the context's size stays."""
    t = open_tract()
    t.user("Hello.")
    size = t.compile().token_count

    child = t.spawn("find teas", name="teas")

    info = t.log(1)[0]
    assert t.show(info) == SpawnContent(tract="teas", purpose="find teas", mode="fork")
    assert info.context_tokens == t.compile().token_count == size
    assert info.message == "Spawned teas: find teas"
    assert child.head == info.parents[0]
    assert t.children.tree.children[0].info.spawn == info.hash


def test_a_fork_of_nothing_knows_nothing(open_tract: Open) -> None:
    """An empty parent can spawn too; its first commit is the spawn."""
    t = open_tract()

    child = t.spawn("begin")
    child.user("First.")

    assert texts(child) == ["First."]
    assert texts(t) == []
    assert len(t.log()) == 1


def test_a_fork_leaves_out_the_call_that_waits_for_its_result(open_tract: Open) -> None:
    """Only the parent can answer it; named by `at`, the commit is taken as it is."""
    t = open_tract()
    t.user("Look it up.")
    exchange(t, "done")
    waiting = t.assistant(tool_calls=[CALL | {"id": "a"}, CALL | {"id": "b"}])
    t.tool_result("a", "one of two")

    child = t.spawn("look it up")
    exact = t.spawn("exactly", at=waiting)

    assert [message.role for message in child.compile().messages] == ["user", "assistant", "tool"]
    assert child.head == waiting.parents[0]
    assert exact.head == waiting.hash
    t.tool_result("b", "two of two")
    assert t.spawn("now").head == t.log(2)[1].hash


def test_a_call_that_begins_a_history_leaves_a_fork_nothing(open_tract: Open) -> None:
    """There is nothing before it."""
    t = open_tract()
    t.assistant(tool_calls=[CALL])

    assert texts(t.spawn("work")) == []


def test_a_call_brought_by_a_merge_is_forked_as_it_is(open_tract: Open) -> None:
    """Its own line began elsewhere, so there is no commit before it in this one."""
    t = open_tract()
    t.user("root")
    t.branch("side")
    t.assistant(tool_calls=[CALL])
    t.switch("main")
    t.user("main")
    t.merge("side")
    head = t.head

    assert t.spawn("work").head == head


def test_a_tool_may_spawn_while_a_run_goes_on(open_tract: Open) -> None:
    """The run's exchange stays whole, and the child works with the model and the tools of its parent."""
    script = ScriptedLLM([ToolCall("1", "delegate", '{"task": "teas"}'), "Found: green.", "Green, they say."])
    t = open_tract(llm=script)

    @t.tool
    def delegate(task: str) -> str:
        """Let another agent do it."""
        return t.spawn(task, name="helper-1").run(f"Find {task}.").text

    result = t.run("Which teas are there?")

    assert result.text == "Green, they say."
    assert [message.role for message in t.compile().messages] == ["user", "assistant", "tool", "assistant"]
    helper = t.children["helper-1"]
    assert texts(helper) == ["Which teas are there?", "Find teas.", "Found: green."]
    assert list(helper.tools) == ["delegate"]


# --- what a child inherits -----------------------------------------------------------------------------


class _Plan(BaseModel):
    text: str


def _look(name: str) -> str:
    """Look something up."""
    return name


def test_a_child_inherits_what_it_is_not_given(open_tract: Open) -> None:
    """Settings, tokenizer, content types, models and tools; later changes stay with each."""
    script = ScriptedLLM(["Hello."])
    t = open_tract(config={"max_content_bytes": 5000, "default_branch": "trunk"}, tokenizer="cl100k_base", llm=script)
    t.register_content_type("plan", _Plan)
    t.configure_operations(chat={"temperature": 0.5})
    t.tools.add(_look)

    child = t.spawn("work")
    other = t.spawn("work", config={"max_content_bytes": 7000})

    assert child.config == t.config
    assert child.current_branch == "trunk"
    assert other.config.max_content_bytes == 7000
    assert other.config.tokenizer == child.config.tokenizer == "cl100k_base"
    assert child.chat("Hi.").generation_config["temperature"] == 0.5
    child.commit(_Plan(text="tea first"))
    assert "_look" in child.tools
    child.tools.remove("_look")
    child.configure(max_content_bytes=6000)
    assert "_look" in t.tools
    assert t.config.max_content_bytes == 5000
    fresh = open_tract(tract=child.name)
    assert (fresh.config.max_content_bytes, fresh.config.tokenizer) == (6000, "cl100k_base")
    assert fresh.models["chat"].settings["temperature"].value == 0.5


def test_a_selection_is_counted_by_the_childs_tokenizer(open_tract: Open) -> None:
    """Counts of the parent's would be wrong there."""
    t = open_tract()
    t.user("Ünïcode counts differently: 你好世界")

    child = t.spawn("work", mode="select", select=["HEAD"], config={"tokenizer": "cl100k_base"})

    assert child.compile(verify=True).token_source == "tokenizer:cl100k_base"
    (info,) = child.log()
    assert info.tokens == child.get("HEAD").tokens
    assert child.compile().token_count == info.context_tokens


def test_children_are_numbered_and_their_children_too(open_tract: Open) -> None:
    """A name that is taken is passed over, or refused if it was asked for."""
    t = open_tract()
    t.spawn("first")
    t.spawn("second", name="default/2")
    third = t.spawn("third")

    assert list(t.children) == ["default/1", "default/2", "default/3"]
    assert third.spawn("deeper").name == "default/3/1"
    operations = len(t.operations)
    with pytest.raises(TractExistsError):
        t.spawn("again", name="default/2")
    assert len(t.operations) == operations
    assert texts(t) == []


def test_a_name_somebody_takes_meanwhile_is_passed_over(open_tract: Open) -> None:
    """The second one goes on with the next number; with a name of its own it is refused."""
    t, other = open_tract(), open_tract()
    waiting = [lambda: other.spawn("faster")]

    def meanwhile(_: str) -> None:
        while waiting:
            waiting.pop()()

    t._store.on_pause = meanwhile
    assert t.spawn("slower").name == "default/2"
    waiting.append(lambda: other.spawn("faster", name="x"))
    with pytest.raises(TractExistsError):
        t.spawn("slower", name="x")
    assert t.children["x"].children.tree.info.purpose == "faster"
    assert t.fsck() == []


def test_children_of_children_have_no_limit(open_tract: Open) -> None:
    """Neither in number nor in the length of their names; the tree shows all of them."""
    t = open_tract()
    t.user("root")
    child = t
    for _ in range(130):
        child = child.spawn("deeper")

    assert texts(child) == ["root"]
    tree = t.children.tree
    assert len(tree) == 131
    assert [depth for depth, _ in tree.walk()] == list(range(131))
    assert str(tree).count("\n") == 130
    assert len(child.name.encode()) <= 255


# --- parents and children ------------------------------------------------------------------------------


def test_parents_and_children_know_each_other(open_tract: Open) -> None:
    """By fresh handles as well; what is missing says so."""
    t = open_tract()
    child = t.spawn("work", name="child")

    assert child.parent is not None
    assert child.parent.name == "default"
    assert t.parent is None
    assert "child" in t.children
    assert "5" not in t.children
    assert len(t.children) == 1
    assert repr(t.children) == "<Children child>"
    assert open_tract(tract="child").parent is not None
    t.children["child"].user("Hello.")
    assert texts(child) == ["Hello."]
    with pytest.raises(TractNotFoundError):
        t.children["grandchild"]


def test_a_tree_is_drawn_with_one_line_for_each(open_tract: Open) -> None:
    """Whatever a purpose holds."""
    t = open_tract()
    one = t.spawn("first\nand second", name="one")
    one.spawn("deep", name="deep")
    t.spawn("last", name="two", mode="snapshot")

    assert str(t.children.tree).split("\n") == [
        "default 2 commits, 0 tokens new",
        "├─ one (fork) 1 commits, 0 tokens new first and second",
        "│  └─ deep (fork) 0 commits, 0 tokens new deep",
        "└─ two (snapshot) 0 commits, 0 tokens new last",
    ]
    assert repr(t.children.tree) == "<TractTree default tracts=4>"
    assert "<pre>" in t.children.tree._repr_html_()


def test_a_childs_handle_ends_with_its_parents(open_tract: Open) -> None:
    """They share a connection; closing the child's leaves the parent's open."""
    t = open_tract()
    one, two = t.spawn("one"), t.spawn("two")

    one.close()
    with pytest.raises(ClosedHandleError):
        one.user("Hello.")
    t.user("Hello.")
    two.user("Hello.")
    t.close()
    with pytest.raises(ClosedHandleError):
        two.user("Hello.")


def test_what_a_spawn_needs(open_tract: Open) -> None:
    """A branch to record it on, no open batch, a purpose, a mode that fits what is given."""
    t = open_tract()
    commit = t.user("Hello.")
    with t.batch(), pytest.raises(OperationOpenError):
        t.spawn("work")
    wrong: list[dict[str, Any]] = [
        {"purpose": " "}, {"purpose": "x", "mode": "clone"}, {"purpose": "x", "mode": "select"},
        {"purpose": "x", "select": ["HEAD"]}, {"purpose": "x", "budget": 5}, {"purpose": "x", "config": 5},
        {"purpose": "x", "mode": "snapshot", "budget": "much"}, {"purpose": "x", "config": {"color": "red"}},
    ]  # fmt: skip
    for arguments in wrong:
        with pytest.raises(InvalidInputError):
            t.spawn(**arguments)
    t.checkout(commit.hash)
    with pytest.raises(DetachedHeadError):
        t.spawn("work")
    assert len(t.children) == 0


def test_a_child_does_not_write_in_its_parents_batch(open_tract: Open) -> None:
    """It would be kept or lost with it; reading goes on, and what the batch has written is seen."""
    t = open_tract()
    child = t.spawn("work")

    with t.batch():
        said = t.user("Hello.")
        assert child.get(said).hash == said.hash
        with pytest.raises(OperationOpenError):
            child.user("Too early.")
    child.user("Now.")

    assert texts(child) == ["Now."]


def _lost(t: Tract, child: Tract) -> str:
    """Let *child* read what a batch of *t* says that then fails."""
    found = ""
    with contextlib.suppress(RuntimeError), t.batch():
        found = t.user("Lost.").hash
        assert child.compile(at=found).messages[-1].text == "Lost."
        raise RuntimeError
    return found


def test_a_failed_batch_forgets_what_a_child_read_in_it(open_tract: Open) -> None:
    """Its row ids are used again."""
    t = open_tract()
    t.user("Hello.")
    child = t.spawn("work")

    lost = _lost(t, child)

    with pytest.raises(RevisionNotFoundError):
        child.compile(at=lost)
    t.user("Found.")
    assert child.compile(at="default:main").messages[-1].text == "Found."


# --- undo, gc, erase, fsck -----------------------------------------------------------------------------


def test_undoing_a_spawn_takes_the_record_and_leaves_the_child(open_tract: Open) -> None:
    """The child's work is its own; redo puts the record back. The child's beginning cannot be undone."""
    t = open_tract()
    said = t.user("Hello.")
    child = t.spawn("work")
    child.user("Working.")

    t.undo()

    assert t.head == said.hash
    assert list(t.children) == [child.name]
    assert texts(t.children[child.name]) == ["Hello.", "Working."]
    t.redo()
    assert t.log(1)[0].content_type == "spawn"
    child.undo()
    with pytest.raises(Exception, match="nothing to undo"):
        child.undo()
    assert t.fsck() == []


def test_gc_keeps_what_a_child_needs(open_tract: Open) -> None:
    """Also when the parent has gone back behind it."""
    t = open_tract()
    first = t.user("one")
    t.user("two")
    child = t.spawn("work")
    t.reset(first, mode="hard")

    t.gc(keep_days=0)

    assert texts(child) == ["one", "two"]
    assert t.fsck() == []


def test_erasing_a_text_takes_it_from_purposes_too(open_tract: Open) -> None:
    """Nothing of it is left, and nobody knows any more what the child is for."""
    t = open_tract()
    t.spawn("call Ms. Quuxington", name="child")

    result = t.erase(text="Quuxington", reason="private")

    assert result.redacted == 1
    assert t.children.tree.children[0].info.purpose == ""
    assert not any("Quuxington" in place for place in result.remains)
    assert t.fsck() == []


@pytest.mark.parametrize("damage", ["mode = 'select'", "parent_tract_id = NULL", "parent_commit_id = NULL"])
def test_fsck_finds_a_tract_that_says_it_came_from_elsewhere(tmp_path: Path, damage: str) -> None:
    """The first operation of its log says where it came from."""
    with Tract.open(tmp_path / "a.db") as t:
        t.spawn("work", name="child")
    with connected(tmp_path / "a.db") as connection:
        connection.execute(f"UPDATE tracts SET {damage} WHERE name = 'child'")
        connection.commit()

    with Tract.open(tmp_path / "a.db") as t:
        assert [(finding.id, finding.object) for finding in t.fsck()] == [("link-wrong", "child")]


@pytest.mark.parametrize("damage", ["{", "[]", "\x7f}"])
def test_fsck_goes_on_where_it_cannot_be_read_where_a_tract_came_from(tmp_path: Path, damage: str) -> None:
    """The log's check says that the operation is damaged."""
    with Tract.open(tmp_path / "a.db") as t:
        t.spawn("work", name="child")
    with connected(tmp_path / "a.db") as connection:
        connection.execute("UPDATE operations SET args = ? WHERE verb = 'init' AND tract_id > 1", (damage,))
        connection.commit()

    with Tract.open(tmp_path / "a.db") as t:
        assert [(finding.id, finding.object) for finding in t.fsck()] == [("operation-damaged", "child@1")]


# --- work that comes home without a collapse -----------------------------------------------------------


def test_revisions_of_another_tract_are_named_with_its_name(open_tract: Open) -> None:
    """`tract:` alone is where that one stands; merge and cherry-pick take them like any other."""
    t = open_tract()
    t.user("root")
    child = t.spawn("work", name="child")
    t.user("parent")
    found = child.user("found")
    child.branch("side")
    child.user("on the side")

    assert t.get("child:").hash == child.head
    assert t.get("child:main").hash == t.get("child:side~1").hash == found.hash
    assert [info.hash for info in t.log(branch="..child:main")] == [found.hash]
    for missing in ("nobody:main", ":main", "child:nothing", "chi\0ld:main"):
        with pytest.raises(RevisionNotFoundError):
            t.get(missing)

    t.merge("child:main")
    assert texts(t) == ["root", "parent", "found"]
    t.cherry_pick("child:side")
    assert texts(t)[-1] == "on the side"
    assert [line.actor for line in t.blame().lines] == ["", "", "", ""]
    with pytest.raises(RevisionNotFoundError) as caught:
        t.get("chld:main")
    assert caught.value.hint == "Did you mean `child:main`?"


def test_merging_another_tracts_branch_never_deletes_it(open_tract: Open) -> None:
    """A tract moves no other's refs."""
    t = open_tract()
    t.user("root")
    child = t.spawn("work", name="child")
    child.user("found")

    t.merge("child:main", delete_branch=True)

    assert "main" in child.branches
    assert texts(t) == ["root", "found"]


# --- other processes -----------------------------------------------------------------------------------

_CHILD = """
import sys
from tract import Tract
with Tract.open(sys.argv[1]) as t:
    for number in range(int(sys.argv[2])):
        child = t.spawn(f"task {number}")
        child.user("working")
        print(child.name, flush=True)
"""


def test_processes_that_spawn_at_once_lose_nothing(store_url: str) -> None:
    """Each gets its own names; every spawn is recorded in the parent."""
    with Tract.open(store_url) as t:
        t.user("root")
    runs = [
        subprocess.Popen([sys.executable, "-c", _CHILD, store_url, "8"], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    names = [name for run in runs for name in run.communicate(timeout=120)[0].split()]

    with Tract.open(store_url) as t:
        assert len(names) == 24
        assert sorted(t.children) == sorted(names)
        spawns = [info for info in t.log(100) if info.content_type == "spawn"]
        assert sorted(str(t.show(info).tract) for info in spawns) == sorted(names)  # type: ignore[attr-defined]
        assert all(texts(t.children[name]) == ["root", "working"] for name in names)
        assert t.fsck() == []


def test_the_record_of_a_spawn_can_be_shown(open_tract: Open) -> None:
    """Whoever wants the model to know takes the skip off."""
    t = open_tract()
    t.spawn("find teas", name="teas")

    t.unskip("HEAD")

    assert texts(t) == ["Spawned teas: find teas"]
    assert SessionContent(kind="end").payload() == {"kind": "end"}
