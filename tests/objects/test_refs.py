"""Shows which names refs, tracts and authors may have."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ids import shown
from tract.errors import InvalidInputError, InvalidRefNameError
from tract.objects.refs import check_label, check_name

REFUSED = {
    "": "empty",
    "HEAD": "reserved",
    "ORIG_HEAD": "reserved",
    "@": "reserved",
    "-": "reserved",
    "refs/heads/x": "reserved",
    "a b": "one of",
    "a~1": "one of",
    "a^": "one of",
    "a:b": "one of",
    "a?": "one of",
    "a*": "one of",
    "a[b": "one of",
    "a\\b": "one of",
    "a\0": "cannot be seen",
    "a\n": "cannot be seen",
    "a\x7f": "cannot be seen",
    "a\u200b": "cannot be seen",
    "a\u202e": "cannot be seen",
    "a\u2028": "cannot be seen",
    "a\u00a0b": "cannot be seen",
    "a\ue000": "cannot be seen",
    "a\u0378": "cannot be seen",
    "e\u0301": "NFC",
    "\ud800": "surrogate",
    "x" * 256: "longer",
    "é" * 128: "longer",
    "-a": "dash",
    "a..b": "`..`",
    "a@{1}": "`@{`",
    "a//b": "`//`",
    "/a": "slash",
    "a/": "slash",
    "a.": "dot",
    ".a": "dot",
    "a/.b": "dot",
    "a.lock": "`.lock`",
    "a.lock/b": "`.lock`",
}


@pytest.mark.parametrize("name", REFUSED, ids=shown)
def test_a_bad_name_is_refused_with_the_rule_it_breaks(name: str) -> None:
    """Each rule has its own words, and the error shows the name without control characters."""
    with pytest.raises(InvalidRefNameError) as caught:
        check_name(name)

    assert REFUSED[name] in caught.value.reason
    assert caught.value.name == name
    assert str(caught.value).isascii() or str(caught.value).isprintable()


@pytest.mark.parametrize("value", [None, 5, b"main", ["main"]], ids=shown)
def test_a_name_that_is_no_text_is_refused(value: Any) -> None:
    """The type is named, the value is not."""
    with pytest.raises(InvalidRefNameError, match="it is not a string"):
        check_name(value)


@pytest.mark.parametrize("name", ["main", "a", "fix/1", "a-b_c.d", "é", "日本", "🙂", "x" * 255, "a@b", "{a}", "lock"])
def test_ordinary_names_pass(name: str) -> None:
    """Letters of any script, digits, dashes, dots, slashes."""
    assert check_name(name) == name


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("./-@{~lock"), min_size=1, max_size=8))
def test_whatever_passes_git_would_take_too(name: str) -> None:
    """Our rules are stricter than git's: a name that passes is a branch name for git."""
    git = shutil.which("git")
    try:
        check_name(name)
    except InvalidRefNameError:
        return
    if git is not None:
        subprocess.run([git, "check-ref-format", "--branch", name], check=True, capture_output=True)


@pytest.mark.parametrize("value", ["a\nb", "\x1b[31m", "\u202e", "x" * 256, "\ud800", None, 5, b"a"], ids=shown)
def test_labels_are_short_and_visible(value: Any) -> None:
    """An author or actor is refused when a terminal could not show it as it is."""
    with pytest.raises(InvalidInputError, match="The author is no text"):
        check_label(value, "author")


def test_labels_may_be_empty_and_have_spaces() -> None:
    """Ordinary names of people pass."""
    assert check_label("", "author") == ""
    assert check_label("Ann Lee <ann@example.org>", "author") == "Ann Lee <ann@example.org>"
