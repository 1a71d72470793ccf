"""Answers what the caller of a verb that may break something has decided: allowed kinds, a resolver's answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from tract.compile.safety import WARNING_KINDS, SafetyWarning
from tract.errors import AbortedError, InvalidInputError, MissingTargetError, SafetyError, shown
from tract.objects.commit import SHORT_HASH
from tract.objects.decision import Resolution, Resolver, decided

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MissingTarget:
    """A commit to be copied acts on commits that are not where it is to go.

    Attributes:
        commit: Hash of the commit.
        op: What it does.
        missing: Hashes of what it misses.
        message: One sentence for people.
    """

    commit: str
    op: str
    missing: tuple[str, ...]
    message: str
    kind: str = "missing_target"

    def __repr__(self) -> str:
        return f"<MissingTarget {self.commit[:SHORT_HASH]} {self.op}>"


Issue: TypeAlias = SafetyWarning | MissingTarget
"""What a resolver is asked about, or who looks at a result."""


class Choices:
    """What was decided so far about one call of a verb.

    Attributes:
        verb: Name of the method, for errors.
        allow: Kinds of warnings to go on in spite of.
        decisions: How each issue was resolved; what is not in it is open.
        left_out: Hashes of the commits not to copy.
    """

    def __init__(
        self,
        verb: str,
        allow: frozenset[str],
        *,
        resolver: Resolver | None = None,
        decisions: Mapping[Issue, Resolution] | None = None,
    ) -> None:
        self.verb = verb
        self.allow = allow
        self.decisions: dict[Issue, Resolution] = dict(decisions or {})
        self.left_out: set[bytes] = set()
        self._resolver = resolver
        self._met: dict[Issue, None] = {}
        self._open: dict[Issue, None] = {}

    @property
    def issues(self) -> tuple[Issue, ...]:
        """What had to be decided and what still has, in the order in which it was met."""
        return tuple([one for one in self._met if one in self.decisions or one in self._open])

    def begin(self) -> None:
        """Forget what was open: everything is looked at again."""
        self._open.clear()

    def require_decided(self) -> None:
        """Refuse to go on while anything is open.

        Raises:
            MissingTargetError: What a commit acts on is missing.
            SafetyError: Something would break.
        """
        for one in self._open:
            if isinstance(one, MissingTarget):
                raise MissingTargetError(one)
        if self._open:
            raise SafetyError(self.verb, [one for one in self._open if isinstance(one, SafetyWarning)])

    def admits(self, warnings: Iterable[SafetyWarning]) -> bool:
        """Tell whether all of *warnings* are allowed, or were accepted."""
        return all(one.kind in self.allow or is_accepted(self.decisions.get(one)) for one in warnings)

    def settle(self, warnings: Iterable[SafetyWarning], copied: Collection[bytes] = ()) -> bool:
        """Decide on *warnings*; return false if a commit is to be left out, so that all has to be looked at again.

        Args:
            warnings: What would break.
            copied: Hashes of the commits that may be left out.

        Raises:
            AbortedError: The resolver aborts, or wants something left out that cannot be.
        """
        for one in warnings:
            made = None if one.kind in self.allow else self._decide(one)
            if made is None or is_accepted(made):
                continue
            concerned = {bytes.fromhex(commit) for commit in one.commits} & set(copied)
            if not concerned:
                raise AbortedError(one, made.reason)
            self.left_out |= concerned
            return False
        return True

    def missing(self, issue: MissingTarget) -> Resolution:
        """Return what to do about *issue*; while that is open, the commit is left out.

        Raises:
            AbortedError: The resolver aborts.
        """
        return self._decide(issue) or Resolution("skip")

    def _decide(self, issue: Issue) -> Resolution | None:
        """Return what was decided about *issue*, asking the resolver once; `None` if nobody has."""
        made = self.decisions.get(issue)
        if made is None and self._resolver is not None:
            made = decided(self._resolver, issue)
        self._met[issue] = None
        if made is None:
            self._open[issue] = None
            return None
        if made.action == "abort":
            raise AbortedError(issue, made.reason)
        self.decisions[issue] = made
        return made


def one_of(known: Sequence[T], one: T | int, name: str) -> T:
    """Return *one* of *known*, which may be given as its index; *name* is what people call it.

    Raises:
        InvalidInputError: There is no such one.
    """
    is_index = isinstance(one, int) and -len(known) <= one < len(known)
    found = known[one] if is_index and isinstance(one, int) else one
    if isinstance(found, int) or found not in known:
        raise InvalidInputError(f"This {name} is not one of the result.", hint=f"Take it from `result.{name}s`.")
    return found


def is_accepted(made: Resolution | None) -> bool:
    """Tell whether *made* says to go on with what was going to be done."""
    return made is not None and made.action in {"use", "theirs"}


def kinds(allow: Iterable[str] | str) -> frozenset[str]:
    """Return the kinds of warnings that are allowed.

    Raises:
        InvalidInputError: There is no such kind.
    """
    named: Sequence[object]
    if isinstance(allow, str):
        named = [allow]
    elif isinstance(allow, Iterable):
        named = list(allow)
    else:
        raise InvalidInputError(f"`allow` is a list of kinds of warnings, not `{type(allow).__name__}`.")
    known = [kind for kind in named if isinstance(kind, str) and kind in WARNING_KINDS]
    if len(known) < len(named):
        wrong = next(kind for kind in named if kind not in known)
        raise InvalidInputError(f"{shown(wrong)} is no kind of warning.", hint=f"Kinds are {', '.join(WARNING_KINDS)}.")
    return frozenset(known)
