"""The part of `Tract` that keeps the context small and the store sound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from re import Pattern
from typing import Any

from tract.agent.summarizer import summarizer_for
from tract.agent.tools import offered
from tract.compile.preview import Prices
from tract.objects.commit import CommitInfo
from tract.objects.decision import AutonomyLevel
from tract.operations.compress import CompressOptions, CompressResult, compress
from tract.operations.compress_plan import CompressPlan, Sending, compress_plan
from tract.operations.erase import EraseResult, erase
from tract.operations.expand import Expansion, expand
from tract.operations.fsck import Finding, fsck
from tract.operations.gc import GCOptions, GCResult, gc
from tract.operations.proposal import Proposal
from tract.operations.summary import Summarizer
from tract.porcelain.arguments import (
    erase_wanted,
    resolve_all,
    resolve_some,
)
from tract.porcelain.collections import Proposals
from tract.porcelain.reading import Reading


class Upkeep(Reading):
    """Compressing, and looking after what is stored."""

    def compress(
        self,
        commits: str | CommitInfo | Iterable[str | CommitInfo] | None = None,
        *,
        start: str | CommitInfo | None = None,
        end: str | CommitInfo | None = None,
        target_tokens: int | None = None,
        content: str | Sequence[str] | None = None,
        summarizer: Summarizer | None = None,
        instructions: str | None = None,
        system_prompt: str | None = None,
        preserve: str | CommitInfo | Iterable[str | CommitInfo] = (),
        must_keep: str | Pattern[str] | Iterable[str | Pattern[str]] = (),
        autonomy: AutonomyLevel | str | None = None,
        dry_run: bool = False,
    ) -> CompressResult | Proposal:
        """Cover messages with summaries; what they say comes back with `revert`, and `expand` shows it.

        Pinned messages stay, and what stands between them gets one summary each. A tool call and its
        results are covered together or not at all. Nothing behind them moves.

        Args:
            commits: The messages to cover, summaries included; by default all that have normal priority.
            start: Cover from this message on, instead of naming each.
            end: Cover up to this message.
            target_tokens: Most tokens all summaries together may have; by default a quarter is aimed at.
            content: The summary, written by you; a text for each group if there are several.
            summarizer: Called with a `SummaryRequest`, returns a text or a `Summary`; by default the model
                configured for `compress`, else `extractive`, which picks sentences and needs none.
            instructions: What to tell the summarizer besides.
            system_prompt: Replaces the prompt a model gets.
            preserve: Messages that stay this time.
            must_keep: Texts, and compiled patterns whose matches have to be in the summaries.
            autonomy: `autonomous` (the default) writes; `collaborative` returns a `Proposal` to approve,
                also after a restart; `manual` needs *content*.
            dry_run: Say what would be written, and write nothing.

        Raises:
            InvalidInputError: There is nothing to compress, or *content* does not fit the groups.
            ModelError: The model could not be asked, or its answer cannot be used (`ModelAnswerError`).
            SummaryError: A summary is empty, too long or a refusal, also when asked for again.
            RefConflictError: What was to be covered changed while the summarizer ran.

        Cost:
            O(messages), and a call of the summarizer for each group; no transaction is open meanwhile.
        """
        options = CompressOptions(
            None if commits is None else resolve_all(self._store, commits),
            None if start is None else self._resolve(start),
            None if end is None else self._resolve(end),
            resolve_some(self._store, preserve),
            target_tokens=target_tokens,
            content=content,
            summarizer=summarizer_for(self._store, self._models, summarizer, content),
            instructions=instructions,
            system_prompt=system_prompt,
            must_keep=must_keep,
            autonomy=self._level(autonomy),
            dry_run=dry_run,
        )
        return compress(self._store, options)

    def compress_plan(
        self,
        provider: str | None = None,
        model: str | None = None,
        *,
        target_tokens: int | None = None,
        preserve: str | CommitInfo | Iterable[str | CommitInfo] = (),
        tools: Iterable[Any] | None = None,
        prices: Prices | Mapping[str, float] | None = None,
    ) -> CompressPlan:
        """Return what compressing now would save with each turn and cost once, and after how many turns it pays.

        Summaries make every later request smaller, but what stands behind the first of them has to be cached anew.
        Nothing is summarized or written.

        Args:
            provider: The format the context is sent in; by default, as *model*, what `chat` asks.
            model: The model it is sent to.
            target_tokens: As for `compress`.
            preserve: As for `compress`.
            tools: Functions or definitions that are sent along instead of those in `t.tools`.
            prices: Per million tokens; without them the costs are told in tokens of input, see `CompressPlan`.

        Raises:
            InvalidInputError: There is nothing to compress.

        Cost:
            O(bytes) of this request and the one before.
        """
        sending = Sending(*self._models.wire(provider, model), offered(self._tools, tools))
        options = CompressOptions(preserve=resolve_some(self._store, preserve), target_tokens=target_tokens)
        asks_model = self._models["compress"].is_configured
        return compress_plan(self._store, self.compile(), options, sending, prices=prices, asks_model=asks_model)

    def expand(self, commit: str | CommitInfo) -> Expansion:
        """Return what a summary, merge or squash stands for, through every level, down to the original messages.

        Raises:
            InvalidTargetError: *commit* is an annotation, a reorder or a revert.
        """
        return expand(self._store, self._resolve(commit))

    @property
    def proposals(self) -> Proposals:
        """What waits to be approved or rejected, and what was: by number, the oldest first."""
        return Proposals(self._store)

    def fsck(self) -> list[Finding]:
        """Check every object, ref and operation of the store; an empty list means all is well.

        Cost:
            O(everything stored): each byte is read and hashed.
        """
        return fsck(self._store)

    def gc(
        self,
        *,
        keep_days: float = 30,
        keep_pinned: bool = True,
        archived_days: float | None = None,
        dry_run: bool = False,
    ) -> GCResult:
        """Drop what nothing reaches any more, in all tracts of the store, and give its space back.

        A commit is kept for *keep_days* after the operation that took the last way to it; until then
        `undo` brings it back. Collected commits keep their headers and hashes.

        Args:
            keep_days: How long to keep what became unreachable.
            keep_pinned: Keep the contents that were pinned when their history became unreachable.
            archived_days: Also drop originals that summaries have covered for longer than this, and
                for longer than *keep_days*; `None` keeps them for ever.
            dry_run: Tell what would be dropped, and drop nothing.

        Raises:
            OperationOpenError: A batch is open.
            BusyError: Others held the store past the deadline; nothing was done.
        """
        return gc(self._store, GCOptions(keep_days, keep_pinned, archived_days), dry_run=dry_run)

    def erase(
        self,
        commit: str | CommitInfo | Iterable[str | CommitInfo] | None = None,
        *,
        reason: str,
        text: str | None = None,
        include_derived: bool = False,
        dry_run: bool = False,
    ) -> EraseResult:
        """Erase what commits say for good: in every branch and tract, the log, the write-ahead log and free pages.

        The commits stay as tombstones that say when, why and by whom; their hashes and all links verify.
        It cannot be undone. Compiling leaves the message out, and says so in `warnings`.

        Args:
            commit: One or several commits. The same content elsewhere goes too: it is stored once.
            reason: Why; it is kept.
            text: Instead of commits: every content, note and file in which this text stands.
            include_derived: Also erase the edits, summaries and quotes of it, which else are listed.
            dry_run: Tell what would be erased, and erase nothing.

        Raises:
            InvalidInputError: Neither commits nor a text, both, too short a text, or no reason.
            OperationOpenError: A batch is open.
            BusyError: Others held the store past the deadline; nothing was done.
        """
        wanted = erase_wanted(self._store, commit, text, include_derived=include_derived)
        return erase(self._store, wanted, reason, dry_run=dry_run)
