"""Lets a model decide what the rules leave open, and look at what comes together: in merges, rebases, picks, reorders.

A model gets one issue at a time and may only choose what is offered for it. What it writes is trusted no more than the
least trusted text it was shown, and beside the versions it decides on it is shown nothing less trusted than they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

from pydantic import BaseModel

from tract.agent.questions import (
    Asker,
    Decided,
    Noticings,
    document,
    prompt,
    read_answer,
    refuse,
    require_plain,
    settings_of,
    too_much,
)
from tract.agent.settings import Models
from tract.compile.compiler import states_of
from tract.compile.fold import State
from tract.compile.safety import SafetyWarning
from tract.errors import (
    ContentErasedError,
    InvalidInputError,
    InvalidTargetError,
    OperationOpenError,
    ReadOnlyError,
    UnknownContentTypeError,
    shown,
)
from tract.history.info import commit_info, content_of
from tract.llm.protocol import Reply
from tract.objects.commit import SHORT_HASH, TRUST, least_trusted
from tract.objects.content import SUMMARY_MARK, SummaryContent, payload_of, to_message
from tract.objects.decision import AutonomyLevel, ModelCall, Resolution, Resolver, autonomy_level
from tract.objects.message import FilePart, ImagePart, Message, Reasoning, TextPart, ToolCall, ToolResultPart
from tract.operations.choices import MissingTarget
from tract.operations.configure import parse_llm_config
from tract.operations.merge_result import Conflict, Version
from tract.operations.prepare import text_replaced
from tract.operations.review import Brought, Concern, Review, Reviewer, review_by_rules
from tract.storage import queries as q
from tract.store import Store

Semantic: TypeAlias = Literal["auto", "semantic"]
"""Who decides what a rebase, cherry-pick or reorder meets: `auto` the resolver given, `semantic` a model."""

Verb: TypeAlias = Literal["merge", "rebase", "cherry_pick", "reorder"]

MOST_ISSUES: Final = 100
"""How many issues a model decides in one call of a verb; what needs more is for people."""

_BEFORE_MESSAGES: Final = 20
_BEFORE_CHARACTERS: Final = 2_000
_REVIEW_CHARACTERS: Final = 4_000
_SIDE_CHARACTERS: Final = 100_000
_ORDER_MESSAGES: Final = 200
_ORDER_CHARACTERS: Final = 120

_SIDES_ONLY: Final = frozenset({"overlapping_compressions", "reordered_differently", "annotated_differently"})

_UNREADABLE: Final = (InvalidTargetError, ContentErasedError, UnknownContentTypeError)
"""Why a commit has no content that could be shown or replaced."""

_WHAT: Final = {
    "both_edited": "Both branches gave the message another content.",
    "edited_and_skipped": "One branch edited the message, the other took it out.",
    "annotated_differently": "The branches set different priorities.",
    "compressed_and_changed": "One branch put a summary in the message's place, the other changed the message.",
    "overlapping_compressions": "The branches put different summaries in the message's place.",
    "reordered_differently": "The branches put their messages in different orders.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Who the caller of one verb wants to decide.

    Attributes:
        verb: Name of the method.
        strategy: What the caller said; a model is asked for `semantic` alone.
        model: Name of the model, if the caller gave one.
        autonomy: Level, if the caller gave one; at `manual` no model is asked.
        resolver: The caller's own; it goes before a model.
        reviewer: As `resolver`.
        onto: Hash of the commit messages are to stand behind.
    """

    verb: Verb
    strategy: str
    model: str | None = None
    autonomy: str | None = None
    resolver: Resolver | None = None
    reviewer: Reviewer | None = None
    onto: bytes | None = None


@dataclass(frozen=True, slots=True)
class Deciders:
    """Who decides and who reviews in one call of a verb, and the models they have asked."""

    resolver: Resolver | None
    reviewer: Reviewer | None = None
    calls: list[ModelCall] = field(default_factory=list)


