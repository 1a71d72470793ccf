"""Answers how a provider's rules are written down and applied to a request.

A rule is a function that yields what it finds wrong; its docstring begins with the error the provider
answers with. Shape rules run first, and the others only on requests whose shape is right, so they need
not defend themselves. A new format is a new `RuleBook` in a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Request: TypeAlias = Mapping[str, Any]
"""What the rules look at: `messages` and, by provider, `system` and `tools`."""

Finding: TypeAlias = tuple[str, str]
"""Path in the request, and what is wrong there."""

RuleFunction: TypeAlias = Callable[[Request], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule the request breaks.

    Attributes:
        rule: Stable id, such as `openai.tool.unanswered`.
        path: Where, such as `messages[3].tool_calls[0].id`.
        message: What is wrong there; never the content itself.
    """

    rule: str
    path: str
    message: str

    def __repr__(self) -> str:
        return f"<Violation {self.rule} at {self.path}>"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its id and the check behind it."""

    id: str
    check: RuleFunction

    @property
    def vendor_error(self) -> str:
        """The error the provider answers with, from the docstring."""
        return (self.check.__doc__ or "").strip().partition("\n")[0]


class RuleBook:
    """The rules of one format, in the order they are applied."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.shape: list[Rule] = []
        self.meaning: list[Rule] = []

    def rule(self, name: str, *, shape: bool = False) -> Callable[[RuleFunction], RuleFunction]:
        """Add the decorated function under the id `<provider>.<name>`."""

        def add(check: RuleFunction) -> RuleFunction:
            (self.shape if shape else self.meaning).append(Rule(f"{self.provider}.{name}", check))
            return check

        return add

    def violations(self, request: Request) -> list[Violation]:
        """Return everything *request* breaks: shape alone if that is wrong."""
        return _broken(self.shape, request) or _broken(self.meaning, request)


def _broken(rules: list[Rule], request: Request) -> list[Violation]:
    return [Violation(rule.id, path, message) for rule in rules for path, message in rule.check(request)]


def is_list(value: Any) -> bool:
    """Say whether *value* is a JSON array."""
    return isinstance(value, (list, tuple))


def is_one_of(value: Any, names: Container[str]) -> bool:
    """Say whether *value* is text and among *names*; a value of any other type is not, hashable or not."""
    return isinstance(value, str) and value in names


def is_filled_text(value: Any) -> bool:
    """Say whether *value* is text with at least one character."""
    return isinstance(value, str) and value != ""
