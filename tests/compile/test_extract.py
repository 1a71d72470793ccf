"""The extractive summarizer: fits its budget, keeps what matters, says each thing once, in the order it was said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.formats.build import conversations
from tract.compile.extract import Said, extract, kept_line, sentences, shortened
from tract.tokens.counter import TiktokenCounter

COUNT = TiktokenCounter("o200k_base").count
SMALL_TALK = "Well, that is really nice of you, and I am happy to hear it from you today."


def picked(messages: list[Said], limit_tokens: int, **options: list[str]) -> str:
    return extract(messages, limit_tokens=limit_tokens, count=COUNT, must_keep=options.get("must_keep", ()))


def said(number: int) -> list[Said]:
    return [Said(one["role"], str(one["content"])) for one in conversations()[number]]


def test_a_real_conversation_fits_any_budget_and_comes_out_the_same_each_time() -> None:
    """Over ten conversations and budgets from a few words to all of it."""
    for number in range(10):
        for limit in (5, 20, 100, 500, 5_000, 50_000):
            text = picked(said(number), limit)
            assert 0 < COUNT(text) <= limit
            assert text == picked(said(number), limit)


def test_sentences_come_in_the_order_they_were_said_with_who_said_them() -> None:
    """One line for each message kept."""
    messages = [Said("user", "I need 3 tickets. Thanks."), Said("assistant", "They cost 90 euros. Shall I book?")]
    lines = picked(messages, 100).split("\n")
    assert lines == ["user: I need 3 tickets. Thanks.", "assistant: They cost 90 euros. Shall I book?"]


def test_facts_and_decisions_outlive_small_talk() -> None:
    """Numbers, identifiers, paths and what was decided come first."""
    facts = ["The build is at /srv/app/main.py.", "We decided to use PORT_8080 because 80 is taken."]
    talk = [
        "Hello there, how are you today?",
        "What a lovely morning it was.",
        "Sure, I am happy to hear that.",
        "Of course, go ahead whenever you like.",
        "Great, that sounds like fun.",
        "Right, so where were we again?",
        "Nice, see you around then.",
    ]
    messages = [Said("user", one) for one in talk]
    messages[1:1] = [Said("assistant", fact) for fact in facts]
    text = picked(messages, 50)
    assert all(fact in text for fact in facts)


def test_repeats_are_said_once() -> None:
    """However they are written."""
    messages = [Said("user", "The code is 77."), Said("assistant", "The CODE is 77!"), Said("user", "the code is 77")]
    assert picked(messages, 100) == "user: The code is 77."


def test_what_is_recent_is_kept() -> None:
    """Of equal sentences the last ones."""
    names = ["ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal"]
    messages = [Said("user", f"Then {name} came along with it.") for name in names]
    text = picked(messages, 25)
    assert "hal" in text
    assert "ann" not in text


def test_long_tool_output_keeps_head_and_tail_and_what_must_be_kept() -> None:
    """The middle is left out, and it says how many lines."""
    output = "\n".join(f"line {number}" for number in range(100))
    text = shortened(output, ["line 50"])
    assert text.split("\n")[0] == "line 0"
    assert text.split("\n")[-1] == "line 99"
    assert "line 50" in text
    assert "(81 lines left out)" in text
    assert shortened("short\ntext") == "short\ntext"
    assert "line 50" in picked([Said("tool", output)], 200, must_keep=["line 50"])


def test_what_must_be_kept_is_kept_as_a_sentence_or_as_it_is() -> None:
    """In its sentence where there is room, else in a line of literals at the end."""
    messages = [Said("user", f"The key number {number} is KEY-{number} {SMALL_TALK}") for number in range(9)]
    must = [f"KEY-{number}" for number in range(9)]
    assert "The key number 4 is KEY-4" in picked(messages, 1_000, must_keep=must[4:5])
    tight = picked(messages, 60, must_keep=must)
    assert tight.endswith(kept_line(must))
    assert COUNT(tight) <= 60


def test_summaries_keep_the_roles_their_lines_name() -> None:
    """A second level does not put `user:` before what the model said."""
    before = Said(
        "user", "user: I need 3 tickets.\nassistant: They cost 90 euros.\nKept verbatim: A-1", is_summary=True
    )
    lines = picked([before, Said("user", "Book 2 of them.")], 200).split("\n")
    assert lines == [
        "user: I need 3 tickets.",
        "assistant: They cost 90 euros.",
        "Kept verbatim: A-1",
        "user: Book 2 of them.",
    ]


def test_a_sentence_without_end_is_cut_at_its_clauses() -> None:
    """JSON on one line, and a word of any length, are no reason to keep all or nothing."""
    for text in ("word " * 500, "x" * 5_000, '{"a": [' + ", ".join(f'{{"id": {n}}}' for n in range(300)) + "]}"):
        parts = sentences(text)
        assert max(map(len, parts)) <= 500
        assert 0 < COUNT(picked([Said("tool", text)], 40)) <= 40
    assert picked([], 100) == picked([Said("user", "")], 100) == picked([Said("user", "...")], 100) == ""


@given(
    st.lists(st.builds(Said, st.sampled_from(["user", "assistant", "tool"]), st.text(max_size=300), st.booleans())),
    st.integers(1, 200),
    st.lists(st.text("ab1-", min_size=1, max_size=6), max_size=3),
)
def test_any_text_fits_any_budget(messages: list[Said], limit: int, must_keep: list[str]) -> None:
    """Never more than the budget; every word of it was said, or says who said it."""
    text = picked(messages, limit, must_keep=must_keep)
    assert COUNT(text) <= limit