def deciders(store: Store, models: Models, wish: Wish) -> Deciders:
    """Return who decides: the caller's own functions, else for `semantic` the model configured for `merge`.

    A semantic merge without any model is left to the rules and to people.

    Raises:
        InvalidInputError: No such strategy, or a model for a strategy that asks none.
        NoModelError: No model is configured, and without one the call makes no sense.
        OperationOpenError: A batch is open, which would keep every other writer waiting for the model.
    """
    is_merge = wish.verb == "merge"
    if not is_merge and wish.strategy not in get_args(Semantic):
        raise InvalidInputError(f"{shown(wish.strategy)} is no strategy here.", hint="Known are auto, semantic.")
    if wish.strategy != "semantic":
        if wish.model is not None:
            raise InvalidInputError("`model` is asked by `strategy='semantic'` alone.")
        return Deciders(wish.resolver, wish.reviewer)
    is_manual = wish.autonomy is not None and autonomy_level(wish.autonomy) is AutonomyLevel.MANUAL
    is_optional = is_merge and wish.model is None and not models["merge"].is_configured
    if is_manual or is_optional:
        return Deciders(wish.resolver, wish.reviewer)
    require_idle(store, wish.verb)
    asker = Asker(models.use("merge", parse_llm_config("merge", {"model": wish.model}, is_kept=False)))
    resolver = ModelResolver(store, asker, wish.verb, wish.onto)
    reviewer = ModelReviewer(asker, has_rules=is_merge)
    return Deciders(wish.resolver or resolver, wish.reviewer or reviewer, asker.calls)


def require_idle(store: Store, verb: str) -> None:
    """Refuse to ask a model where nothing could be written, or where others would have to wait for it.

    Raises:
        ReadOnlyError: The handle only reads.
        OperationOpenError: A batch is open.
    """
    store.check_usable()
    if store.read_only:
        raise ReadOnlyError
    with store.lock:
        if store.is_writing:
            raise OperationOpenError(verb)


# --- what is shown to a model --------------------------------------------------------------------


@dataclass(slots=True)
class _Quoted:
    """Texts of the history as a model is shown them.

    Attributes:
        origins: Who they came from.
        texts: What they say.
    """

    origins: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def message(self, message: Message | None, origin: str, *, most: int | None = None) -> dict[str, Any]:
        """Return *message* as it is shown, cut in the middle to *most* characters; note that it was."""
        self.origins.append(origin)
        if message is None:
            return {"origin": origin, "text": None, "is_erased": True}
        parts = [_short(part) for part in message.parts]
        texts = [text if most is None else cut(text, most) for text in (message.text, *[one for one in parts if one])]
        self.texts += texts
        return {"role": message.role, "origin": origin, "text": texts[0], **({"parts": texts[1:]} if texts[1:] else {})}

    @property
    def trust(self) -> str:
        """Who to trust it as, at most."""
        return least_trusted([*self.origins, "model"])

    def admits(self, origin: str) -> bool:
        """Tell whether a text of *origin* may stand beside these: it is no less trusted than any of them."""
        return TRUST.index(origin) >= TRUST.index(least_trusted(self.origins))


def _short(part: object) -> str:
    """Return a part that is no text, in words; `""` for text, and for reasoning, which is its model's own affair."""
    if isinstance(part, ToolCall):
        return f"{part.name}({part.arguments})"
    if isinstance(part, ToolResultPart):
        return "\n".join([part.text, *[child.text for child in part.parts if isinstance(child, TextPart)]])
    if isinstance(part, (ImagePart, FilePart)):
        return f"({part.type} {part.media_type or part.url or ''})"
    assert isinstance(part, (TextPart, Reasoning))
    return ""


