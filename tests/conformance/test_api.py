"""Proves that every public method does the same on SQLite and on PostgreSQL."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from tract import Tract
from tract import errors as e
from tract.objects.content import DialogueContent
from tract.objects.message import ImagePart, TextPart, ToolCall
from tract.storage import queries as q

Open = Callable[..., Tract]
NUL = "before\0after"


def texts(t: Tract, **options: Any) -> list[str]:
    """Return the texts of the compiled messages."""
    return [message.text for message in t.compile(**options).messages]


# --- writing -------------------------------------------------------------------------------------


def test_every_kind_of_content_comes_back(open_tract: Open) -> None:
    """What was committed is what a new handle shows and compiles."""
    t = open_tract()
    t.system("Be brief.")
    t.user([TextPart("Look:"), ImagePart(media_type="image/png", data=b"\x89PNG\0\xff")], name="ann")
    t.assistant("Calling.", tool_calls=[ToolCall("c1", "look", '{"at": 1}')])
    t.tool_result("c1", "a cat", name="look")
    t.commit({"content_type": "freeform", "data": {"k": [1, 2.5, None, "ß"]}})
    t.commit({"role": "user", "content": "thanks"})

    again = open_tract(read_only=True)

    assert again.compile().messages == t.compile(verify=True).messages
    assert [again.show(info) for info in again.log(9)] == [t.show(info) for info in t.log(9)]
    assert again.log(9) == t.log(9)
    assert again.fsck() == []


def test_custom_content_types(open_tract: Open) -> None:
    """A registered model is stored and read as that model."""

    class Ticket(BaseModel):
        text: str
        number: int

    t = open_tract()
    t.register_content_type("ticket", Ticket)
    info = t.commit(Ticket(text="broken", number=7))
    assert t.show(info) == Ticket(text="broken", number=7)
    assert texts(t) == ["broken"]


def test_nul_survives_everywhere(open_tract: Open) -> None:
    """PostgreSQL's text cannot hold NUL; contents, notes, configs, reasons and settings can."""
    t = open_tract()
    info = t.user(NUL, name=NUL, message=NUL, metadata={NUL: NUL})
    t.assistant("ok", generation_config={"model": NUL, "stop": [NUL]})
    t.annotate(info, "pinned", reason=NUL)
    t.edit(info, NUL + NUL)
    t.record_usage({"input_tokens": 1, "output_tokens": 1, "note": NUL})

    again = open_tract()
    kept = again.get(info)

    assert texts(again)[0] == NUL + NUL
    assert (kept.message, kept.metadata) == (NUL, {NUL: NUL})
    assert again.get("HEAD~2").generation_config == {"model": NUL, "stop": [NUL]}
    assert again.fsck() == []


@pytest.mark.parametrize("text", ["\u2028\u2029", "𐍈 \U0001f600", "%s %(x)s ' \" \\", "x" * 200_000, " ", "e\u0301"])
def test_odd_text_survives(open_tract: Open, text: str) -> None:
    """No text means anything to the database."""
    t = open_tract()
    t.user(text, message=text)
    assert texts(open_tract()) == [text]
    assert open_tract().log()[0].message == text


def test_edit_annotate_pin_and_skip(open_tract: Open) -> None:
    """Edits replace in place, skipped messages stay away, and all of it can be turned round."""
    t = open_tract()
    first, second = t.user("one"), t.user("two")
    t.edit(first, "one!", message="louder")
    t.user("1!", edit=first)
    t.skip(second, reason="noise")
    assert texts(t) == ["1!"]
    t.unskip(second)
    t.pin(second)
    t.unpin(second)
    t.annotate([first, second], "normal")
    t.commit("2!", op="edit", target=second)
    assert texts(t, verify=True) == ["1!", "2!"]
    assert texts(t, at=second) == ["one", "two"]
    assert texts(t, mark_edits=True) == ["[edited] 1!", "[edited] 2!"]


