"""Compress: cover messages with summaries, which stand in their place; the originals stay and come back.

Planning is pure, summarizing happens with no transaction open, and what comes in meanwhile stays
behind the summaries. One operation writes one compress commit for each group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tract.compile.compiler import states_of
from tract.compile.fold import Entry, State
from tract.errors import (
    InvalidInputError,
    InvalidTargetError,
    ProposalStaleError,
    RefConflictError,
    SummaryError,
    shown,
)
from tract.objects.commit import SHORT_HASH, least_trusted
from tract.objects.content import SUMMARY_MARK, SummaryContent, to_message
from tract.objects.decision import AutonomyLevel, autonomy_level
from tract.objects.hashing import blob_hash
from tract.objects.refs import BRANCH_PREFIX
from tract.operations.chain import Chain, NewCommit
from tract.operations.grouping import Group, Grouping, group_messages, standing_for
from tract.operations.permit import permit
from tract.operations.prepare import encode_note, prepare
from tract.operations.proposal import Proposal, ProposalKind, Proposed, mark, propose
from tract.operations.revert import event_at
from tract.operations.summary import (
    LEAST_TOKENS,
    Summarizer,
    Summary,
    SummaryRequest,
    aim_of,
    as_summarizer,
    as_wishes,
    literals_in,
    source_of,
    summarized,
    tokens_of_text,
)
from tract.storage import queries as q
from tract.storage.verify import read_blob
from tract.storage.writing import Tip
from tract.store import Store

MANUAL: Final = "manual"
"""What a summary commit calls a summary the caller wrote."""


@dataclass(frozen=True, slots=True)
class CompressOptions:
    """What to compress and how; the arguments of `Tract.compress`, commits as hashes."""

    commits: Sequence[bytes] | None = None
    start: bytes | None = None
    end: bytes | None = None
    preserve: Sequence[bytes] = ()
    target_tokens: int | None = None
    content: str | Sequence[str] | None = None
    summarizer: Summarizer | None = None
    instructions: str | None = None
    system_prompt: str | None = None
    must_keep: Any = ()
    autonomy: AutonomyLevel | str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """One summary and what it stands for.

    Attributes:
        commit: Hash of the compress commit, `None` in a dry run.
        covers: Hashes of the commits it covers, in the order shown.
        text: What it says.
        tokens_before: Tokens of the messages it covers.
        tokens_after: Tokens of its own message.
        summarizer: Which summarizer wrote it.
    """

    commit: str | None
    covers: tuple[str, ...] = field(repr=False)
    text: str = field(repr=False)
    tokens_before: int
    tokens_after: int
    summarizer: str


@dataclass(frozen=True, slots=True)
class CompressResult:
    """What a compression did, or in a dry run would do.

    Attributes:
        summaries: One for each group, in the order shown.
        kept: Hashes of the commits that were meant and stay as they are.
        head: Hash of the tip of the branch now, `None` in a dry run.
    """

    summaries: tuple[GroupSummary, ...]
    kept: tuple[str, ...]
    head: str | None

    @property
    def commits(self) -> tuple[str, ...]:
        """Hashes of the compress commits."""
        return tuple([one.commit for one in self.summaries if one.commit is not None])

    @property
    def tokens_before(self) -> int:
        """Tokens of all messages covered."""
        return sum(one.tokens_before for one in self.summaries)

    @property
    def tokens_after(self) -> int:
        """Tokens of all summaries."""
        return sum(one.tokens_after for one in self.summaries)

    def __repr__(self) -> str:
        return f"<CompressResult summaries={len(self.summaries)} tokens={self.tokens_before}->{self.tokens_after}>"


@dataclass(frozen=True, slots=True)
class _Draft:
    """A summary on its way."""

    group: Group
    text: str
    tokens: int
    summarizer: str
    said: Mapping[str, Any]
    """What its note tells besides: settings, target, whether it was edited."""


def compress(store: Store, options: CompressOptions) -> CompressResult | Proposal:
    """Cover the messages *options* mean with one summary for each group.

    Raises:
        InvalidInputError: There is nothing to compress, or an argument is not what it should be.
        InvalidTargetError: A commit is not in the history of HEAD, or placed no message.
        SummaryError: A summary cannot be used; nothing was written.
        RefConflictError: What was to be covered has changed meanwhile.
        PolicyDeniedError: A policy does not let it be compressed.
    """
    branch = store.head_ref().removeprefix(BRANCH_PREFIX)
    level = _level(options)
    head = store.head_hash()
    if head is None:
        raise nothing()
    tip = store.tip(head)
    seen = store.notice_erasures()
    plan = planned(store, tip, options)
    if not options.dry_run:
        tokens = sum(group.tokens for group in plan.groups)
        permit(store, "compress", "compress", {"groups": len(plan.groups), "tokens": tokens})
    drafts = _drafts(store, plan.groups, options)
    kept = tuple([entry.placed.hash.hex() for entry in plan.kept])
    if options.dry_run:
        return CompressResult(tuple([_group_summary(draft, None) for draft in drafts]), kept, None)
    if level is AutonomyLevel.COLLABORATIVE:
        payload = {"branch": branch, **_payload(drafts, kept)}
        proposed = Proposed(COMPRESSION, tip, payload, seen)
        return propose(store, proposed, holds=lambda now: _is_same_ground(store, now, drafts))
    return _write(store, tip, drafts, kept=kept, seen=seen)


def _level(options: CompressOptions) -> AutonomyLevel:
    level = AutonomyLevel.AUTONOMOUS if options.autonomy is None else autonomy_level(options.autonomy)
    if level is AutonomyLevel.MANUAL and options.content is None:
        raise InvalidInputError(
            "With `autonomy='manual'` the summary is yours to write.", hint="Pass it: `t.compress(content=text)`."
        )
    return level


def nothing() -> InvalidInputError:
    """Return the error of a compression that has nothing to cover."""
    return InvalidInputError(
        "There is nothing to compress.",
        hint="Pinned messages, waiting tool calls and what is short already stay as they are; see `t.compile()`.",
    )


# --- what is meant -------------------------------------------------------------------------------


def planned(store: Store, tip: Tip, options: CompressOptions) -> Grouping:
    """Return what *options* mean, in groups, of what *tip* shows.

    Raises:
        InvalidInputError: There is nothing to compress, or an argument is not what it should be.
        InvalidTargetError: A commit is not in the history, or placed no message.
    """
    state = states_of(store).get(tip.hash)
    preserved = {entry.placed.id for one in options.preserve for entry in _standing(store, tip, one)}
    least = 0 if options.content is not None else tokens_of_text("", store.counter) + LEAST_TOKENS
    plan = group_messages(state, wanted=_wanted(store, tip, options), preserved=preserved, least_tokens=least)
    if not plan.groups:
        raise nothing()
    return plan


def _wanted(store: Store, tip: Tip, options: CompressOptions) -> set[int] | None:
    """Return the row ids of the places that are meant, `None` for all."""
    if options.start is None and options.end is None:
        if options.commits is None:
            return None
        return {entry.placed.id for one in options.commits for entry in _standing(store, tip, one)}
    if options.commits is not None:
        raise InvalidInputError("Give commits, or where to start and end, not both.")
    order = [entry.placed.id for entry in states_of(store).get(tip.hash).order]
    first = 0 if options.start is None else order.index(_place(store, tip, options.start))
    last = len(order) - 1 if options.end is None else order.index(_place(store, tip, options.end))
    if first > last:
        raise InvalidInputError("The start comes after the end.", hint="Name them in the order of `t.compile()`.")
    return set(order[first : last + 1])


def _place(store: Store, tip: Tip, commit: bytes) -> int:
    """Return the row id of what placed the message seen where *commit* is."""
    standing = _standing(store, tip, commit)
    return next((entry for entry in standing if entry.is_visible), standing[0]).placed.id


def _standing(store: Store, tip: Tip, commit: bytes) -> list[Entry]:
    """Return the entry of *commit*, and what stands for it: naming covered messages means their summary."""
    state, event = event_at(store, tip, commit)
    original = state.original(event.id)
    if original is None:
        raise InvalidTargetError(
            f"The commit {commit.hex()[:SHORT_HASH]} ({event.op}) placed no message.",
            target=commit.hex(),
            hint="Name the commit that added the message; `t.log()` shows it.",
        )
    return list(standing_for(state, original))


# --- what the summaries say ----------------------------------------------------------------------


def _drafts(store: Store, groups: Sequence[Group], options: CompressOptions) -> list[_Draft]:
    """Return a summary for each group; slow and fallible, so no transaction is open."""
    wishes = as_wishes(options.must_keep, options.instructions, options.system_prompt)
    summarizers = _summarizers(options, len(groups))
    limits = limits_of(store, groups, options.target_tokens)
    overhead = tokens_of_text("", store.counter) + 1
    said = {"target_tokens": options.target_tokens, "instructions": wishes.instructions}
    said |= {"system_prompt": wishes.system_prompt}
    drafts = []
    for group, summarizer, limit in zip(groups, summarizers, limits, strict=True):
        aim = limit if options.target_tokens is not None else aim_of(group.tokens)
        request = SummaryRequest(
            tuple([source_of(entry) for entry in group.entries]),
            max(1, min(aim, limit) - overhead),
            literals_in(wishes, group.entries),
            wishes.instructions,
            wishes.system_prompt,
            counter=store.counter,
        )
        summary, tokens = summarized(request, summarizer, limit_tokens=limit)
        told = {"settings": dict(summary.settings), **said}
        drafts.append(_Draft(group, summary.text, tokens, summary.name, {k: v for k, v in told.items() if v}))
        _note(drafts[-1])  # refuses settings that have no JSON form before more is asked for
    return drafts


def _summarizers(options: CompressOptions, count: int) -> list[Summarizer]:
    """Return what summarizes each group: the summarizer, or one that says what the caller wrote."""
    if options.content is None:
        return [as_summarizer(options.summarizer)] * count
    content = options.content
    texts = [content] if isinstance(content, str) else list(content) if isinstance(content, Sequence) else [content]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise InvalidInputError("`content` is the text of a summary, or a text for each group.")
    if len(texts) != count:
        raise InvalidInputError(
            f"There {'is 1 group' if count == 1 else f'are {count} groups'} to cover, for {len(texts)} texts.",
            hint="Give a text for each, or name the commits of one: `t.compress(commits, content=text)`.",
        )
    return [saying(text) for text in texts]


def saying(text: str) -> Summarizer:
    """Return a summarizer that says *text*, which the caller wrote."""

    def manual(_: SummaryRequest) -> Summary:
        return Summary(text, MANUAL)

    return manual


def limits_of(store: Store, groups: Sequence[Group], target_tokens: int | None) -> list[int]:
    """Return the most tokens each summary may have: its part of the target, never more than it covers."""
    if target_tokens is None:
        return [group.tokens for group in groups]
    least = tokens_of_text("", store.counter) + LEAST_TOKENS
    if not isinstance(target_tokens, int) or isinstance(target_tokens, bool):
        raise InvalidInputError(f"`target_tokens` is a number, not {shown(target_tokens)}.")
    spare = target_tokens - least * len(groups)
    if spare < 0:
        raise InvalidInputError(
            f"{len(groups)} {'summary takes' if len(groups) == 1 else 'summaries take'} at least "
            f"{least * len(groups)} tokens.",
            hint="Raise `target_tokens`.",
        )
    total = sum(group.tokens for group in groups)
    return [min(group.tokens, least + spare * group.tokens // total) for group in groups]


# --- writing -------------------------------------------------------------------------------------


def _write(
    store: Store,
    head: Tip,
    drafts: Sequence[_Draft],
    *,
    kept: tuple[str, ...],
    proposal: Proposal | None = None,
    seen: str | None = None,
) -> CompressResult:
    """Write a compress commit for each of *drafts*; what others appended since *head* stays behind them.

    *seen* is what `Store.erasures` was before the sources were read.
    """
    commits = [_commit(store, draft) for draft in drafts]
    drafts = [_as_written(draft, commit) for draft, commit in zip(drafts, commits, strict=True)]
    chain = _chain(store, head, commits)
    args = {"groups": [[draft.group.commits[0], draft.group.commits[-1], len(draft.group.commits)] for draft in drafts]}
    store.pause("compress")
    with store.operation("compress", args) as operation:
        operation.require_nothing_erased(seen)
        if operation.tip is None:
            operation.require_tip(head.hash)
        elif operation.tip.hash != head.hash:
            if not _is_same_ground(store, operation.tip.hash, drafts):
                raise _moved(store, head, operation.tip, proposal)
            chain = _chain(store, operation.tip, commits)
        if proposal is not None:
            mark(operation, proposal, "approved")
        written = chain.write(operation)
        assert operation.tip is not None
        hashes = [tip.hash.hex() for tip in written.values()]
        summaries = [_group_summary(draft, hash_) for draft, hash_ in zip(drafts, hashes, strict=True)]
        return CompressResult(tuple(summaries), kept, operation.tip.hash.hex())


def _chain(store: Store, parent: Tip, commits: Sequence[NewCommit]) -> Chain:
    chain = Chain(store, parent)
    for commit in commits:
        chain.add(commit)
    return chain


def _commit(store: Store, draft: _Draft) -> NewCommit:
    """Return the compress commit of *draft*, encoded and counted."""
    fields = {"text": draft.text, **({"sensitive": True} if is_sensitive(store, draft.group.entries) else {})}
    ready = prepare(store, store.types.parse(SummaryContent.content_type, fields))
    return NewCommit(
        "compress",
        tuple([entry.placed for entry in draft.group.entries]),
        content_type=ready.content_type,
        payload=ready.payload,
        content=ready.content_hash,
        note=_note(replace(draft, tokens=ready.tokens)),
        origin=least_trusted(entry.shown.origin for entry in draft.group.entries),
        message=to_message(ready.content_type, ready.fields),
        tokens=ready.tokens,
    )


def _as_written(draft: _Draft, commit: NewCommit) -> _Draft:
    """Return *draft* saying what *commit* says: policies may have changed it."""
    assert commit.message is not None
    return replace(draft, text=commit.message.text.removeprefix(SUMMARY_MARK), tokens=commit.tokens)


def _note(draft: _Draft) -> bytes | None:
    told = {"summarizer": draft.summarizer, "tokens_before": draft.group.tokens, "tokens_after": draft.tokens}
    return encode_note(message=None, metadata={"summary": {**told, **draft.said}}, reply_to=None)


def is_sensitive(store: Store, entries: Sequence[Entry]) -> bool:
    """Tell whether a content among *entries* is sensitive: then what tells of it is."""
    with store.reading() as database:
        contents = (entry.shown.content for entry in entries)
        return any(b'"sensitive":true' in (read_blob(database, one) or b"") for one in contents if one is not None)


def _group_summary(draft: _Draft, commit: str | None) -> GroupSummary:
    return GroupSummary(
        commit, draft.group.commits, draft.text, draft.group.tokens, draft.tokens, draft.summarizer
    )  # fmt: skip


def _is_same_ground(store: Store, commit: bytes, drafts: Sequence[_Draft]) -> bool:
    """Tell whether *commit* still shows what *drafts* cover as they were made for it, in the same groups."""
    known = [[(entry.placed.id, entry.shown.id) for entry in draft.group.entries] for draft in drafts]
    wanted = {place for group in known for place, _ in group}
    plan = group_messages(states_of(store).get(commit), wanted=wanted)
    return known == [[(entry.placed.id, entry.shown.id) for entry in group.entries] for group in plan.groups]


def _moved(store: Store, head: Tip, tip: Tip, proposal: Proposal | None) -> RefConflictError | ProposalStaleError:
    if proposal is not None:
        return ProposalStaleError(proposal.number, "what it covers has changed")
    return RefConflictError(store.head_ref().removeprefix(BRANCH_PREFIX), head.hash.hex(), tip.hash.hex())


# --- proposals -----------------------------------------------------------------------------------


def _payload(drafts: Sequence[_Draft], kept: tuple[str, ...]) -> dict[str, Any]:
    groups = [
        {
            "entries": [[entry.placed.hash.hex(), entry.shown.hash.hex()] for entry in draft.group.entries],
            "summarizer": draft.summarizer,
            "said": dict(draft.said),
            "tokens": draft.group.tokens,
            "digest": digest_of(draft.text),
        }
        for draft in drafts
    ]
    return {"drafts": [draft.text for draft in drafts], "groups": groups, "kept": list(kept)}


def _check(store: Store, proposal: Proposal) -> None:
    """Refuse an edited draft that is longer than what it covers.

    Raises:
        SummaryError: It is.
        InvalidContentError: It cannot be stored.
    """
    for text, group in zip(proposal.drafts, proposal.payload["groups"], strict=True):
        store.types.parse(SummaryContent.content_type, {"text": text})
        tokens, limit = tokens_of_text(text, store.counter), group["tokens"]
        if tokens > limit:
            commits = tuple([placed for placed, _ in group["entries"]])
            reason = f"the draft has {tokens:,} tokens, what it covers {limit:,}"
            raise SummaryError(reason, best=text, tokens=tokens, limit_tokens=limit, commits=commits)


def _carry_out(store: Store, proposal: Proposal) -> CompressResult:
    """Write the summaries *proposal* holds.

    Raises:
        ProposalStaleError: HEAD is on another branch, or what it covers has changed.
        ProposalDecidedError: It was decided meanwhile.
    """
    if store.head.branch != proposal.branch:
        raise ProposalStaleError(proposal.number, f"it is for the branch `{proposal.branch}`, where HEAD is not")
    head = store.head_hash()
    tip = None if head is None else store.tip(head)
    state = None if head is None else states_of(store).get(head)
    groups = [] if state is None else [_found(store, state, group["entries"]) for group in proposal.payload["groups"]]
    if tip is None or state is None or None in groups:
        raise ProposalStaleError(proposal.number, "what it covers is no longer there, or was edited")
    drafts = [
        _Draft(group, text, tokens_of_text(text, store.counter), told["summarizer"], _told(told, text))
        for group, text, told in zip(groups, proposal.drafts, proposal.payload["groups"], strict=True)
        if group is not None
    ]
    if not _is_same_ground(store, tip.hash, drafts):
        raise ProposalStaleError(proposal.number, "what it covers has changed")
    return _write(store, tip, drafts, kept=tuple(proposal.payload["kept"]), proposal=proposal)


def _told(group: Mapping[str, Any], text: str) -> dict[str, Any]:
    is_edited = digest_of(text) != group["digest"]
    return {**group["said"], **({"is_edited": True} if is_edited else {})}


def digest_of(text: str) -> str:
    """Return what tells whether a draft was edited."""
    # Text with a lone surrogate is refused when it is kept, in words of its own.
    return blob_hash(text.encode("utf-8", "surrogatepass")).hex()


def _found(store: Store, state: State, entries: Sequence[Sequence[str]]) -> Group | None:
    """Return the group of these commits as *state* shows them, `None` if it does not show them so."""
    found = []
    for placed, content in entries:
        row = store.one(q.TIP, hash=bytes.fromhex(placed))
        entry = None if row is None else state.entry(row[0])
        if entry is None or entry.shown.hash.hex() != content:
            return None
        found.append(entry)
    return Group(tuple(found))


COMPRESSION: Final = ProposalKind("compress", _check, _carry_out)
"""How proposals to compress are checked and carried out."""
