"""Shows what the strategy `relevant` keeps of a context that is too large."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract import MessageGroup, TextPart, Tract
from tract.compile.relevance import relevance, terms_of
from tract.errors import InvalidInputError
from tract.objects.message import Message


def group(text: str) -> MessageGroup:
    """Return a group of one message."""
    return MessageGroup((Message("user", (TextPart(text),)),), ("00",), 10)


def talk(*old: str) -> Tract:
    """Return a tract with *old* messages, much small talk behind them and a last word."""
    t = Tract.open()
    t.system("You help.")
    for text in old:
        t.user(text)
    for number in range(30):
        t.assistant(f"well well well, number {number}, so it goes")
    t.user("and now?")
    return t


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Which port does the DATABASE listen on?", "The database listens on 5433."),
        ("tell me about max_retries", "Set `max_retries=5` for the client."),
        ("退款要多久？", "客户问：退款需要多少天。"),  # noqa: RUF001 - as it is written
        ("Straße", "Die STRASSE war gesperrt."),
    ],
)
def test_what_has_to_do_with_the_question_is_kept(query: str, expected: str) -> None:
    """However old, in whatever case or language; the newest of the rest fills what room is left."""
    old = [
        "The database listens on 5433.",
        "Set `max_retries=5` for the client.",
        "客户问：退款需要多少天。",  # noqa: RUF001 - as it is written
        "Die STRASSE war gesperrt.",
    ]
    with talk(*old) as t:
        context = t.compile(budget=100, strategy="relevant", query=query)

        said = [message.text for message in context.messages]
        assert said[1] == expected
        assert said[-2:] == ["well well well, number 29, so it goes", "and now?"]
        assert {one.why for one in context.left_out} == {"less_relevant"}
        assert "(relevant)" in context.warnings[-1]


def test_a_rare_word_counts_more_than_a_common_one() -> None:
    """And more occurrences in a shorter text more than one in a long one."""
    groups = [
        group("the cat"),
        group("the dog"),
        group("the cow"),
        group("the dog and the dog"),
        group("dog " + "x " * 99),
    ]
    points = relevance(groups, terms_of("the dog"))

    assert points[1] > points[0] == points[2] > 0
    assert points[3] > points[0]
    assert 0 < points[4] < points[1]


def test_a_question_without_words_keeps_the_newest() -> None:
    """Nothing has to do with it, so all are equal."""
    with talk("old one") as t:
        newest = t.compile(budget=100).messages[1:]

        assert t.compile(budget=100, strategy="relevant", query="?!").messages[-len(newest) :] == newest


@given(st.text(max_size=30))
def test_words_are_folded_and_each_once(query: str) -> None:
    """Whatever the query holds."""
    terms = terms_of(query)

    assert len(terms) == len(set(terms))
    assert all(terms)
    assert terms == terms_of(query.swapcase()) or not query.isascii()


@pytest.mark.parametrize(
    "arguments",
    [
        {"strategy": "relevant"},
        {"strategy": "relevant", "query": 5},
        {"strategy": "newest", "query": "x"},
        {"query": "x"},
        {"strategy": lambda _groups, _room: (), "query": "x"},
        {"strategy": ["relevant"], "query": "x"},
    ],
)
def test_a_query_and_the_strategy_belong_together(arguments: dict[str, Any]) -> None:
    """One without the other is refused, and not a guess."""
    with talk() as t, pytest.raises(InvalidInputError):
        t.compile(budget=100, **arguments)