def test_a_failing_part_of_a_batch_leaves_the_rest(open_tract: Open) -> None:
    """A part that raises is taken back alone; the batch goes on and is one operation."""
    t = open_tract()
    t.user("before")
    with t.batch():
        t.user("one")
        with pytest.raises(e.RefExistsError):
            t.branch("main")
        note = t.pin("HEAD")
        with pytest.raises(e.InvalidTargetError):
            t.edit(note, {"role": "user", "content": "a pin has no content"})
        t.user("two")
    assert texts(open_tract()) == texts(t, verify=True) == ["before", "one", "two"]
    assert t.get("@{1}") == t.get("HEAD~3")
    assert t.fsck() == []


def test_a_statement_the_database_refuses_spoils_only_its_part(open_tract: Open) -> None:
    """PostgreSQL fails every statement after a failed one until it is rolled back."""
    t = open_tract()
    t.user("before")
    with t.batch():
        t.user("one")
        with pytest.raises(e.StorageError), t._store.operation("usage") as operation:
            operation.put(q.ADD_USAGE, **NO_USAGE)
        t.user("two")
    with pytest.raises(e.StorageError), t._store.operation("usage") as operation:
        operation.put(q.ADD_USAGE, **NO_USAGE)
    t.user("after")
    assert texts(open_tract()) == ["before", "one", "two", "after"]
    assert t.fsck() == []


COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
NO_USAGE: dict[str, Any] = {"commit_id": None, "model": "x", "raw": "x", **dict.fromkeys(COUNTS, 1)}


def test_a_batch_that_raises_keeps_nothing(open_tract: Open) -> None:
    """Also on Ctrl-C; the handle goes on working."""
    t = open_tract()
    t.user("before")
    head = t.head
    with pytest.raises(KeyboardInterrupt), t.batch():  # noqa: PT012 - the block is the batch
        t.user("lost")
        t.branch("lost")
        raise KeyboardInterrupt
    assert (t.head, t.current_branch, texts(t)) == (head, "main", ["before"])
    t.user("after")
    assert texts(open_tract(), verify=True) == ["before", "after"]
    assert t.fsck() == []


def test_usage_and_settings_are_kept(open_tract: Open) -> None:
    """The next handle counts by the usage recorded and has the settings in force."""
    t = open_tract(config={"max_content_bytes": 1000, "busy_timeout_seconds": 2.5})
    t.user("hello")
    t.assistant("hi")
    t.record_usage({"prompt_tokens": 500, "completion_tokens": 3, "model": "m"})
    t.configure(default_branch="trunk")

    again = open_tract()

    assert again.config == t.config
    assert again.config.default_branch == "trunk"
    assert again.compile() == t.compile()
    assert again.compile().token_count == 503
    with pytest.raises(e.ContentTooLargeError):
        again.user("x" * 2000)


# --- branches and reading ------------------------------------------------------------------------


def test_branches_and_checkout(open_tract: Open) -> None:
    """A new branch shares its past; HEAD is the handle's own and the next handle starts on the last branch."""
    t = open_tract()
    first = t.user("one")
    t.user("two")
    t.branch("side", at=first)
    t.user("other")
    assert texts(t) == ["one", "other"]
    t.switch("main")
    assert texts(t, verify=True) == ["one", "two"]
    assert t.checkout("-") == "side"
    assert open_tract().current_branch == "side"
    assert t.checkout(first) is None
    with pytest.raises(e.DetachedHeadError):
        t.user("nowhere")
    assert texts(t) == ["one"]
    t.branch("from-detached")
    t.user("again")
    t.branch("parked", switch=False)
    assert t.current_branch == "from-detached"
    assert t.fsck() == []


