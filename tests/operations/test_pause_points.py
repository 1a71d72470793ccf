"""What stops or overtakes a verb that moves messages, at its pause point: nothing is lost, and it can be done again.

Between reading and writing comes Ctrl-C, another error, or a commit by another process. All other writes in that
gap, by a second handle, are in `test_races.py`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.on_postgresql import copy_store
from tests.operations.pending import keep_merge, waiting
from tests.reliability.dump import dump
from tract import Conflict, Resolution, Tract
from tract.compile.safety import WARNING_KINDS
from tract.errors import RefConflictError

Write = Callable[[Tract], object]

OTHER = """
import sys
from tract import Tract
for path in sys.stdin:
    with Tract.open(path.rstrip(), durability="off") as t:
        t.switch("main")
        t.user("from elsewhere")
    print("done", flush=True)
"""


def use(_: object) -> Resolution:
    return Resolution("use")


def theirs(_: Conflict) -> Resolution:
    return Resolution("theirs")


# By what is done; the pause point is the verb's own.
VERBS: dict[str, tuple[str, Write]] = {
    "merge": ("merge", lambda t: t.merge("dev")),
    "merge forward": ("merge", lambda t: t.merge("ahead")),
    "merge that is decided": ("merge", lambda t: t.merge("clash", resolver=theirs, autonomy="autonomous")),
    "merge by a strategy": ("merge", lambda t: t.merge("clash", strategy="ours")),
    "squash": ("commit", lambda t: t.merge("dev", strategy="squash")),
    "merge that is kept": ("merge-save", lambda t: keep_merge(t, waiting(t).resolve(0, "theirs"))),
    "merge that waited": ("merge", lambda t: t.commit_merge(waiting(t).resolve(0, "use", "both"))),
    "merge given up": ("merge-abort", lambda t: t.abort_merge()),
    "rebase": ("rebase", lambda t: t.rebase("dev")),
    "rebase that is decided": ("rebase", lambda t: t.rebase("clash", resolver=use, autonomy="autonomous")),
    "cherry-pick": ("cherry-pick", lambda t: t.cherry_pick("dev")),
    "cherry-pick of a range": ("cherry-pick", lambda t: t.cherry_pick("main..dev")),
    "revert": ("revert", lambda t: t.revert("HEAD")),
    "revert of a message": ("revert", lambda t: t.revert("HEAD~2")),
    "reorder": ("reorder", lambda t: t.reorder(["HEAD~2", "HEAD~3"], allow=WARNING_KINDS)),
    "apply": (
        "reorder",
        lambda t: t.apply(t.reorder(t.compile().commit_hashes[1::-1], autonomy="manual").resolve(0, "use")),
    ),
}
FOLLOWS = {
    "merge",
    "merge forward",
    "squash",
    "merge that is decided",
    "merge by a strategy",
    "merge that is kept",
    "merge that waited",
    "merge given up",
    "revert",
    "revert of a message",
    "reorder",
}
"""What goes on after a new message, which then comes first; the others were decided about the tip as it was."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Branches that go together with main, that contradict it, and that are ahead of it; one merge waits."""
    path = tmp_path_factory.mktemp("scene") / "a.db"
    with Tract.open(path, durability="off") as t:
        t.system("rule")
        first = t.user("first")
        t.user("second")
        t.branch("dev")
        t.user("on dev")
        t.assistant("also on dev")
        t.branch("clash", at="main")
        t.edit(first, "first by clash")
        t.switch("main")
        t.user("third")
        t.edit(first, "first by main")
        t.branch("ahead")
        t.user("ahead")
        t.switch("main")
        assert t.merge("clash").kind == "conflicts"
    return path


@pytest.fixture(scope="module")
def other() -> Iterator[Callable[[Path], None]]:
    """Another process, which commits to `main` of the store it is told."""
    with subprocess.Popen(
        [sys.executable, "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as it:

        def commit(path: Path) -> None:
            assert it.stdin is not None
            assert it.stdout is not None
            print(path, file=it.stdin, flush=True)
            assert it.stdout.readline() == "done\n"

        yield commit


@pytest.fixture
def path(scene: Path, tmp_path: Path) -> Path:
    return copy_store(scene, tmp_path / "a.db")


@pytest.fixture
def t(path: Path) -> Iterator[Tract]:
    with Tract.open(path, durability="off") as t:
        yield t
        t._store.on_pause = None
        assert t.fsck() == []


def texts(t: Tract) -> list[str]:
    return [message.text for message in t.compile(verify=True).messages]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, SystemExit])
@pytest.mark.parametrize("name", VERBS)
def test_stopped_in_the_gap_nothing_has_happened(path: Path, t: Tract, name: str, error: type[BaseException]) -> None:
    """Nothing is written, and the same call works a moment later, on the same handle."""
    point, write = VERBS[name]
    before = dump(path)
    passed: list[str] = []

    def stop(at: str) -> None:
        passed.append(at)
        raise error

    t._store.on_pause = stop
    with pytest.raises(error):
        write(t)
    assert passed == [point]
    assert dump(path) == before

    t._store.on_pause = None
    write(t)
    assert dump(path) != before


@pytest.mark.parametrize("name", VERBS)
def test_a_commit_of_another_process_in_the_gap_stays(
    path: Path, t: Tract, name: str, other: Callable[[Path], None]
) -> None:
    """The verb follows it, or is refused with nothing written and works when called again."""
    _, write = VERBS[name]
    after: list[object] = []

    def overtake(_: str) -> None:
        if not after:
            other(path)
            after.append(dump(path))

    t._store.on_pause = overtake
    if name in FOLLOWS:
        write(t)
    else:
        with pytest.raises(RefConflictError):
            write(t)
        assert dump(path) == after[0]
        assert texts(t)[-1] == "from elsewhere"
        write(t)
    assert len(after) == 1
    assert dump(path) != after[0]
    assert texts(t).count("from elsewhere") == 1