def cut(text: str, most: int) -> str:
    """Return *text*, what is beyond *most* characters left out of its middle and counted."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} [{len(text) - 2 * half:,} characters left out] {text[len(text) - half :]}"


def _before(quoted: _Quoted, messages: Iterable[tuple[Message, str]]) -> list[dict[str, Any]]:
    """Return those of *messages*, given nearest first, that may stand beside what is quoted; in order."""
    found: list[dict[str, Any]] = []
    beside = _Quoted()
    for message, origin in messages:
        if len(found) == _BEFORE_MESSAGES:
            break
        if quoted.admits(origin):
            found.append(beside.message(message, origin, most=_BEFORE_CHARACTERS))
    return found[::-1]


@dataclass(frozen=True, slots=True)
class _Question:
    """One issue as a model is asked about it.

    Attributes:
        issue: Its name, which the answer repeats.
        prompt: Name of the prompt.
        fields: What is shown.
        actions: What may be chosen, and what each does.
        quoted: The texts shown.
        content: Whether `use` takes a text.
        replaces: The content whose text a given one replaces, if it is not the conflict's own.
        mark: What the message shown begins with and its content does not.
    """

    issue: str
    prompt: str
    fields: Mapping[str, Any]
    actions: Mapping[str, str]
    quoted: _Quoted
    content: Literal["must", "may", "never"] = "never"
    replaces: BaseModel | None = None
    mark: str = ""

    def document(self) -> str:
        """Return what is sent."""
        return document({"issue": self.issue, **self.fields, "actions": dict(self.actions)})

    def schema(self) -> dict[str, Any]:
        """Return the schema of the answer, for providers that enforce one."""
        text: dict[str, Any] = {"type": "string"}
        content = {"type": "null"} if self.content == "never" else {"anyOf": [text, {"type": "null"}]}
        properties = {
            "issue": text,
            "action": {"type": "string", "enum": list(self.actions)},
            "content": content,
            "reason": text,
        }
        return _object("decision", properties)


def _object(title: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **({"title": title} if title else {}),
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


# --- deciding ------------------------------------------------------------------------------------


class ModelResolver:
    """A `Resolver` that asks a model about each issue.

    Args:
        store: Where the issue comes from.
        asker: Asks the model.
        verb: What is being done.
        onto: Hash of the commit messages are to stand behind; HEAD if not given.
    """

    def __init__(self, store: Store, asker: Asker, verb: Verb = "merge", onto: bytes | None = None) -> None:
        self._store = store
        self._asker = asker
        self._verb = verb
        self._onto = onto
        self._asked = 0

    def __call__(self, issue: Conflict | SafetyWarning | MissingTarget) -> Resolution:
        """Return what the model decides about *issue*.

        Raises:
            ModelAnswerError: Its answer is none, decides something else, or chooses what was not offered.
            ContextTooLongError: The issue is too large to be asked about, or there are too many.
            ModelError: The provider refused or failed.
        """
        if self._asked == MOST_ISSUES:
            raise too_much(f"There is more to be decided than the {MOST_ISSUES} issues a model is asked about at once.")
        self._asked += 1
        question = self._on_conflict(issue) if isinstance(issue, Conflict) else self._on_move(issue)
        reply = self._asker.ask(issue.kind, prompt(question.prompt), question.document(), schema=question.schema())
        return self._resolution(question, reply)

    def _resolution(self, question: _Question, reply: Reply) -> Resolution:
        made = read_answer(reply, Decided)
        if made.issue != question.issue:
            refuse(reply, f"it decides {shown(made.issue)}, not what was asked")
        if made.action not in question.actions:
            refuse(reply, f"`{made.action}` was not offered")
        is_used = made.action == "use"
        if made.content is not None and (not is_used or question.content == "never"):
            refuse(reply, f"`{made.action}` takes no content here")
        if made.content is None and is_used and question.content == "must":
            refuse(reply, "`use` needs a content")
        text = None if made.content is None else made.content.removeprefix(question.mark)
        texts = [made.reason] if text is None else [made.reason, text]
        require_plain(reply, texts, question.quoted.texts)
        most = 1_000 + 2 * sum(map(len, question.quoted.texts))
        if text is not None and len(text) > most:
            refuse(reply, f"its content has {len(text):,} characters; what it stands for allows {most:,}")
        content: BaseModel | str | None = text
        if text is not None and question.replaces is not None:
            content = text_replaced(self._store, question.replaces, text)
        return Resolution(made.action, content, made.reason, question.quoted.trust, settings_of(reply))

    # --- conflicts of a merge ----------------------------------------------------------------------

    def _on_conflict(self, conflict: Conflict) -> _Question:
        quoted = _Quoted()
        fields: dict[str, Any] = {"kind": conflict.kind, "what": _WHAT[conflict.kind]}
        states = {"ours": self._state(conflict.our_commits), "theirs": self._state(conflict.their_commits)}
        for name, version in (("base", conflict.base), ("ours", conflict.ours), ("theirs", conflict.theirs)):
            fields[name] = self._version(quoted, version, states.get(name), conflict.entry)
        if conflict.kind == "reordered_differently":
            fields |= {"our_order": _order(quoted, states["ours"]), "their_order": _order(quoted, states["theirs"])}
        near = zip(reversed(conflict.context), reversed(conflict.context_origins), strict=True)
        fields["before"] = _before(quoted, near)
        actions = {
            "ours": "show it as the current branch has it",
            "theirs": "show it as the other branch has it",
            "abort": "write nothing and leave it to a person",
        }
        ours = self._content(conflict.ours.commit)
        if conflict.kind not in _SIDES_ONLY:
            actions |= {"skip": "leave the message out"}
            actions |= {"use": "show the text given as `content`"} if ours is not None else {}
        return _Question(
            f"{conflict.kind}:{conflict.target[:SHORT_HASH]}",
            "conflict",
            fields,
            actions,
            quoted,
            "must" if "use" in actions else "never",
            mark=SUMMARY_MARK if isinstance(ours, SummaryContent) else "",
        )

    def _state(self, commits: Sequence[str]) -> State | None:
        """Return the state of a side after the last of its changes."""
        return states_of(self._store).get(bytes.fromhex(commits[-1])) if commits else None

    def _version(self, quoted: _Quoted, version: Version, state: State | None, entry: int) -> dict[str, Any]:
        told = {**quoted.message(version.message, version.origin), "priority": version.priority}
        found = None if state is None or not version.is_compressed else state.entry(entry)
        covers = [] if found is None or state is None else [state.event(one) for one in sorted(found.covers)]
        summaries = [quoted.message(event.message, event.origin) for event in covers if event is not None]
        return {**told, **({"summaries": summaries} if summaries else {})}

    def _content(self, commit: str) -> BaseModel | None:
        """Return the content of *commit* if it has a text that can be replaced."""
        try:
            content = content_of(self._store, bytes.fromhex(commit))
        except _UNREADABLE:
            return None
        return content if "text" in type(content).model_fields else None

    # --- issues of a rebase, cherry-pick or reorder --------------------------------------------------

    def _on_move(self, issue: SafetyWarning | MissingTarget) -> _Question:
        quoted = _Quoted()
        fields: dict[str, Any] = {"kind": issue.kind, "what": issue.message, "verb": self._verb}
        actions = {"abort": "write nothing and leave it to a person"}
        content: Literal["may", "never"] = "never"
        replaces = None
        if isinstance(issue, MissingTarget):
            fields |= {"commits": [self._commit(quoted, issue.commit)], "op": issue.op}
            fields["missing"] = [self._commit(quoted, commit) for commit in issue.missing]
            replaces = self._content(issue.commit) if issue.op in {"edit", "compress"} else None
            content = "never" if replaces is None else "may"
            actions |= {"skip": "leave the commit out", **self._uses(issue, has_text=replaces is not None)}
        else:
            fields["commits"] = [self._commit(quoted, commit) for commit in issue.commits]
            actions |= {"use": "go on all the same"}
            # A reorder copies nothing that could be left out.
            actions |= {} if self._verb == "reorder" else {"skip": "leave out those of `commits` that are to be copied"}
        if self._verb != "reorder":
            fields["before"] = _before(quoted, self._behind())
        name = ":".join([issue.kind, *(one["name"] for one in fields["commits"])])
        mark = SUMMARY_MARK if isinstance(replaces, SummaryContent) else ""
        return _Question(name[:200], "issue", fields, actions, quoted, content, replaces, mark)

    def _uses(self, issue: MissingTarget, *, has_text: bool) -> dict[str, str]:
        if has_text:
            return {"use": "add it there as a message of its own, saying `content` if that is not null"}
        targets = commit_info(self._store, bytes.fromhex(issue.commit)).targets
        if issue.op != "revert" and len(issue.missing) < len(targets):
            return {"use": "let it act on what is there"}
        return {}

    def _commit(self, quoted: _Quoted, commit: str) -> dict[str, Any]:
        """Return *commit* as it is shown: what its message says now, where HEAD's history has it."""
        head, row = self._store.head_hash(), self._store.one(q.TIP, hash=bytes.fromhex(commit))
        state = None if head is None else states_of(self._store).get(head)
        entry = None if state is None or row is None else state.entry(row[0])
        name = {"name": commit[:SHORT_HASH]}
        if entry is not None:
            return {**name, **quoted.message(entry.shown.message, entry.shown.origin), "priority": entry.priority}
        info = commit_info(self._store, bytes.fromhex(commit))
        try:
            content = content_of(self._store, bytes.fromhex(commit))
        except _UNREADABLE:
            return {**name, "op": info.op}
        message = to_message(self._store.types.name_of(content), payload_of(content))
        return {**name, **quoted.message(message, info.origin)}

    def _behind(self) -> Iterable[tuple[Message, str]]:
        """Return the messages the copies are to stand behind, the nearest first."""
        head = self._onto or self._store.head_hash()
        state = None if head is None else states_of(self._store).get(head)
        entries = [] if state is None else reversed(state.shown)
        return ((one.shown.message, one.shown.origin) for one in entries if one.shown.message is not None)


