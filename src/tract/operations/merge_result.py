"""Answers what a merge came to: its conflicts, how each was resolved, and what the outcome would show."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from typing import Any, Literal, TypeAlias, TypeVar, cast, overload

from pydantic import BaseModel

from tract.compile.fold import Entry, Event, State
from tract.compile.three_way import Clash, ConflictKind, new_on
from tract.errors import InvalidInputError
from tract.history.info import content_of
from tract.objects.config import encode_config
from tract.objects.content import to_message
from tract.objects.decision import Action, ModelCall, Resolution
from tract.objects.hashing import canonical_json
from tract.objects.message import Message
from tract.operations.choices import one_of
from tract.operations.merge_plan import Choice, ClashKey, MergePlan, NewContent, additions, require_action
from tract.operations.prepare import allowed, as_content, prepare, text_replaced
from tract.operations.review import Concern
from tract.store import Store

T = TypeVar("T")

MergeKind: TypeAlias = Literal["up_to_date", "fast_forward", "merged", "squashed", "conflicts", "concerns"]


@dataclass(frozen=True, slots=True)
class Version:
    """One side of a conflict.

    Attributes:
        commit: Hash of the commit whose content it is.
        message: What it says, `None` if erased.
        priority: `skip`, `normal` or `pinned`.
        is_compressed: Whether a summary stands in its place.
        origin: Who the content came from.
    """

    commit: str
    message: Message | None = field(repr=False)
    priority: str
    is_compressed: bool
    origin: str = "user"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something both branches changed, in ways that do not go together.

    Attributes:
        kind: How: `both_edited`, `edited_and_skipped`, `annotated_differently`, `compressed_and_changed`,
            `overlapping_compressions` or `reordered_differently`.
        target: Hash of the commit both act on.
        base: How it was before.
        ours: How it is on the current branch.
        theirs: How it is on the other.
        our_commits: Hashes of the commits on the current branch since the base, oldest first.
        their_commits: Those on the other.
        context: The messages before it, as the merge would show them; put together when looked at.
        context_origins: Who each of these came from.
    """

    kind: ConflictKind
    target: str
    base: Version
    ours: Version
    theirs: Version
    our_commits: tuple[str, ...] = field(repr=False)
    their_commits: tuple[str, ...] = field(repr=False)
    context: Sequence[Message] = field(repr=False, compare=False)
    entry: int = field(repr=False)
    context_origins: Sequence[str] = field(default=(), repr=False, compare=False)

    @property
    def key(self) -> ClashKey:
        """What tells this conflict from the others of the merge."""
        return self.kind, self.entry


