"""A coordinator of three children: `python coordinator.py <store> <flows> <notes> <where to stop>`.

It does all of its job each time it is started: spawn what is not there, run the children, collapse what is not home.
Every call of the model is one line in the notes. It stops, to be killed, `before` the collapse, or `during` the work
of the second child, or `never`.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import Final

from tract import DurableExecutor, Session, Tract, extractive
from tract.errors import InvalidInputError
from tract.llm.protocol import Request
from tract.testing import ScriptedLLM

CHILDREN: Final = ("trains", "rooms", "food")


def prepare(session: Session) -> Tract:
    """Return the planner, with its children; each is told its task once."""
    planner = session.get("planner") if "planner" in session.tracts else session.create_tract("planner")
    if planner.head is None:
        planner.user("We want to go to Porto.")
    for name in CHILDREN:
        child = planner.children[name] if name in planner.children else planner.spawn(f"find {name}", name=name)
        if len(child.operations) == 1:
            child.user(f"Find {name}.")
    return planner


def model(notes: Path, stop: str) -> ScriptedLLM:
    """Return a model that notes who asks it."""

    def answer(request: Request) -> str:
        asked = request.messages[-1].text
        if stop == "during" and "rooms" in asked:
            while not notes.exists() or notes.read_text().count("\n") < 2:
                time.sleep(0.01)  # until both others have been answered
            time.sleep(0.5)  # and their workflows have ended
            stop_here()
        with notes.open("a") as file:
            file.write(f"{asked}\n")
        return f"Answer to: {asked}"

    return ScriptedLLM([answer] * 99)


def stop_here() -> None:
    """Wait for the kill."""
    sys.stdout.write("stopped\n")
    sys.stdout.flush()
    time.sleep(600)


def main(store: str, flows: str, notes: Path, stop: str) -> None:
    """Do the job; the children's work is a conversation of one question."""
    with Session.open(store, llm=model(notes, stop)) as session, DurableExecutor(flows, name="trip") as executor:
        planner = prepare(session)
        results = session.run_children(CHILDREN, Tract.generate, executor=executor)
        assert [one.error for one in results] == [None] * len(CHILDREN), results
        if stop == "before":
            stop_here()
        for one in results:
            with contextlib.suppress(InvalidInputError):  # it is home already
                planner.collapse(one.tract, summarizer=extractive)
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4])