def test_names_can_be_made_moved_and_dropped(open_tract: Open) -> None:
    """Branches and tags; every step is in the log and can be taken back."""
    t = open_tract()
    first, second = t.user("one"), t.user("two")
    t.tag("start", at=first)
    t.branches.create("side", at=first)
    t.branches.rename("side", "other")
    t.branches.describe("other", f"a try {NUL}")
    assert (set(t.branches), set(t.tags)) == ({"main", "other"}, {"start"})
    assert t.branches.compare("main", "start").ahead == 1
    assert open_tract().branches["other"].description == t.branches["other"].description
    t.tags.delete("start")
    t.branches.delete("other")
    t.reset(first)
    assert (t.head, t.get("ORIG_HEAD").hash, texts(t, verify=True)) == (first.hash, second.hash, ["one"])
    t.undo(3)
    assert (t.head, set(t.branches), set(t.tags)) == (second.hash, {"main", "other"}, {"start"})
    t.redo()
    verbs = [done.verb for done in t.operations]
    assert verbs == [done.verb for done in open_tract().operations]
    assert len(verbs) == len(t.operations) == t.operations[-1].number
    assert texts(t.at_operation(2)) == ["one"]
    for call, error in (
        (lambda: t.tag("x\0"), e.InvalidRefNameError),
        (lambda: t.tags["none"], e.TagNotFoundError),
        (lambda: t.branches.delete("main"), e.TractError),
    ):
        with pytest.raises(error):
            call()
    assert t.fsck() == []


def test_revisions(open_tract: Open) -> None:
    """A commit is named by hash, prefix, branch, `~`, `^` and `@{n}` alike."""
    t = open_tract()
    made = [t.user(str(number)) for number in range(12)]
    t.branch("side")
    made.append(t.user("12"))
    for index, info in enumerate(made):
        back = len(made) - 1 - index
        names = [info.hash, info.hash[:12], info.hash.upper()[:12], f"HEAD~{back}", f"side~{back}", f"@{'^' * back}"]
        assert {t.get(name).hash for name in names} == {info.hash}
    assert t.get("main").hash == made[11].hash
    for missing in (
        "f" * 64,
        "HEAD~13",
        "nothing",
        "HEAD^2",
        "____",
        "%%%%",
        "a\0b",
        "@{999999999}",
        "",
        "HEAD~" + "9" * 30,
    ):
        with pytest.raises(e.RevisionNotFoundError):
            t.get(missing)


def test_an_ambiguous_prefix_is_refused(open_tract: Open) -> None:
    """Both commits are offered."""
    t = open_tract()
    t._store.clock = iter(range(1, 10**9)).__next__
    starts: set[str] = set()
    while True:
        start = t.user("x").hash[:4]
        if start in starts:
            break
        starts.add(start)
    with pytest.raises(e.AmbiguousRevisionError) as caught:
        t.get(start)
    assert len(caught.value.candidates) == 2


def test_as_of_asks_the_log(open_tract: Open) -> None:
    """Compile where the branch pointed at a time."""
    t = open_tract()
    t.user("one")
    between = datetime.now(UTC)
    t.user("two")
    t.edit("HEAD~1", "1")
    assert texts(t, as_of=between) == ["one"]
    assert texts(t, as_of=datetime.now(UTC)) == ["1", "two"]
    assert texts(t, as_of=datetime(1999, 1, 1, tzinfo=UTC)) == []


def test_log_and_status(open_tract: Open) -> None:
    """Newest first, as many as asked for."""
    t = open_tract()
    assert (t.log(), t.status().head, t.head, texts(t)) == ([], None, None, [])
    made = [t.user(str(number)) for number in range(30)]
    assert t.log(30) == made[::-1]
    assert t.log(0) == []
    assert len(t.log(10**12)) == 30
    status = t.status()
    assert (status.branch, status.head, status.recent) == ("main", made[-1].hash, tuple(made[:-4:-1]))
    assert status.context_tokens == t.compile().token_count


# --- handles -------------------------------------------------------------------------------------


def test_reopening_goes_on(open_tract: Open, store_url: str) -> None:
    """Closing twice is fine; a closed handle says so; another one goes on."""
    t = open_tract()
    t.user("one")
    t.close()
    t.close()
    with pytest.raises(e.ClosedHandleError):
        t.user("two")
    with pytest.raises(e.ClosedHandleError):
        t.compile()
    with Tract.open(store_url, create=False) as again:
        again.user("two")
        assert texts(again) == ["one", "two"]


