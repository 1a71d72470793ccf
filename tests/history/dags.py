"""What any commit graph looks like: random ones with merges and several roots, and how one gets into a store."""

from __future__ import annotations

from hypothesis import strategies as st

from tract import DialogueContent, Tract
from tract.operations.prepare import prepare
from tract.storage.writing import Draft, Tip

Parents = dict[int, tuple[int, ...]]
"""The parents of each commit, first parent first; numbers grow from the roots to the tips."""


@st.composite
def dags(draw: st.DrawFn, most: int = 14) -> Parents:
    """Return a graph in which most commits go on from a recent one and every third or so is a merge."""
    found: Parents = {0: ()}
    for number in range(1, draw(st.integers(2, most))):
        recent = st.integers(max(0, number - 4), number - 1) | st.integers(0, number - 1)
        count = draw(st.sampled_from([1, 1, 1, 1, 2, 2, 0]))
        found[number] = tuple(draw(st.lists(recent, min_size=count, max_size=count, unique=True)))
    return found


def ancestors(parents: Parents, commit: int) -> set[int]:
    """Return everything behind *commit*, itself included."""
    return {commit}.union(*(ancestors(parents, parent) for parent in parents[commit]))


def order(parents: Parents, commit: int) -> list[int]:
    """Return the linear order: the first parent's, then what the second adds, then the commit."""
    found: list[int] = []
    for parent in parents[commit]:
        found += [one for one in order(parents, parent) if one not in found]
    return [*found, commit]


def build(t: Tract, parents: Parents) -> list[str]:
    """Write the graph and a branch `c<n>` on each commit; return the hashes by number."""
    written: list[Tip] = []
    store = t._store
    for number, behind in parents.items():
        ready = prepare(store, DialogueContent(role="user", text=f"message {number}"))
        now = store.clock()
        if len(behind) > 1:
            draft = Draft("merge", None, None, "developer", "", now, 0, 0)
        else:
            draft = Draft("append", ready.content_type, ready.payload, "user", "", now, ready.tokens, 0)
        with store.operation("merge" if len(behind) > 1 else "commit") as operation:
            written.append(operation.add(draft, tuple(written[parent] for parent in behind)))
            operation.move(f"heads/c{number}", None, written[-1])
    return [tip.hash.hex() for tip in written]
