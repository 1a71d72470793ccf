"""What a model does to a context with the tools of each profile, and what a lower profile may not."""

from pathlib import Path

import pytest

from tests.agent.kits import done, dump, refused, short, t
from tests.agent.talking import require_valid, said
from tract import Tract

__all__ = ["t"]

# --- changing its own context --------------------------------------------------------------------


def test_each_writing_call_is_one_operation_of_its_verb_and_actor(t: Tract) -> None:
    """The log says what was done, by whom, as for any other caller."""
    kit = t.as_tools()
    before = len(t.operations)
    done(kit, "commit", text="The user likes the river.")
    done(kit, "annotate", commits=[short(t, 1)], priority="skip", reason="old")
    done(kit, "branch", name="try")
    done(kit, "commit", text="Maybe a train?")
    done(kit, "switch", name="main")
    done(kit, "merge", branch="try")
    done(kit, "tag", name="trip")
    done(kit, "compress", summary="A trip to Lisbon was booked.")
    done(kit, "undo")

    new = [t.operations[number] for number in range(before + 1, len(t.operations) + 1)]
    assert [one.verb for one in new] == [
        "commit", "annotate", "branch", "commit", "switch", "merge", "tag", "compress", "undo",
    ]  # fmt: skip
    assert {one.actor for one in new} == {"ann"}


@pytest.mark.parametrize("kind", ["note", "artifact", "output", "reasoning"])
def test_what_a_model_keeps_is_marked_as_the_models(t: Tract, kind: str) -> None:
    """Whatever the kind, the origin is the model, never the user or the system."""
    done(t.as_tools(), "commit", text="kept", kind=kind, message="a headline")

    assert (t.get("HEAD").origin, t.get("HEAD").message) == ("model", "a headline")
    assert [message.role for message in t.compile().messages[3:]] in ([], ["assistant"])


def test_self_cannot_speak_as_another(t: Tract) -> None:
    """A user's message takes a supervisor, an instruction an administrator."""
    for kind in ("user", "system", "instruction"):
        refused(t.as_tools(), "commit", text="Obey.", kind=kind)
    refused(t.as_tools("supervisor"), "commit", text="Obey.", kind="system")
    done(t.as_tools("supervisor"), "commit", text="Go on.", kind="user")
    done(t.as_tools("admin"), "commit", text="Be kind.", kind="system")

    assert said(t)[-2:] == [("user", "Go on."), ("system", "Be kind.")]


def test_self_leaves_alone_what_others_pinned_or_left_out(t: Tract) -> None:
    """An instruction, a pin and a skip of the application stay; its own it may change."""
    kit, ours, theirs = t.as_tools(), short(t), short(t, 1)
    t.pin(theirs)
    assert "stays so" in refused(kit, "annotate", commits=[short(t, 3)], priority="skip")
    assert "stays so" in refused(kit, "annotate", commits=[ours, theirs], priority="normal")
    t.skip(theirs)
    assert "stays so" in refused(kit, "annotate", commits=[theirs], priority="normal")
    assert "stays so" in refused(kit, "revert", commit=short(t))

    done(kit, "annotate", commits=[ours], priority="pinned")
    done(kit, "annotate", commits=[ours], priority="skip")
    done(kit, "annotate", commits=[ours], priority="normal")
    done(kit, "annotate", commits=[ours], priority="pinned")
    done(t.as_tools("self"), "revert", commit=short(t))
    done(t.as_tools("supervisor"), "annotate", commits=[theirs], priority="normal")


def test_self_undoes_only_its_own(t: Tract) -> None:
    """What somebody else did last is not taken back, and neither is what was built on."""
    kit, other = t.as_tools(), t.as_tools()
    assert "left to undo" in refused(kit, "undo")
    done(kit, "commit", text="one")
    assert "left to undo" in refused(other, "undo")
    t.user("And now?")
    assert "built on it" in refused(kit, "undo")
    t.undo()
    done(kit, "undo")
    assert "left to undo" in refused(kit, "undo")

    assert said(t)[-1][1].startswith("Both are booked")


def test_an_undo_by_another_is_noticed(t: Tract) -> None:
    """What was taken back already is passed over."""
    kit = t.as_tools()
    done(kit, "commit", text="one")
    done(kit, "commit", text="two")
    t.undo()

    assert "undone already" in refused(kit, "undo")
    done(kit, "undo")
    assert said(t)[-1][1].startswith("Both are booked")


def test_a_conflict_leaves_everything_and_says_how_to_decide(t: Tract, tmp_path: Path) -> None:
    """Nothing is merged and no merge waits until the call says which side."""
    target = t.log()[0]
    t.branch("other")
    t.edit(target, "Nothing is booked.")
    t.switch("main")
    t.edit(target, "All is booked.")
    kit = t.as_tools()
    before = dump(tmp_path / "store.db")
    told = refused(kit, "merge", branch="other")

    assert dump(tmp_path / "store.db") == before
    assert "«All is booked.»" in told
    assert "1 conflict;" in told
    assert "merged" in done(kit, "merge", branch="other", decisions={target.short_hash: "theirs"})
    assert said(t)[-1][1] == "Nothing is booked."
    assert "here already" in done(kit, "merge", branch="other")


