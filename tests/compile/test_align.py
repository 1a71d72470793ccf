"""Which message of one context is which of another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tract import Message, TextPart
from tract.compile.align import Named, Pair, align, longest_in_order


def _named(name: object, text: str, role: str = "user") -> Named:
    return Named(name, Message(role, (TextPart(text),)))  # type: ignore[arg-type,unused-ignore]


def _all(names: str, texts: dict[str, str] | None = None) -> list[Named]:
    return [_named(name, (texts or {}).get(name, f"{ord(name):b}" * 9)) for name in names]


def test_names_come_first() -> None:
    """A message keeps its identity whatever it says."""
    assert align([_named(1, "one")], [_named(1, "something else entirely")]) == [Pair(0, 0)]


def test_the_fewest_messages_count_as_moved() -> None:
    """One message taken to the front is one move, not many."""
    assert align(_all("abcd"), _all("dabc")) == [Pair(3, 0, is_moved=True), Pair(0, 1), Pair(1, 2), Pair(2, 3)]


def test_removed_messages_stand_where_they_were() -> None:
    """Between their former neighbours, and at the end."""
    assert align(_all("axbcy"), _all("abc")) == [
        Pair(0, 0),
        Pair(1, None),
        Pair(2, 1),
        Pair(3, 2),
        Pair(4, None),
    ]


def test_equal_texts_pair_first_with_first() -> None:
    """What was committed again elsewhere with the same text is the same message."""
    old = [_named("a", "Hello"), _named("b", "Hello"), _named("c", "0000000")]
    new = [_named("x", "Hello"), _named("y", "Hello"), _named("z", "Hello")]

    assert align(old, new) == [Pair(0, 0), Pair(1, 1), Pair(None, 2), Pair(2, None)]


def test_alike_texts_of_one_role_are_one_message_changed() -> None:
    """The most alike pair up; another role or another text does not."""
    old = [_named("a", "The flight leaves at nine."), _named("b", "Thanks a lot.")]
    new = [
        _named("w", "The flight leaves at ten."),
        _named("x", "The flight leaves at nine!"),
        _named("y", "Thanks a lot.", "assistant"),
        _named("z", "0123456789"),
    ]

    assert align(old, new) == [Pair(None, 0), Pair(0, 1), Pair(None, 2), Pair(None, 3), Pair(1, None)]


def test_letters_in_another_order_are_not_alike() -> None:
    """The cheap bounds alone do not make two texts alike."""
    assert align([_named("a", "abcdefgh")], [_named("x", "hgfedcba")]) == [Pair(None, 0), Pair(0, None)]


def test_more_messages_than_can_be_compared_stay_apart() -> None:
    """Likeness is asked for at most 400 pairs; equal texts are still found."""
    old = [_named(("old", i), f"number {i} of the first kind") for i in range(30)]
    new = [_named(("new", i), f"number {i} of the other kind") for i in range(30)]

    assert sum(pair.before is not None and pair.after is not None for pair in align(old, new)) == 0
    assert all(pair.before == pair.after for pair in align(old, [Named(("x", i), m) for i, (_, m) in enumerate(old)]))


@given(st.permutations(range(7)))
def test_longest_in_order_is_the_longest(values: list[int]) -> None:
    """As many as any choice of ascending values has."""
    found = dict(enumerate(values))
    kept = longest_in_order(found)
    best = max(
        len(chosen)
        for bits in range(1 << len(values))
        if (chosen := [v for i, v in enumerate(values) if bits >> i & 1]) == sorted(chosen)
    )

    assert len(kept) == best
    assert [found[key] for key in sorted(kept)] == sorted(found[key] for key in kept)


@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.lists(st.sampled_from("abcdefgh"), unique=True))
def test_every_message_appears_once(old: list[str], new: list[str]) -> None:
    """Whatever the two sides are, each index of each is in exactly one pair, in the later order."""
    pairs = align(_all("".join(old)), _all("".join(new)))

    assert sorted(p.before for p in pairs if p.before is not None) == list(range(len(old)))
    assert [p.after for p in pairs if p.after is not None] == list(range(len(new)))