def _order(quoted: _Quoted, state: State | None) -> list[str]:
    """Return the beginnings of the messages of *state*, in order."""
    told = []
    for entry in () if state is None else state.shown[:_ORDER_MESSAGES]:
        said = quoted.message(entry.shown.message, entry.shown.origin, most=_ORDER_CHARACTERS)
        told.append(f"{said.get('role')}: {said['text']}")
    return told


# --- reviewing -----------------------------------------------------------------------------------


class ModelReviewer:
    """A `Reviewer` that asks a model.

    Args:
        asker: Asks the model.
        has_rules: Also look by the rules.
    """

    def __init__(self, asker: Asker, *, has_rules: bool = True) -> None:
        self._asker = asker
        self._has_rules = has_rules

    def __call__(self, review: Review) -> list[Concern]:
        """Return what the rules and the model notice; where there is nothing beside conflicts, no model is asked.

        Raises:
            ModelAnswerError: Its answer is none, or names messages it was not shown.
            ModelError: The provider refused or failed.
        """
        found = review_by_rules(review) if self._has_rules else []
        is_news = any(not one.is_conflicting for one in (*review.ours, *review.theirs))
        if not (review.ours and review.theirs and is_news):
            return found
        quoted = _Quoted()
        ours, theirs = _side(quoted, "o", review.ours), _side(quoted, "t", review.theirs)
        commits = {one["name"]: one.pop("commit") for one in (*ours, *theirs)}
        text = document({"ours": ours, "theirs": theirs})
        reply = self._asker.ask("review", prompt("review"), text, schema=_REVIEW_SCHEMA)
        total = len(review.ours) + len(review.theirs)
        return [*found, *_noticed(reply, commits, quoted), *_unread(total, (*ours, *theirs))]