class MergeResult:
    """What a merge came to.

    Attributes:
        kind: `up_to_date`, `fast_forward`, `merged`, `squashed`; while it waits `conflicts`, or
            `concerns` where there is nothing to decide but something to look at.
        into: Branch merged into.
        name: What was merged, as it was named.
        bases: Hashes of the merge bases.
        conflicts: What has to be decided, or was.
        commits: Hashes of the merge commit, or of the summary of a squash.
        head: Hash the branch is at, `None` while the merge waits.
        message: What to show in the log.
        resolutions: How each conflict was resolved, by its key.
        concerns: What a reviewer noticed that is no conflict.
        calls: The models that were asked, and what they cost.
        is_kept: Whether it is kept in the store as the merge that waits.
        seen: What `Store.erasures` was before anything was read; decisions may quote what was erased since.
    """

    def __init__(self, *, into: str, name: str, ours: bytes, theirs: bytes, message: str | None) -> None:
        self.kind: MergeKind = "conflicts"
        self.into = into
        self.name = name
        self.ours = ours
        self.theirs = theirs
        self.message = message
        self.bases: tuple[str, ...] = ()
        self.conflicts: tuple[Conflict, ...] = ()
        self.commits: tuple[str, ...] = ()
        self.head: str | None = None
        self.resolutions: dict[ClashKey, Resolution] = {}
        self.concerns: tuple[Concern, ...] = ()
        self.calls: tuple[ModelCall, ...] = ()
        self.is_kept = False
        self.seen: str | None = None
        self.delete_branch = False
        self.plan: MergePlan | None = None
        self.tokens = 0

    @property
    def unresolved(self) -> tuple[Conflict, ...]:
        """The conflicts nobody has decided yet."""
        return tuple(one for one in self.conflicts if one.key not in self.resolutions)

    def resolve(
        self,
        conflict: Conflict | int,
        resolution: Resolution | Action,
        content: BaseModel | Mapping[str, Any] | str | None = None,
    ) -> MergeResult:
        """Decide one conflict; nothing is written before `commit_merge`.

        Args:
            conflict: One of `conflicts`, or its index.
            resolution: `ours`, `theirs`, `skip` (leave the message out), `use` with a *content*, or a `Resolution`.
            content: What to show instead: a content model, a mapping, or a new text.

        Raises:
            InvalidInputError: No conflict of this merge, or an action that does not resolve it.
        """
        one = one_of(self.conflicts, conflict, "conflict")
        made = resolution if isinstance(resolution, Resolution) else Resolution(resolution, content)
        if made.action == "use" and made.content is None:
            raise InvalidInputError("`use` needs the content to use.", hint="Pass it as `content`.")
        if made.action == "abort":
            raise InvalidInputError("`abort` resolves nothing.", hint="Give up with `t.abort_merge()`.")
        require_action(one.kind, made.action)
        self.resolutions[one.key] = made
        return self

    @property
    def preview(self) -> list[Message]:
        """The messages the merge would show now; undecided conflicts show our side."""
        if self.plan is None:
            return []
        _, state, _ = additions(self.plan, choices_of(self, self.plan))
        return [entry.shown.message for entry in state.shown if entry.shown.message is not None]

    def done(self, kind: MergeKind, head: bytes) -> MergeResult:
        """Note how it ended."""
        self.kind, self.head, self.plan, self.is_kept = kind, head.hex(), None, False
        return self

    def __repr__(self) -> str:
        return f"<MergeResult {self.kind} {self.name} into {self.into} conflicts={len(self.conflicts)}>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def conflicts_of(plan: MergePlan) -> tuple[Conflict, ...]:
    """Return the conflicts of *plan* as people see them."""
    if not plan.decision.clashes:
        return ()  # what both sides did takes long to find where a branch was merged before
    mine = tuple([event.hash.hex() for event in new_on(plan.old, plan.ours)])
    other = tuple([event.hash.hex() for event in new_on(plan.old, plan.theirs)])
    return tuple(
        Conflict(
            clash.kind,
            clash.ours.placed.hash.hex(),
            _version(clash.base),
            _version(clash.ours),
            _version(clash.theirs),
            mine,
            other,
            _Before(plan.plain, clash, lambda event: cast("Message", event.message)),
            clash.entry,
            _Before(plan.plain, clash, lambda event: event.origin),
        )
        for clash in plan.decision.clashes
    )


def _version(entry: Entry) -> Version:
    shown = entry.shown
    return Version(shown.hash.hex(), shown.message, entry.priority, bool(entry.covers), shown.origin)


class _Before(Sequence[T]):
    """What is to know of the messages before one entry: a long list, so it is made only for who looks at it."""

    def __init__(self, plain: State, clash: Clash, take: Callable[[Event], T]) -> None:
        self._plain = plain
        self._entry = clash.entry
        self._take = take

    @cached_property
    def _found(self) -> tuple[T, ...]:
        # A hidden entry, one both sides covered for example, has its place among all entries.
        before = takewhile(lambda entry: entry.placed.id != self._entry, self._plain.order)
        visible = [entry.shown for entry in before if entry.is_visible and entry.shown.message is not None]
        return tuple([self._take(event) for event in visible])

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._found[index]


