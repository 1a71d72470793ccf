"""Answers what the caller of a verb that may break something has decided: allowed kinds, a resolver's answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from tract.compile.safety import WARNING_KINDS, SafetyWarning
from tract.errors import AbortedError, InvalidInputError, MissingTargetError, SafetyError, shown
from tract.objects.commit import SHORT_HASH
from tract.objects.decision import Resolution, Resolver, decided


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


class Choices:
    """What was decided so far during one call of a verb.

    Attributes:
        verb: Name of the method, for errors.
        left_out: Hashes of the commits not to copy.
    """

    def __init__(self, verb: str, allow: Iterable[str] | str, resolver: Resolver | None) -> None:
        self.verb = verb
        self._allow = _kinds(allow)
        if resolver is not None and not callable(resolver):
            raise InvalidInputError(
                f"`resolver` is a callable, not `{type(resolver).__name__}`.",
                hint="It is given an issue, returns a `Resolution`.",
            )
        self._resolver = resolver
        self._accepted: set[SafetyWarning] = set()
        self._missing: dict[str, Resolution] = {}
        self.left_out: set[bytes] = set()

    def admits(self, warnings: Iterable[SafetyWarning]) -> bool:
        """Tell whether all of *warnings* are allowed or accepted."""
        return not self._open(warnings)

    def _open(self, warnings: Iterable[SafetyWarning]) -> list[SafetyWarning]:
        return [one for one in warnings if one.kind not in self._allow and one not in self._accepted]

    def settle(self, warnings: Iterable[SafetyWarning], copied: Collection[bytes] = ()) -> bool:
        """Decide on *warnings*; return whether all are settled, or else a commit was left out.

        Args:
            warnings: What would break.
            copied: Hashes of the commits that may be left out.

        Raises:
            SafetyError: One is not allowed, and there is no resolver.
            AbortedError: The resolver aborts, or wants something left out that cannot be.
        """
        waiting = self._open(warnings)
        if waiting and self._resolver is None:
            raise SafetyError(self.verb, waiting)
        for one in waiting:
            assert self._resolver is not None
            resolution = decided(self._resolver, one)
            if resolution.action in {"use", "theirs"}:
                self._accepted.add(one)
                continue
            concerned = {bytes.fromhex(commit) for commit in one.commits} & set(copied)
            if resolution.action == "abort" or not concerned:
                raise AbortedError(one, resolution.reason)
            self.left_out |= concerned
            return False
        return True

    def missing(self, issue: MissingTarget) -> Resolution:
        """Return what to do about *issue*; asked once for each commit.

        Raises:
            MissingTargetError: There is no resolver.
            AbortedError: The resolver aborts.
        """
        known = self._missing.get(issue.commit)
        if known is None:
            if self._resolver is None:
                raise MissingTargetError(issue)
            known = self._missing[issue.commit] = decided(self._resolver, issue)
        if known.action == "abort":
            raise AbortedError(issue, known.reason)
        return known


def _kinds(allow: Iterable[str] | str) -> frozenset[str]:
    named: Sequence[object]
    if isinstance(allow, str):
        named = [allow]
    elif isinstance(allow, Iterable):
        named = list(allow)
    else:
        raise InvalidInputError(f"`allow` is a list of kinds of warnings, not `{type(allow).__name__}`.")
    kinds = [kind for kind in named if isinstance(kind, str) and kind in WARNING_KINDS]
    if len(kinds) < len(named):
        wrong = next(kind for kind in named if kind not in kinds)
        raise InvalidInputError(f"{shown(wrong)} is no kind of warning.", hint=f"Kinds are {', '.join(WARNING_KINDS)}.")
    return frozenset(kinds)
