"""Answers whether something to be committed holds a key or password, before anything is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel

from tract.agent.policies.policy import Decision, Policy
from tract.agent.policies.view import PolicyView
from tract.objects.message import Reasoning
from tract.objects.policy import Event, Verdict

_KEY: Final = "(?:[A-Z0-9]+ )*PRIVATE KEY"
# Not inside a longer word: what is encrypted or encoded holds any letters.
_WORD: Final = r"(?<![A-Za-z0-9_/+-])"

SHAPES: Final[Mapping[str, re.Pattern[str]]] = {
    name: re.compile(shape)
    for name, shape in {
        "an Anthropic key": _WORD + r"sk-ant-[A-Za-z0-9_-]{20,}",
        # Real ones have digits and capitals; `sk-learn-and-what-follows` has not.
        "an OpenAI key": _WORD + r"sk-(?!ant-)(?=[\w-]*\d)(?=[\w-]*[A-Z])[A-Za-z0-9_-]{20,}",
        "an AWS access key": _WORD + r"(?:AKIA|ASIA)[0-9A-Z]{16}\b",
        "an AWS secret key": r"(?ai)aws_?secret_?(?:access_?)?key\W{1,5}[A-Za-z0-9/+=]{40}",
        "a GitHub token": _WORD + r"(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})",
        "a GitLab token": _WORD + r"glpat-[A-Za-z0-9_-]{20,}",
        "a Google key": _WORD + r"AIza[0-9A-Za-z_-]{35}",
        "a Slack token": _WORD + r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
        "a Stripe key": _WORD + r"[rs]k_(?:live|test)_[0-9A-Za-z]{16,}",
        "a Hugging Face token": _WORD + r"hf_[A-Za-z0-9]{30,}",
        "an npm token": _WORD + r"npm_[A-Za-z0-9]{36}",
        "a PyPI token": _WORD + r"pypi-AgEI[A-Za-z0-9_-]{40,}",
        "a SendGrid key": _WORD + r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
        "a JSON web token": _WORD + r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
        "a private key": rf"-----BEGIN {_KEY}-----[\s\S]*?(?:-----END {_KEY}-----|\Z)",
        "a password in a URL": r"(?<=://)[^\s:/@]+:[^\s:/@]{3,}(?=@)",
    }.items()
}
"""Shapes of keys: what each is called, and the text that is one."""

_SIGNS: Final[Mapping[str, tuple[str, ...]]] = {
    "an Anthropic key": ("sk-ant-",),
    "an OpenAI key": ("sk-",),
    "an AWS access key": ("AKIA", "ASIA"),
    "an AWS secret key": ("aws",),
    "a GitHub token": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    "a GitLab token": ("glpat-",),
    "a Google key": ("AIza",),
    "a Slack token": ("xox",),
    "a Stripe key": ("k_live_", "k_test_"),
    "a Hugging Face token": ("hf_",),
    "an npm token": ("npm_",),
    "a PyPI token": ("pypi-AgEI",),
    "a SendGrid key": ("SG.",),
    "a JSON web token": ("eyJ",),
    "a private key": ("-----BEGIN ",),
    "a password in a URL": ("://",),
}
"""What each shape cannot be without: looking for such a text costs far less than looking for the shape."""

_UNCASED: Final = ("aws",)
"""Signs that may be written in any case."""
_CASED: Final = tuple(dict.fromkeys(sign for signs in _SIGNS.values() for sign in signs if sign not in _UNCASED))
_PLAIN: Final = frozenset({bool, int, float, bytes})

REDACTED: Final = "[redacted]"


class SecretGuard(Policy):
    """Finds keys and passwords of known shapes in contents, messages, metadata and reasons before they are stored.

    What is redacted is not kept anywhere; the log says which shape was found, never the text. A block of reasoning
    with a secret is left out whole, since its provider refuses a changed one.

    Attributes:
        on_found: `reject` the commit, `redact` the text, or `warn`.
        patterns: Further shapes, as regular expressions by name.
    """

    kind: ClassVar[str] = "secret_guard"
    events: ClassVar[tuple[str, ...]] = ("before_commit",)

    priority: int = 1000
    on_found: Literal["reject", "redact", "warn"] = "reject"
    patterns: Mapping[str, re.Pattern[str]] = {}

    def evaluate(self, event: Event, view: PolicyView) -> Decision:  # noqa: ARG002 - nothing else is looked at
        """Look at every text that would be stored."""
        every = texts((event.content, event.args))
        shapes = {**_possible("\0".join(every)), **self.patterns}
        found = sorted({name for name, shape in shapes.items() if any(map(shape.search, every))})
        if not found:
            return None
        reason = f"It holds {' and '.join(found)}."
        if self.on_found == "redact":
            clean = tuple({**SHAPES, **self.patterns}.values())
            return Verdict("fix", reason, _redacted(event.content, clean), _redacted(dict(event.args), clean))
        return Verdict("warn" if self.on_found == "warn" else "deny", reason)


def _possible(text: str) -> dict[str, re.Pattern[str]]:
    """Return the shapes that may be in *text*: those whose signs are."""
    lower = text.lower()
    found = {sign for sign in _CASED if sign in text} | {sign for sign in _UNCASED if sign in lower}
    return {name: SHAPES[name] for name, signs in _SIGNS.items() if not found.isdisjoint(signs)} if found else {}


def texts(value: object) -> list[str]:
    """Return every text in *value*, in any order: keys, fields, parts; bytes are none."""
    found: list[str] = []
    left: list[Any] = [value]
    while left:
        one = left.pop()
        kind = type(one)
        # By far the most of what is met; asking for a base class costs as much as all the rest.
        if kind is str:
            found.append(one)
        elif kind is tuple or kind is list:
            left += one
        elif kind is dict:
            left += one
            left += one.values()
        elif one is not None and kind not in _PLAIN:
            left += _children(one)
    return found


def _children(value: object) -> list[Any]:
    if isinstance(value, str):
        return [str.__str__(value)]
    if isinstance(value, BaseModel):
        return [*value.__dict__.values(), value.model_extra]
    if isinstance(value, Mapping):
        return [*value, *value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in fields(value)]
    return []


def _redacted(value: Any, shapes: tuple[re.Pattern[str], ...]) -> Any:
    """Return *value* with nothing of these shapes in any text."""
    if isinstance(value, str):
        for shape in shapes:
            value = shape.sub(REDACTED, value)
        return value
    if isinstance(value, Mapping):
        return {_redacted(key, shapes): _redacted(child, shapes) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        kept = [one for one in value if not (isinstance(one, Reasoning) and _tells(one, shapes))]
        return type(value)(_redacted(child, shapes) for child in kept)
    if isinstance(value, BaseModel):
        found = {**dict(value), **(value.model_extra or {})}
        return value.model_copy(update={name: _redacted(child, shapes) for name, child in found.items()})
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if field.init]
        return replace(value, **{name: _redacted(getattr(value, name), shapes) for name in names})
    return value


def _tells(value: object, shapes: tuple[re.Pattern[str], ...]) -> bool:
    return any(shape.search(text) for text in texts(value) for shape in shapes)
