"""Shows when two texts are the same whatever their case, and where a match stands in the text as it was written."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.objects.folding import find_folded, fold


@pytest.mark.parametrize(
    "texts",
    [
        ["Straße", "STRASSE", "strasse"],
        ["É", "é", "e\u0301", "E\u0301"],
        ["\u03a3", "\u03c3", "\u03c2"],
        ["\u1fb4", "\u03b1\u0301\u0345", "\u03b1\u0345\u0301", "\u0391\u0301\u0399"],
        ["\ud55c", "\u1112\u1161\u11ab"],
        ["İ", "i\u0307"],
    ],
)
def test_what_unicode_calls_caseless_is_equal(texts: list[str]) -> None:
    """However an accent is put together, and in whatever order."""
    assert len({fold(text) for text in texts}) == 1


@given(st.text())
def test_folding_twice_changes_nothing_more(text: str) -> None:
    """And is the same for all ways to write a text."""
    assert fold(fold(text)) == fold(text)
    assert fold(unicodedata.normalize("NFD", text)) == fold(text) == fold(unicodedata.normalize("NFC", text))


@given(st.text(max_size=6), st.text(min_size=1, max_size=4), st.text(max_size=6))
def test_a_match_stands_where_it_was_written(before: str, said: str, after: str) -> None:
    """What a place covers folds to something that holds the term."""
    text, term = before + said + after, fold(said)

    places = find_folded(text, term, 100)

    assert bool(places) == (bool(term) and term in fold(text))
    for start, end in places:
        assert 0 <= start < end <= len(text)
        assert term in fold(text[start:end])


def test_every_character_folds_within_its_place() -> None:
    """Those that fold to several, and those that grow together with the one before."""
    wrong = []
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        if unicodedata.category(char) in {"Cs", "Cn", "Co", "Lo"}:
            continue
        text = f"a{char}b{unicodedata.normalize('NFD', char)}c"
        wrong += [text for start, end in find_folded(text, fold(char), 9) if fold(char) not in fold(text[start:end])]
    assert wrong == []
