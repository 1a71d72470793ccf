"""The secret guard: it finds every known shape wherever it is, and leaves alone what holds none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tract import DialogueContent, Event, ToolCall, Tract
from tract.agent.policies.secret_guard import SHAPES, SecretGuard, texts
from tract.errors import PolicyDeniedError

# Put together here, so that no scanner takes this file for a leak.
SECRETS = {
    "an Anthropic key": "sk-" + "ant-" + "api03-" + "Zq9" * 12,
    "an OpenAI key": "sk-" + "proj-" + "Zq9" * 12,
    "an AWS access key": "AKIA" + "ABCDEFGHIJKLMNOP",
    "an AWS secret key": "AwS_SECRET_access_key = " + "aB3/" * 10,
    "a GitHub token": "gh" + "p_" + "aB3" * 12,
    "a GitLab token": "gl" + "pat-" + "aB3" * 8,
    "a Google key": "AI" + "za" + "aB3_x" * 7,
    "a Slack token": "xo" + "xb-" + "1234567890-abc",
    "a Stripe key": "sk" + "_live_" + "aB3" * 8,
    "a Hugging Face token": "hf" + "_" + "aB3" * 12,
    "an npm token": "np" + "m_" + "aB3" * 12,
    "a PyPI token": "py" + "pi-AgEI" + "aB3" * 16,
    "a SendGrid key": "S" + "G." + "a" * 22 + "." + "b" * 43,
    "a JSON web token": "ey" + "J" + "a" * 12 + ".ey" + "J" + "b" * 12 + "." + "c" * 12,
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----\nabc\n-----END RSA " + "PRIVATE KEY-----",
    "a password in a URL": "https://ann:" + "hunter2" + "@example.org",
}


def _verdict(content: Any, **fields: Any) -> Any:
    guard = SecretGuard(**fields)
    return guard.evaluate(Event("before_commit", "commit", content, {"message": None}), None)  # type: ignore[arg-type]  # not looked at


def test_every_shape_has_its_secret_here() -> None:
    """So that a shape that is added is tried as well."""
    assert SECRETS.keys() == SHAPES.keys()


@pytest.mark.parametrize("name", SECRETS)
@given(before=st.text(max_size=20), after=st.text(max_size=20))
@example(before="", after="")
@example(before="the key is: ", after=".")
def test_what_is_looked_for_first_hides_no_secret(name: str, before: str, after: str) -> None:
    """What the shapes alone find, the guard finds, and nothing else."""
    text = f"{before} {SECRETS[name]} {after}"
    found = sorted(other for other, shape in SHAPES.items() if shape.search(text))
    verdict = _verdict(DialogueContent(role="user", text=text))

    assert name in found
    assert verdict.kind == "deny"
    assert verdict.reason == f"It holds {' and '.join(found)}."


@given(st.text(max_size=200))
def test_what_holds_none_is_left_alone(text: str) -> None:
    """Whatever else it holds."""
    holds_some = any(shape.search(text) for shape in SHAPES.values())

    assert (_verdict(DialogueContent(role="user", text=text)) is not None) is holds_some


_leaves = st.none() | st.booleans() | st.integers() | st.binary(max_size=3) | st.floats(allow_nan=False)
_trees = st.recursive(
    _leaves | st.text(max_size=5),
    lambda child: (
        st.lists(child, max_size=3)
        | st.tuples(child, child)
        | st.dictionaries(st.text(max_size=3), child, max_size=3)
        | st.builds(lambda text: ToolCall("c1", "look", text), st.text(max_size=5))
    ),
    max_leaves=12,
)


def _slowly(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for child in pair for text in _slowly(child)]
    if isinstance(value, (list, tuple)):
        return [text for child in value for text in _slowly(child)]
    if isinstance(value, ToolCall):
        return [text for child in (value.id, value.name, value.arguments) for text in _slowly(child)]
    return []


@given(_trees)
def test_every_text_is_looked_at(tree: Any) -> None:
    """However deep it lies: the same as found one by one."""
    # A tool call says of itself that it is one.
    assert sorted(text for text in texts(tree) if text != "tool_call") == sorted(_slowly(tree))


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_is_stored(open_tract: Callable[..., Tract], name: str) -> None:
    """In a text, in the arguments of a call, in metadata and in a reason."""
    t = open_tract()
    t.user("tea")
    t.policies.add("secret_guard")
    ways: list[Callable[[], object]] = [
        lambda: t.user(f"look: {SECRETS[name]}"),
        lambda: t.assistant(tool_calls=[ToolCall("c1", "look", f'{{"key": "{SECRETS[name]}"}}')]),
        lambda: t.user("tea", metadata={"note": [SECRETS[name]]}),
        lambda: t.pin("HEAD", reason=SECRETS[name]),
    ]
    for way in ways:
        with pytest.raises(PolicyDeniedError, match=f"It holds .*{name}"):
            way()

    assert len(t.compile().messages) == 1


def test_patterns_of_ones_own_need_no_sign() -> None:
    """They are looked for in any text; one named as a known shape stands for it."""
    said = DialogueContent(role="user", text="card 1234-5678")

    assert _verdict(said, patterns={"a card": r"\d{4}-\d{4}"}).reason == "It holds a card."
    assert _verdict(said, patterns={"a Google key": r"\d{4}-\d{4}"}).reason == "It holds a Google key."
