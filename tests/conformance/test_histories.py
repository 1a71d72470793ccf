"""G1, G4: agents in processes of their own, on their own tracts and a shared one, some of them killed.

The history checker has to find every acknowledged call in the operation logs.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.agent import SHARED, own_name
from tests.conformance.history import Report, Told, check
from tests.gates import source
from tract import Session, Tract

SECONDS = 1_500
Small = tuple[Tract, list[dict[str, Any]]]


@dataclass
class Agent:
    """One agent, in as many processes one after the other as it takes."""

    name: str
    url: str
    folder: Path
    seed: int
    calls: int
    outputs: list[Path] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Go on after the last call anybody was told of; the one under way when it was killed is left out."""
        done = [one for one in self.told() if "label" in one]
        first = int(done[-1]["label"].partition(":")[2]) + 2 if done else 0
        self.outputs.append(self.folder / f"{self.name}.{len(self.outputs)}")
        script = source.ROOT / "tests" / "conformance" / "agent.py"
        arguments = [self.url, self.name, str(self.seed), str(first), str(self.calls), str(self.folder / "start")]
        with self.outputs[-1].open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(script), *arguments],
                stdout=output,
                env={**os.environ, "COVERAGE_PROCESS_START": ""},
            )

    def told(self) -> list[dict[str, Any]]:
        """Return all it said; a line that was cut short by a kill was not said."""
        lines = [line for output in self.outputs for line in output.read_text().split("\n")[:-1]]
        return [json.loads(line) for line in lines]

    @property
    def is_working(self) -> bool:
        """Whether it runs and has made a call since it started."""
        assert self.process is not None
        return self.process.poll() is None and self.outputs[-1].read_bytes().count(b"\n") > 1

    def kill(self) -> None:
        """Kill it at once, and start it again."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.start()


def prepare(url: str, names: Sequence[str]) -> None:
    """Make the shared tract, and each agent's own as a child of it."""
    with Session.open(url, durability="normal") as session:
        shared = session.create_tract(SHARED, purpose="what all agents write to")
        shared.system("You work together.")
        shared.user("Begin.")
        for name in names:
            shared.spawn(f"the work of {name}", name=own_name(name))


def race(agents: Sequence[Agent], *, kills: int, chance: random.Random) -> int:
    """Let the agents work at once, and kill *kills* at random moments; return how many were killed."""
    for agent in agents:
        agent.start()
    (agents[0].folder / "start").touch()
    killed, deadline = 0, time.monotonic() + SECONDS
    try:
        while any(agent.process is not None and agent.process.poll() is None for agent in agents):
            assert time.monotonic() < deadline
            working = [agent for agent in agents if agent.is_working] if killed < kills else []
            if working:
                chance.choice(working).kill()
                killed += 1
            time.sleep(chance.uniform(0, 0.3))
    finally:
        for agent in agents:
            if agent.process is not None:
                agent.process.kill()
                agent.process.wait()
    for agent in agents:
        assert agent.process is not None
        assert agent.process.returncode == 0, agent.name
    return killed


def work_together(url: str, folder: Path, chance: random.Random, *, agents: int, calls: int, kills: int) -> Report:
    """Let agents work, then check the logs of all tracts; returns the sum of the reports."""
    names = [f"agent-{number}" for number in range(agents)]
    prepare(url, names)
    team = [Agent(name, url, folder, chance.randrange(2**31), calls) for name in names]
    killed = race(team, kills=kills, chance=chance)
    assert killed == kills
    told: list[Told] = [one for agent in team for one in agent.told()]
    with Session.open(url, create=False) as session:
        reports = []
        for name in session.tracts:
            t = session.get(name)
            here = [one for one in told if one.get("tract") == name]
            reports.append(check(t, here, killed))
            t.compile(verify=True)
        require_resumed(session, team)
        assert session.get(SHARED).fsck() == []
    errors: Counter[str] = Counter()
    for report in reports:
        errors.update(report.errors)
    return Report(
        sum(one.acknowledged for one in reports),
        sum(one.commits for one in reports),
        sum(one.withdrawn for one in reports),
        errors,
    )