def _side(quoted: _Quoted, letter: str, brought: Sequence[Brought]) -> list[dict[str, Any]]:
    """Return the messages of one side, the newest that fit, in order."""
    told: list[dict[str, Any]] = []
    left = _SIDE_CHARACTERS
    for number, one in reversed(list(enumerate(brought, 1))):
        said = quoted.message(one.message, one.origin, most=_REVIEW_CHARACTERS)
        left -= len(document(said))
        if left < 0:
            break
        is_cut = any(len(text) > _REVIEW_CHARACTERS for text in (one.message.text, *map(_short, one.message.parts)))
        facts = {"is_edit": one.is_edit, "is_conflicting": one.is_conflicting, "is_cut": is_cut}
        marks = {name: True for name, holds in facts.items() if holds}
        told.append({"name": f"{letter}{number}", **said, **marks, "commit": one.commit})
    return told[::-1]


def _noticed(reply: Reply, commits: Mapping[str, str], quoted: _Quoted) -> list[Concern]:
    noticed = read_answer(reply, Noticings).concerns
    require_plain(reply, [one.text for one in noticed], quoted.texts)
    for one in noticed:
        unknown = [name for name in one.messages if name not in commits]
        if unknown:
            refuse(reply, f"it names {shown(unknown[0])}, which it was not shown")
    return [
        Concern(one.kind, one.text, tuple(dict.fromkeys(commits[name] for name in one.messages))) for one in noticed
    ]


def _unread(total: int, told: Sequence[Mapping[str, Any]]) -> list[Concern]:
    """Return a concern about what was left out of the review: nobody shall take it for looked at."""
    cut_short = sum("is_cut" in one for one in told)
    if len(told) == total and not cut_short:
        return []
    return [Concern("unread", f"The model read {len(told) - cut_short} of {total} messages, {cut_short} more in part.")]


_REVIEW_SCHEMA: Final = _object(
    "review",
    {
        "concerns": {
            "type": "array",
            "items": _object(
                "",
                {
                    "kind": {
                        "type": "string",
                        "enum": ["contradiction", "repetition", "outdated", "dependency", "other"],
                    },
                    "messages": {"type": "array", "items": {"type": "string"}},
                    "text": {"type": "string"},
                },
            ),
        }
    },
)