def test_read_only(open_tract: Open, store_url: str) -> None:
    """Nothing can be written, everything read; nothing is created."""
    for refused in ({"read_only": True}, {"create": False}):
        with pytest.raises(e.StoreNotFoundError):
            open_tract(**refused)
    t = open_tract()
    info = t.user("one")
    t.branch("side")
    reader = open_tract(read_only=True)
    writes: list[Callable[[], Any]] = [
        lambda: reader.user("no"),
        lambda: reader.edit(info, "no"),
        lambda: reader.pin(info),
        lambda: reader.branch("no"),
        lambda: reader.record_usage({"input_tokens": 1, "output_tokens": 1}),
        lambda: reader.batch().__enter__(),
    ]
    for write in writes:
        with pytest.raises(e.ReadOnlyError):
            write()
    with pytest.raises(e.ReadOnlyError):  # the database refuses as well as the handle
        reader._store.database.execute(q.ADD_COUNTER, {"name": "x"})
    with pytest.raises(e.TractNotFoundError):
        open_tract(tract="other", read_only=True)
    with pytest.raises(e.TractNotFoundError):
        open_tract(tract="other", create=False)
    reader.switch("main")
    assert texts(reader) == ["one"]
    assert reader.fsck() == []
    t.user("two")
    assert t.current_branch == "side"


def test_tracts_of_one_store_are_apart(open_tract: Open) -> None:
    """Names, branches and operations are each tract's own; equal contents are stored once."""
    a, b = open_tract(tract="a"), open_tract(tract="b/ä", actor="bob")
    for t in (a, b):
        t.system("same")
    a.user("mine")
    b.branch("mine")
    assert (texts(a), texts(b)) == (["same", "mine"], ["same"])
    assert (a.current_branch, b.current_branch) == ("main", "mine")
    assert open_tract(tract="b/ä").current_branch == "mine"
    assert (a.fsck(), b.fsck()) == ([], [])
    with pytest.raises(e.BranchNotFoundError):
        a.switch("mine")


@pytest.mark.parametrize(
    "name", ["", "a b", "a\0b", "-x", "HEAD", "a..b", "x" * 256, "e\u0301", "a\u202eb", "\ud800", "/a"]
)
def test_bad_names_are_refused_alike(open_tract: Open, name: str) -> None:
    """Branches and tracts; nothing reaches the database."""
    t = open_tract()
    t.user("one")
    for call in (lambda: t.branch(name), lambda: t.switch(name), lambda: open_tract(tract=name)):
        with pytest.raises(e.InvalidRefNameError):
            call()


def test_long_and_foreign_names_fit(open_tract: Open) -> None:
    """255 bytes, any script."""
    t = open_tract()
    t.user("one")
    for name in ("x" * 255, "日本語/ветка", "a'b\"c;--", "100%"):
        t.branch(name)
        t.user(name)
        assert open_tract().current_branch == name
        assert t.get(name).hash == t.head


def _nest(t: Tract) -> None:
    with t.batch(), t.batch():
        pass