def test_a_strategy_decides_all_conflicts(t: Tract) -> None:
    """`theirs` needs no decision."""
    target = t.log()[0]
    t.branch("other")
    t.edit(target, "Nothing is booked.")
    t.switch("main")
    t.edit(target, "All is booked.")
    done(t.as_tools(), "merge", branch="other", strategy="theirs")

    assert said(t)[-1][1] == "Nothing is booked."


def test_picking_compressing_expanding_and_reverting(t: Tract) -> None:
    """What a summary stands for is shown, and comes back."""
    kit = t.as_tools()
    done(kit, "branch", name="other")
    done(kit, "commit", text="A train goes at nine.")
    picked = short(t)
    done(kit, "switch", name="main")
    t.user("Is there a train?")
    done(kit, "cherry_pick", commits=[picked])
    before = said(t)
    summary = done(kit, "compress", summary="A trip is booked.", must_keep=["trip"]).splitlines()[1].split()[0]

    assert said(t)[1:] == [("user", "[summary] A trip is booked.")]
    assert "Book a flight" in done(kit, "expand", commit=summary)
    done(kit, "revert", commit=summary)
    assert said(t) == before
    assert "tokens became" in done(kit, "compress", commits=[short(t, 5), short(t, 4)])


# --- supervising and administering ---------------------------------------------------------------


def test_a_supervisor_rewrites(t: Tract) -> None:
    """Edits, orders, rebases, undoes and names branches."""
    kit = t.as_tools("supervisor")
    done(kit, "edit", commit=short(t), text="All booked.")
    done(kit, "undo")
    done(kit, "redo")
    done(kit, "revert", commit=short(t))
    done(kit, "undo", operation=len(t.operations))
    done(kit, "branch", name="other", at="HEAD~2")
    done(kit, "commit", text="A train?", kind="user")
    done(kit, "commit", text="At nine.")
    done(kit, "reorder", commits=["HEAD", "HEAD~1"])
    done(kit, "rebase", onto="main")
    done(kit, "describe_branch", name="other", description="trains")
    done(kit, "rename_branch", name="other", new="trains")
    done(kit, "switch", name="main")
    assert "t." not in refused(kit, "delete_branch", name="trains")
    done(kit, "merge", branch="trains")
    done(kit, "delete_branch", name="trains")

    assert [text for _, text in said(t)][-3:] == ["All booked.", "At nine.", "A train?"]
    require_valid(t)


def test_an_administrator_removes_for_good(t: Tract) -> None:
    """Resets, sets the budget, collects and erases; what cannot be undone is tried first unless asked otherwise."""
    kit = t.as_tools("admin")
    done(kit, "branch", name="other")
    done(kit, "commit", text="secret")
    secret = short(t)
    assert "Would erase" in done(kit, "erase", commits=[secret], reason="asked to")
    assert "secret" in done(kit, "show", commit=secret)
    assert "Say why" in refused(kit, "erase", commits=[secret], reason=" ")
    assert "Erased" in done(kit, "erase", commits=[secret], reason="asked to", dry_run=False)
    done(kit, "reset", revision="HEAD~1", mode="hard")
    done(kit, "switch", name="main")
    done(kit, "delete_branch", name="other", force=True)
    assert "Would remove" in done(kit, "gc", keep_days=0)
    assert "Removed" in done(kit, "gc", keep_days=0, dry_run=False)
    done(kit, "set_budget", limit_tokens=500)
    assert t.config.budget is not None
    done(kit, "set_budget", limit_tokens=None)
    assert t.config.budget is None


def test_a_supervisor_spawns_and_takes_over_what_a_child_found(t: Tract) -> None:
    """A child's commits can be named as they are printed; for `self` they are not there."""
    kit = t.as_tools("supervisor")
    assert done(kit, "children") == "No children."
    name = done(kit, "spawn", purpose="Look for trains.", name="trains").removeprefix("Spawned ")
    t.children[name].assistant("A train goes at nine.")
    printed = done(kit, "children").split(" | ")[1].split()[0]

    assert "A train goes at nine." in done(kit, "show", commit=printed)
    assert "at nine" in done(kit, "search", query="tract:trains nine")
    refused(t.as_tools(), "show", commit=printed)
    refused(t.as_tools(), "merge", branch="trains:HEAD")
    assert done(t.as_tools(), "search", query="tract:trains nine") == "Nothing found."
    home = done(kit, "collapse", child="trains", summary="A train at nine.")
    assert home.startswith("1 commit of trains")
    assert "A train goes at nine." in done(kit, "expand", commit="HEAD")
    done(kit, "undo")
    done(kit, "merge", branch="trains:HEAD")
    assert said(t)[-1][1] == "A train goes at nine."


def test_a_tract_that_asks_first_is_asked_first(t: Tract) -> None:
    """Where the application set `collaborative`, what a model wants to compress or decided in a merge waits."""
    target = t.log()[0]
    t.branch("other")
    t.edit(target, "Nothing is booked.")
    t.switch("main")
    t.edit(target, "All is booked.")
    t.configure(autonomy="collaborative")
    kit, before = t.as_tools("supervisor"), said(t)

    assert "proposal 1" in done(kit, "compress", summary="A trip is booked.")
    assert "waits" in done(kit, "merge", branch="other", decisions={target.short_hash: "theirs"})
    assert said(t) == before
    t.proposals[1].reject()
    t.configure(autonomy="manual")
    assert "somebody has to decide" in refused(kit, "reorder", commits=[short(t, 1), short(t, 3)])
    assert said(t) == before
