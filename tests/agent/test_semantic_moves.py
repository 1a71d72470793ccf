"""A model decides what a rebase, a cherry-pick or a reorder meets, and looks at what it puts together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.deciding import add_both, decides, model, notices, shown, texts
from tests.agent.test_hostile_answers import DECISIONS, filled
from tests.reliability.dump import dump
from tract import MoveResult, Resolution, Tract
from tract.errors import (
    AbortedError,
    InvalidInputError,
    ModelAnswerError,
    NoModelError,
    OperationOpenError,
    RefConflictError,
)
from tract.testing import ScriptedLLM

Verb = Callable[..., MoveResult]
Scene = tuple[Verb, list[str], str]


def picking(t: Tract) -> Scene:
    """An edit of a message that is not on `main`."""
    t.branch("side")
    tea = t.assistant("tea")
    edit = t.edit(tea, "coffee")
    t.switch("main")
    return lambda **how: t.cherry_pick(edit, **how), ["rule", "shared", "coffee"], "missing_target"


def rebasing(t: Tract) -> Scene:
    """Both branches said the same."""
    t.branch("side")
    t.user("same")
    t.switch("main")
    t.user("same", metadata={"ours": 1})
    return lambda **how: t.rebase("side", **how), ["rule", "shared", "same", "same"], "duplicate_content"


def reordering(t: Tract) -> Scene:
    """An instruction behind what it governed."""
    return lambda **how: t.reorder(["HEAD", "HEAD~1"], **how), ["shared", "rule"], "instruction_moved"


SCENES = [picking, rebasing, reordering]


@pytest.fixture(params=SCENES, ids=lambda scene: scene.__name__)
def scene(t: Tract, request: pytest.FixtureRequest) -> Scene:
    made: Scene = request.param(t)
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
def t(path: Path) -> Iterator[Tract]:
    with Tract.open(path, durability="off") as t:
        t.system("rule")
        t.user("shared")
        yield t


def asks(t: Tract, *script: Any, **options: Any) -> ScriptedLLM:
    llm = model(*script, **options)
    t.configure_operations(merge={"llm": llm})
    return llm


def test_by_default_the_decision_waits_with_its_reason(t: Tract, path: Path, scene: Scene) -> None:
    """It can be decided in another way; applying it notes who was asked and what that cost."""
    verb, after, kind = scene
    llm = asks(t, decides("use", reason="It still makes sense."), notices(), model="large")
    before = dump(path)

    result = verb(strategy="semantic")

    assert (result.is_waiting, result.unresolved, [issue.kind for issue in result.issues]) == (True, (), [kind])
    (made,) = result.decisions.values()
    assert (made.action, made.reason) == ("use", "It still makes sense.")
    assert dump(path) == before
    assert result.calls[0].about == kind
    assert result.resolve(0, "use").calls == result.calls
    document = shown(llm.requests[0])
    assert document["issue"].startswith(kind)
    assert document["commits"][0]["text"] == {"missing_target": "coffee", "duplicate_content": "same"}.get(kind, "rule")

    t.apply(result)
    assert texts(t) == after
    noted = next(iter(t.operations)).args["calls"]
    assert noted == [call.plain() for call in result.calls]
    assert (noted[0]["model"], noted[0]["input_tokens"]) == ("large", 100)
    t.undo()


def test_autonomous_does_it(t: Tract, scene: Scene) -> None:
    """At once, in one operation."""
    verb, after, _ = scene
    asks(t, decides("use"), notices())
    count = len(t.operations)

    done = verb(strategy="semantic", autonomy="autonomous")

    assert (done.is_waiting, texts(t), len(t.operations)) == (False, after, count + 1)


def test_manual_asks_nobody(t: Tract, scene: Scene) -> None:
    """Not even whether there is a model."""
    verb, _, _ = scene
    llm = asks(t)

    result = verb(strategy="semantic", autonomy="manual")

    assert (len(result.unresolved), llm.calls, result.calls) == (1, 0, ())


def test_without_a_model_or_with_a_wrong_strategy_it_is_refused(t: Tract, path: Path, scene: Scene) -> None:
    """So is a model nobody would ask, and a batch that would hold up others."""
    verb, _, _ = scene
    before = dump(path)
    with pytest.raises(NoModelError):
        verb(strategy="semantic")
    wrong: list[dict[str, Any]] = [{"strategy": "theirs"}, {"strategy": None}, {"model": "large"}]
    for how in wrong:
        with pytest.raises(InvalidInputError):
            verb(**how)
    assert dump(path) == before
    asks(t)
    with t.batch(), pytest.raises(OperationOpenError):
        verb(strategy="semantic")


def test_the_callers_resolver_goes_before_the_model(t: Tract, scene: Scene) -> None:
    """It is asked, the model is not."""
    verb, after, _ = scene
    llm = asks(t, notices())

    verb(strategy="semantic", autonomy="autonomous", resolver=lambda _: Resolution("use"))

    assert texts(t) == after
    assert all("concerns" not in shown(request) and "issue" not in shown(request) for request in llm.requests)


@pytest.mark.parametrize("name", sorted(set(DECISIONS) - {"no content to use"}))
def test_a_hostile_decision_changes_nothing(t: Tract, path: Path, name: str) -> None:
    """In any of the three verbs."""
    for scene in SCENES:
        verb, _, _ = scene(t)
        asks(t, filled(DECISIONS[name]))
        before = dump(path)
        with pytest.raises(ModelAnswerError):
            verb(strategy="semantic", autonomy="autonomous")
        assert dump(path) == before
        t.reset("HEAD~1" if scene is rebasing else "HEAD", mode="hard")
        if scene is not reordering:
            t.branches.delete("side", force=True)


def test_to_leave_out_what_a_rebase_would_repeat(t: Tract) -> None:
    """The copy goes, the message there stays."""
    verb, after, _ = rebasing(t)
    asks(t, decides("skip", reason="It is there."))

    done = verb(strategy="semantic", autonomy="autonomous")

    assert texts(t) == after[:-1]
    assert len(done.skipped) == 1


def test_a_model_may_abort(t: Tract, path: Path, scene: Scene) -> None:
    """With its reason, and nothing was done."""
    verb, _, _ = scene
    asks(t, decides("abort", reason="Ask Ann."))
    before = dump(path)

    with pytest.raises(AbortedError) as caught:
        verb(strategy="semantic", autonomy="autonomous")

    assert (caught.value.reason, dump(path)) == ("Ask Ann.", before)


def test_what_a_model_says_instead_has_the_role_it_had_and_the_trust_of_what_was_shown(t: Tract) -> None:
    """An assistant's edit stays an assistant's; the model that wrote it is named."""
    verb, _, _ = picking(t)
    asks(t, decides("use", "Coffee, as was said elsewhere."), notices(), model="large")

    verb(strategy="semantic", autonomy="autonomous")

    message, info = t.compile().messages[-1], t.get("HEAD")
    assert (message.role, message.text) == ("assistant", "Coffee, as was said elsewhere.")
    assert (info.origin, info.generation_config) == ("model", {"model": "large"})


def test_a_tool_s_text_makes_what_is_written_of_it_a_tool_s(t: Tract) -> None:
    """Whatever a model made of it."""
    t.branch("side")
    note = t.commit("note", origin="tool")
    edit = t.edit(note, "note, changed")
    t.switch("main")
    asks(t, decides("use", "A note."), notices())

    t.cherry_pick(edit, strategy="semantic", autonomy="autonomous")

    assert t.get("HEAD").origin == "tool"


def test_what_acts_on_several_commits_may_act_on_those_that_are_there(t: Tract) -> None:
    """An annotation of two messages, one of which is here; one of none is only left out."""
    shared = t.head
    assert shared is not None
    t.branch("side")
    other = t.user("other")
    both = t.annotate([shared, other], "pinned")
    one = t.annotate(other, "skip")
    t.switch("main")
    llm = asks(t, decides("use"), decides("skip"))

    t.cherry_pick(both, strategy="semantic", autonomy="autonomous")
    t.cherry_pick(one, strategy="semantic", autonomy="autonomous")

    offered = [set(shown(request)["actions"]) for request in llm.requests]
    assert offered == [{"use", "skip", "abort"}, {"skip", "abort"}]
    assert t.compile().provenance[-1].priority == "pinned"


@pytest.mark.parametrize("verb", ["rebase", "cherry_pick"])
def test_a_model_that_notices_something_makes_it_wait(t: Tract, verb: str) -> None:
    """Though nothing is broken; then it can be applied as it is."""
    t.branch("dev", switch=False)
    add_both(t)
    asks(t, notices({"kind": "contradiction", "messages": ["o1", "t1"], "text": "700 is more than 500."}))
    before = texts(t)

    def call(**how: Any) -> MoveResult:
        return t.rebase("dev", **how) if verb == "rebase" else t.cherry_pick("dev", **how)

    result = call(strategy="semantic")

    assert (result.is_waiting, result.issues) == (True, ())
    assert [concern.text for concern in result.concerns] == ["700 is more than 500."]
    assert texts(t) == before
    done = t.apply(result)
    assert (done.concerns, done.calls) == (result.concerns, result.calls)
    assert len(texts(t)) == len(before) + 1


@pytest.mark.parametrize("autonomy", ["collaborative", "autonomous"])
def test_a_model_that_notices_nothing_lets_it_go_on(t: Tract, autonomy: str) -> None:
    """It is shown what each line brings, edits included."""
    shared = t.user("When?")
    t.branch("dev", switch=False)
    t.edit(shared, "When exactly?")
    add_both(t)
    llm = asks(t, notices())

    done = t.rebase("dev", strategy="semantic", autonomy=autonomy)

    assert (done.kind, done.concerns) == ("rebased", ())
    document = shown(llm.requests[0])
    assert [one["text"] for one in document["ours"]] == ["When exactly?", "We have 500 euros."]
    assert [one["text"] for one in document["theirs"]] == ["The train is 700 euros."]


def test_a_branch_that_moves_while_the_model_works_stays_as_it_is(t: Tract, path: Path) -> None:
    """The call fails, and the other's message is there."""
    verb, _, _ = rebasing(t)
    with Tract.open(path, durability="off") as other:

        def answer(request: Any) -> str:
            other.user("Meanwhile.")
            return decides("use")(request)

        asks(t, answer, notices())
        with pytest.raises(RefConflictError):
            verb(strategy="semantic", autonomy="autonomous")

    assert texts(t)[-1] == "Meanwhile."