def require_resumed(session: Session, team: Sequence[Agent]) -> None:
    """Each agent that was killed found its tract where the log of the tract has been, and made its last call."""
    resumed = session.resume()
    assert resumed is not None
    for agent in team:
        t = session.get(own_name(agent.name))
        tips = {new for one in t.operations for name, _, new in one.changes if name != "HEAD"}
        opened = [one for one in agent.told() if "opened" in one]
        assert len(opened) == len(agent.outputs)
        # A fork stands where its parent was when it was spawned.
        assert all(one["head"] in tips for one in opened)
        assert all(one["messages"] > 0 or one is not opened[0] for one in opened)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_logs_explain_what_agents_were_told(
    store_url: str, tmp_path: Path, seeded: Callable[[], random.Random]
) -> None:
    """4 agents x 60 mixed calls, 4 of them killed: nothing is lost, and every error is one the call may end with."""
    report = work_together(store_url, tmp_path, seeded(), agents=4, calls=60, kills=4)

    assert report.acknowledged > 120
    assert report.commits > 60


@pytest.mark.torture
@pytest.mark.timeout(2_000)
def test_the_logs_explain_what_many_agents_were_told(
    store_url: str, tmp_path: Path, seeded: Callable[[], random.Random]
) -> None:
    """8 agents x 500 mixed calls across 8 tracts and a shared one, 20 of them killed."""
    report = work_together(store_url, tmp_path, seeded(), agents=8, calls=500, kills=20)

    assert report.acknowledged > 2_500
    assert report.withdrawn > 0


@pytest.fixture
def small(open_tract: Callable[..., Tract]) -> Small:
    """Return a tract two calls were made on, and what was told of them."""
    t = open_tract(actor="setting up")
    told = []
    for number in range(2):
        t._store.actor = f"a:{number}"
        made = t.user(f"{number}")
        moment = {"began": 10 * number, "ended": 10 * number + 5}
        told.append({"label": f"a:{number}", "verb": "user", "commits": [made.hash], "error": None, **moment})
    t._store.actor = ""
    return t, told


def test_the_checker_takes_a_history_that_is_right(small: Small) -> None:
    """Also one in which an operation took something away."""
    t, told = small
    t._store.actor = "setting up"
    t.reset("HEAD~1", mode="hard")
    assert check(t, told) == Report(2, 2, 1, {})


def test_the_checker_finds_a_lost_commit(small: Small) -> None:
    """A branch that was moved past the log, a call without operation, and one told twice."""
    t, told = small
    with pytest.raises(AssertionError):
        check(t, [*told, {**told[1], "label": "a:2"}])
    with pytest.raises(AssertionError):
        check(t, told[:1])
    t._store.database.run_text(
        "UPDATE refs SET commit_id = (SELECT min(id) FROM commits) WHERE name = 'heads/main' RETURNING name"
    )
    with pytest.raises(AssertionError):
        check(t, told)


def test_the_checker_finds_a_wrong_order(small: Small) -> None:
    """The second call had ended before the first began."""
    t, told = small
    told[0].update(began=100, ended=110)
    with pytest.raises(AssertionError, match="began after"):
        check(t, told)


def test_the_checker_finds_unexplained_errors(small: Small) -> None:
    """One no such call may end with, a failed call that wrote, a rival value no ref ever had."""
    t, told = small
    failed = {"label": "a:9", "verb": "user", "commits": [], "began": 30, "ended": 31, "error": "busy"}
    for wrong in (failed, {**failed, "error": "ref_conflict", "actual": "00"}, {**failed, "label": "a:1"}):
        with pytest.raises(AssertionError):
            check(t, [*told, wrong])
    check(t, [*told, {**failed, "error": "ref_conflict", "actual": told[0]["commits"][0]}])
