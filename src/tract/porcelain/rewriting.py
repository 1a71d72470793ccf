"""The part of `Tract` that brings histories together and puts them in another order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tract.agent.semantic import Deciders, Semantic, Verb, Wish, deciders
from tract.objects.commit import CommitInfo
from tract.objects.decision import AutonomyLevel, Resolver
from tract.operations.apply import R, apply
from tract.operations.cherry_pick import CherryPickResult, cherry_pick
from tract.operations.merge import (
    MergeOptions,
    Strategy,
    abort_merge,
    commit_merge,
    merge,
    merge_in_progress,
    save_merge,
)
from tract.operations.merge_result import MergeResult
from tract.operations.moving import Terms
from tract.operations.rebase import RebaseResult, rebase
from tract.operations.reorder import ReorderResult, reorder
from tract.operations.revert import revert
from tract.operations.review import Reviewer
from tract.porcelain.arguments import (
    merge_result,
    picks,
    resolve_all,
)
from tract.porcelain.handle import TractHandle


class Rewriting(TractHandle):
    """Merging, and making commits again elsewhere; what was stays in the store."""

    def revert(self, commit: str | CommitInfo, *, message: str | None = None) -> CommitInfo:
        """Switch off what *commit* did, by a new commit: of a message a skip, of a merge what it brought.

        Raises:
            InvalidTargetError: It is not in the current history, or was reverted already.
        """
        return revert(self._store, self._resolve(commit), message=message)

    def reorder(
        self,
        commits: Iterable[str | CommitInfo],
        *,
        allow: Iterable[str] | str = (),
        resolver: Resolver | None = None,
        autonomy: AutonomyLevel | str | None = None,
        strategy: Semantic = "auto",
        model: str | None = None,
        message: str | None = None,
    ) -> ReorderResult:
        """Let the messages of *commits* trade the places they hold among themselves; nothing else moves.

        Args:
            commits: In the order they are to have.
            allow: Kinds of safety warnings to go on in spite of.
            resolver: Decides on the others.
            autonomy: Where a resolver decided something, `collaborative` (the default) returns that for
                review, `autonomous` carries it out; `manual` calls no resolver and returns what is open.
            strategy: `auto`, or `semantic`: a model decides, the one configured for `merge`.
            model: Name of the model `semantic` asks; else that of `configure_operations(merge=...)`.
            message: What to show in the log.

        Returns:
            What was done; while it `is_waiting`, what would be: look at `preview`, give it to `apply`.

        Raises:
            SafetyError: It would split a tool exchange, invert a reply or move an instruction behind
                what it governed.
            InvalidInputError: A commit is named twice, or nothing would move.
        """
        named = resolve_all(self._store, commits)
        asked = self._deciders("reorder", strategy, model, self._level(autonomy), resolver=resolver)
        return reorder(
            self._store,
            named,
            Terms.of(allow, asked.resolver, self._level(autonomy), calls=asked.calls),
            message=message,
        )

    def cherry_pick(
        self,
        commits: str | CommitInfo | Iterable[str | CommitInfo],
        *,
        resolver: Resolver | None = None,
        allow: Iterable[str] | str = (),
        autonomy: AutonomyLevel | str | None = None,
        strategy: Semantic = "auto",
        model: str | None = None,
    ) -> CherryPickResult:
        """Make *commits* of other branches again at the end of this one; a tool call takes its results with it.

        Args:
            commits: One or several, in the order they are to have; a range `a..b` stands for what b has
                and a has not, without merges.
            resolver: Decides what to do where an edit's target is missing, and on safety warnings.
            allow: Kinds of safety warnings to go on in spite of.
            autonomy: Where a resolver decided something, `collaborative` (the default) returns that for
                review, `autonomous` carries it out; `manual` calls no resolver and returns what is open.
            strategy: `auto`, or `semantic`: a model decides, the one configured for `merge`, and looks at what comes
                together; see `merge`.
            model: Name of the model `semantic` asks; else that of `configure_operations(merge=...)`.

        Returns:
            What was done; while it `is_waiting`, what would be: look at `preview`, give it to `apply`.

        Raises:
            MissingTargetError: One acts on a commit that is not here, and there is no resolver.
            SafetyError: It would break something that is neither allowed nor resolved.
            AbortedError: The resolver aborted.
            NoModelError: `semantic`, and no model is configured.
            ModelError: The model could not be asked, or its answer cannot be used (`ModelAnswerError`).
            RefConflictError: The branch moved while the call was on its way.
        """
        asked = self._deciders("cherry_pick", strategy, model, self._level(autonomy), resolver=resolver)
        terms = Terms.of(allow, asked.resolver, self._level(autonomy), reviewer=asked.reviewer, calls=asked.calls)
        return cherry_pick(self._store, picks(self._store, commits), terms)

    def rebase(
        self,
        onto: str | CommitInfo,
        *,
        resolver: Resolver | None = None,
        allow: Iterable[str] | str = (),
        autonomy: AutonomyLevel | str | None = None,
        strategy: Semantic = "auto",
        model: str | None = None,
    ) -> RebaseResult:
        """Make what only the current branch has again on top of *onto*, and move the branch there.

        Args:
            onto: The commit to stand on.
            resolver: Decides what to do where an edit's target is missing, and on safety warnings.
            allow: Kinds of safety warnings to go on in spite of.
            autonomy: Where a resolver decided something, `collaborative` (the default) returns that for
                review, `autonomous` carries it out; `manual` calls no resolver and returns what is open.
            strategy: `auto`, or `semantic`: a model decides, the one configured for `merge`, and looks at what comes
                together; see `merge`.
            model: Name of the model `semantic` asks; else that of `configure_operations(merge=...)`.

        Returns:
            What was done; while it `is_waiting`, what would be: look at `preview`, give it to `apply`.

        Raises:
            MissingTargetError: A commit acts on one that is not there, and there is no resolver.
            SafetyError: It would break something that is neither allowed nor resolved.
            AbortedError: The resolver aborted.
            NoModelError: `semantic`, and no model is configured.
            ModelError: The model could not be asked, or its answer cannot be used (`ModelAnswerError`).
            RefConflictError: The branch moved while the call was on its way.
        """
        base = self._resolve(onto)
        asked = self._deciders("rebase", strategy, model, self._level(autonomy), resolver=resolver, onto=base)
        terms = Terms.of(allow, asked.resolver, self._level(autonomy), reviewer=asked.reviewer, calls=asked.calls)
        return rebase(self._store, base, terms)

    def apply(self, result: R) -> R:
        """Do what the *result* of a cherry-pick, rebase, reorder or merge that waits says, as it was decided.

        Returns:
            What was done.

        Raises:
            RefConflictError: The branch has moved since, or HEAD is on another one.
            MissingTargetError: A missing target is undecided.
            SafetyError: A safety warning is undecided.
            MergeConflictError: A conflict of a merge is undecided.

        Example:
            >>> from tract import Tract
            >>> with Tract.open() as t:
            ...     rule, asked = t.system("Be terse."), t.user("Why?")
            ...     result = t.reorder([asked, rule], autonomy="manual")
            ...     result.issues, [message.role for message in result.preview]
            ...     t.apply(result.resolve(0, "use"))
            ((<SafetyWarning instruction_moved ...>,), ['user', 'system'])
            <ReorderResult ...>
        """
        return apply(self._store, result)

    def merge(
        self,
        branch: str | CommitInfo,
        *,
        strategy: Strategy = "auto",
        no_ff: bool = False,
        resolver: Resolver | None = None,
        reviewer: Reviewer | None = None,
        autonomy: AutonomyLevel | str | None = None,
        delete_branch: bool = False,
        message: str | None = None,
        model: str | None = None,
    ) -> MergeResult:
        """Bring the history of *branch* into the current one: base, then ours, then theirs; nothing is lost.

        Args:
            branch: The branch, or any other revision.
            strategy: `auto`; `ours` or `theirs` decide conflicts for one side; `squash` appends one
                summary of the other branch; `semantic` lets a model decide conflicts, where one is configured,
                and looks for concerns that are no conflict.
            no_ff: Write a merge commit even where the branch could simply move forward.
            resolver: Called with each `Conflict`; returns a `Resolution`.
            reviewer: Called with a `Review` by `semantic`; returns `Concern` values. By default rules, and the model
                where one is configured.
            autonomy: `manual` calls no resolver, reviewer or model, `collaborative` (the default) returns what was
                decided for review, `autonomous` carries it out.
            delete_branch: Drop *branch* once it is merged.
            message: What to show in the log.
            model: Name of the model `semantic` asks; else that of `configure_operations(merge=...)`, else that of
                `Tract.open`.

        Returns:
            What was done. With undecided conflicts nothing was merged yet: decide them with
            `result.resolve(conflict, "ours")` and call `commit_merge(result)`; also after a restart,
            through `merge_in_progress`.

        Raises:
            DetachedHeadError: HEAD is on no branch.
            MergeConflictError: The resolver aborted.
            ModelError: The model could not be asked, or its answer cannot be used (`ModelAnswerError`).
            MergeInProgressError: There are conflicts, and another merge waits for decisions already.

        Cost:
            O(commits since the merge base).
        """
        asked = self._deciders("merge", strategy, model, self._level(autonomy), resolver=resolver, reviewer=reviewer)
        options = MergeOptions(
            strategy, no_ff, asked.resolver, self._level(autonomy), delete_branch, message, asked.reviewer, asked.calls
        )
        name = branch.short_hash if isinstance(branch, CommitInfo) else branch
        return merge(self._store, self._resolve(branch), name, options)

    def commit_merge(self, result: MergeResult) -> MergeResult:
        """Write the merge *result* describes, with its resolutions.

        Raises:
            MergeConflictError: A conflict is undecided.
            RefConflictError: The branch has moved on by more than appends, or HEAD is on another branch.
        """
        return commit_merge(self._store, merge_result(result))

    def abort_merge(self) -> None:
        """Forget the merge that waits for decisions; the branches are as they were.

        Raises:
            NoMergeError: None waits.
        """
        abort_merge(self._store)

    @property
    def merge_in_progress(self) -> MergeResult | None:
        """The merge that waits for decisions, or `None`.

        Assign a result to keep the resolutions made so far, for later or for another process; those that somebody
        else has kept meanwhile stay.

        Raises:
            MergeInProgressError: Assigned while another merge waits.
            NoMergeError: Assigned after it was written or given up.
        """
        return merge_in_progress(self._store)

    @merge_in_progress.setter
    def merge_in_progress(self, result: MergeResult) -> None:
        save_merge(self._store, merge_result(result))

    # --- inside ------------------------------------------------------------------------------------

    def _deciders(
        self, verb: Verb, strategy: str, model: str | None, autonomy: AutonomyLevel | str | None, **own: Any
    ) -> Deciders:
        return deciders(
            self._store, self._models, Wish(verb=verb, strategy=strategy, model=model, autonomy=autonomy, **own)
        )