ERRORS: list[tuple[type[e.TractError], Callable[[Tract], Any]]] = [
    (e.RefConflictError, lambda t: t.commit("x", expected_head="HEAD~1")),
    (e.RefExistsError, lambda t: t.branch("main")),
    (e.BranchNotFoundError, lambda t: t.switch("nowhere")),
    (e.InvalidTargetError, lambda t: t.edit(t.pin("HEAD"), {"role": "user", "content": "x"})),
    (e.InvalidContentError, lambda t: t.commit({"content_type": "dialogue", "role": 1})),
    (e.UnknownContentTypeError, lambda t: t.commit({"content_type": "none"})),
    (e.NotCanonicalError, lambda t: t.user("\ud800")),
    (e.NotCanonicalError, lambda t: t.user("x", metadata={"x": float("nan")})),
    (e.NotCanonicalError, lambda t: t.user("x", metadata={"x": 2**60})),
    (e.InvalidInputError, lambda t: t.commit("x", author="a\0b")),
    (e.InvalidInputError, lambda t: t.commit("x", author="\ud800")),
    (e.InvalidInputError, lambda t: t.record_usage({"input_tokens": 1, "output_tokens": 1, "model": "a\0b"})),
    (e.InvalidInputError, lambda t: t.record_usage({"input_tokens": 2**60, "output_tokens": 1})),
    (e.InvalidInputError, lambda t: t.configure(nothing=1)),
    (e.InvalidInputError, lambda t: t.annotate("HEAD", "loud")),  # type: ignore[arg-type]
    (e.InvalidInputError, lambda t: t.log(-1)),
    (e.OperationOpenError, _nest),
]


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors_are_the_same_class_and_change_nothing(open_tract: Open, number: int) -> None:
    """The handle works on, and what was there is there."""
    expected, call = ERRORS[number]
    t = open_tract()
    t.user("one")
    t.user("two")
    with pytest.raises(e.TractError) as caught:
        call(t)
    assert type(caught.value) is expected
    t.user("three")
    assert texts(open_tract(), verify=True) == ["one", "two", "three"]
    assert t.fsck() == []


def test_an_actor_must_be_a_plain_name(open_tract: Open) -> None:
    """Before anything is opened for writing."""
    with pytest.raises(e.InvalidInputError):
        open_tract(actor="a\0b")


@pytest.mark.parametrize("durability", ["full", "normal", "off"])
def test_every_durability_writes(open_tract: Open, durability: Any) -> None:
    """And an unknown one is refused."""
    t = open_tract(durability=durability)
    t.user("one")
    assert texts(open_tract()) == ["one"]
    with pytest.raises(e.InvalidInputError):
        open_tract(durability="maybe")


# --- damage, threads, forks ----------------------------------------------------------------------


def test_fsck_and_compile_find_a_changed_byte(open_tract: Open) -> None:
    """The same findings on both databases."""
    t = open_tract()
    t.user("one")
    t.user("two")
    raw = t._store.database.run_text
    raw("UPDATE blobs SET size = size + 1 WHERE id = (SELECT blob_id FROM commits WHERE generation = 1) RETURNING id")
    raw("UPDATE operations SET actor = 'someone' WHERE no = 2 RETURNING no")
    raw("UPDATE commits SET author = 'someone' WHERE generation = 2 RETURNING id")
    found = {finding.id for finding in t.fsck()}
    assert {"operation-damaged", "commit-damaged"} <= found
    assert len(found) >= 3
    with pytest.raises(e.CorruptObjectError):
        open_tract().compile()


def test_threads_share_a_handle(open_tract: Open) -> None:
    """Writes of other threads wait for the end of a batch and are no part of it."""
    t = open_tract()
    t.user("start")
    is_open, release = threading.Event(), threading.Event()

    def batch() -> None:
        with pytest.raises(ValueError, match="changed my mind"), t.batch():  # noqa: PT012 - the block is the batch
            t.user("dropped")
            is_open.set()
            release.wait(10)
            raise ValueError("changed my mind")

    def write() -> None:
        is_open.wait(10)
        release.set()
        t.user("kept")

    threads = [threading.Thread(target=batch), threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert texts(open_tract(), verify=True) == ["start", "kept"]
    assert t.fsck() == []


def test_a_forked_child_leaves_the_parents_connection_alone(open_tract: Open) -> None:
    """The child is refused, closes, ends, and the parent goes on."""
    t = open_tract()
    t.user("one")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            t.user("never")
        except e.ForkedHandleError:
            t.close()
            del t
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    t.user("two")
    assert texts(t, verify=True) == ["one", "two"]


def test_content_models_are_equal_after_reading(open_tract: Open) -> None:
    """`show` gives the model that was committed."""
    t = open_tract()
    content = DialogueContent(role="assistant", text="hi", tool_calls=(ToolCall("a", "b", "{}"),))
    assert t.show(t.commit(content)) == content