def choices_of(result: MergeResult, plan: MergePlan) -> dict[ClashKey, Choice]:
    """Return the resolutions of *result* with their contents encoded and counted; our side where there is none."""
    choices: dict[ClashKey, Choice] = {}
    for conflict in result.conflicts:
        made = result.resolutions.get(conflict.key, Resolution("ours"))
        content = None if made.content is None else _new_content(plan.store, plan.clash(conflict.key), made)
        choices[conflict.key] = Choice(made.action, content)
    return choices


def permitted(result: MergeResult, store: Store) -> dict[ClashKey, Resolution]:
    """Return the resolutions of *result* as the policies in force let their contents be committed.

    Raises:
        PolicyDeniedError: A policy does not let one be.
    """
    found = dict(result.resolutions)
    for key, made in result.resolutions.items():
        if store.policies is not None and result.plan is not None and made.content is not None:
            model = _model(store, result.plan.clash(key), made)
            kept = allowed(store, model, "merge-save")
            if kept != model:
                found[key] = replace(made, content=kept)
    return found


def _model(store: Store, clash: Clash, made: Resolution) -> BaseModel:
    """Return what *made* says to use as a content model."""
    assert made.content is not None
    if isinstance(made.content, str):
        return text_replaced(store, content_of(store, clash.ours.shown.hash), made.content)
    return as_content(store, made.content)


def _new_content(store: Store, clash: Clash, made: Resolution) -> NewContent:
    ready = prepare(store, _model(store, clash, made))
    message = to_message(ready.content_type, ready.fields)
    return NewContent(
        ready.content_type,
        ready.payload,
        ready.content_hash,
        message,
        ready.tokens,
        ready.files,
        origin=made.origin or "developer",
        config=None if made.generation_config is None else encode_config(made.generation_config),
    )


# --- keeping a merge that waits ------------------------------------------------------------------


def pending_json(result: MergeResult) -> str:
    """Return *result* as it is kept in the store."""
    return canonical_json(
        {
            "into": result.into,
            "name": result.name,
            "ours": result.ours.hex(),
            "theirs": result.theirs.hex(),
            "message": result.message,
            "delete_branch": result.delete_branch,
            "concerns": [one.plain() for one in result.concerns],
            "calls": [one.plain() for one in result.calls],
            "resolutions": [
                [one.kind, one.target, made.action, _plain(made.content), made.reason, made.origin, _config(made)]
                for one in result.conflicts
                if (made := result.resolutions.get(one.key)) is not None
            ],
        }
    ).decode()


def _config(made: Resolution) -> dict[str, Any] | None:
    return None if made.generation_config is None else dict(made.generation_config)


def _plain(content: BaseModel | Mapping[str, Any] | str | None) -> Any:
    if isinstance(content, BaseModel):
        kind = getattr(type(content), "content_type", None)
        if kind is None:
            raise InvalidInputError(
                "A custom content cannot be kept in a merge that waits.",
                hint="Give it as a mapping with `content_type`.",
            )
        return {"content_type": kind, **content.model_dump(mode="json", exclude_defaults=True)}
    return dict(content) if isinstance(content, Mapping) else content


def pending_from(store: Store, text: str) -> MergeResult:
    """Return the result kept as *text*, without its conflicts."""
    kept = json.loads(text)
    result = MergeResult(
        into=kept["into"],
        name=kept["name"],
        ours=bytes.fromhex(kept["ours"]),
        theirs=bytes.fromhex(kept["theirs"]),
        message=kept["message"],
    )
    result.delete_branch = kept["delete_branch"]
    result.concerns = tuple(Concern.read(one) for one in kept["concerns"])
    result.calls = tuple(ModelCall.read(one) for one in kept.get("calls", ()))  # older merges that wait have none
    result.is_kept = True
    for kind, target, *made in kept["resolutions"]:
        result.resolutions[kind, store.tip(bytes.fromhex(target)).id] = Resolution(*made)
    return result


def united(result: MergeResult, kept: MergeResult | None) -> None:
    """Take over from *kept* the resolutions *result* lacks."""
    if kept is not None:
        result.resolutions = {**kept.resolutions, **result.resolutions}
