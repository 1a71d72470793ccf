"""The part of `Tract` that commits: what was said, and what is thought of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

from pydantic import BaseModel

from tract.formats.calls import read_tool_calls
from tract.history.revision import resolve
from tract.objects.commit import CommitInfo
from tract.objects.config import GenerationConfig, TractConfig
from tract.objects.content import (
    DialogueContent,
    InstructionContent,
    ToolResultContent,
)
from tract.objects.message import AnyPart, Reasoning
from tract.objects.usage import Usage
from tract.operations.commit import Remarks, annotate, append, edit
from tract.operations.configure import configure
from tract.operations.prepare import as_content, with_text
from tract.operations.usage import record_usage
from tract.porcelain.arguments import (
    build,
    edited,
    listed,
    remarks,
    resolve_all,
    text_or_parts,
)
from tract.porcelain.handle import TractHandle


class Writing(TractHandle):
    """What is written at the end of the history."""

    def commit(
        self,
        content: BaseModel | Mapping[str, Any] | str,
        *,
        message: str | None = None,
        op: Literal["append", "edit"] = "append",
        target: str | CommitInfo | None = None,
        metadata: Mapping[str, Any] | None = None,
        generation_config: GenerationConfig | Mapping[str, Any] | None = None,
        origin: str | None = None,
        author: str = "",
        reply_to: str | CommitInfo | None = None,
        expected_head: str | CommitInfo | None = None,
    ) -> CommitInfo:
        """Commit *content* on the current branch.

        Args:
            content: A content model, a mapping (`content_type` and its fields, or an OpenAI chat
                message), or a user's text.
            message: What to show in the log; derived from the content if not given.
            op: `append`, or `edit` to replace the content of *target* in place.
            target: The commit to edit.
            metadata: Any JSON to keep beside the commit.
            generation_config: Settings the content was generated with.
            origin: Who it came from; by default what the content type says.
            author: Free text.
            reply_to: The commit this one answers.
            expected_head: Refuse if the branch has moved on from here.

        Raises:
            InvalidContentError: The content cannot be stored as it is.
            RefConflictError: The branch is not at *expected_head*.
            DetachedHeadError: HEAD is on no branch.
            BudgetExceededError: The context would be over a budget that rejects.
        """
        said = self._remarks(
            message=message,
            metadata=metadata,
            generation_config=generation_config,
            origin=origin,
            author=author,
            reply_to=reply_to,
            expected_head=expected_head,
        )
        return self._commit(as_content(self._store, content), op, target, said)

    def system(
        self,
        text: str,
        *,
        message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        edit: str | CommitInfo | None = None,
    ) -> CommitInfo:
        """Commit a system instruction; it is pinned. With *edit*, replace that commit's content."""
        return self._said(InstructionContent, {"text": text}, edit, message=message, metadata=metadata)

    def user(
        self,
        text: str | Sequence[AnyPart],
        *,
        name: str | None = None,
        message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        edit: str | CommitInfo | None = None,
    ) -> CommitInfo:
        """Commit what the user said: text, or parts. With *edit*, replace that commit's content."""
        fields = {"role": "user", "name": name, **text_or_parts(text)}
        return self._said(DialogueContent, fields, edit, message=message, metadata=metadata)

    def assistant(
        self,
        text: str | Sequence[AnyPart] | None = None,
        *,
        tool_calls: Iterable[Any] = (),
        reasoning: Iterable[Reasoning | Mapping[str, Any]] = (),
        generation_config: GenerationConfig | Mapping[str, Any] | None = None,
        message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        edit: str | CommitInfo | None = None,
    ) -> CommitInfo:
        """Commit what the model said: text, tool calls, reasoning. With *edit*, replace that commit's content.

        Tool calls may be `ToolCall` values or come straight from a response of OpenAI, Anthropic or Gemini.
        """
        fields = {"role": "assistant", **text_or_parts(text)}
        fields |= {"tool_calls": read_tool_calls(tool_calls), "reasoning": listed(reasoning, "reasoning")}
        return self._said(
            DialogueContent, fields, edit, message=message, metadata=metadata, generation_config=generation_config
        )

    def tool_result(
        self,
        call_id: str,
        content: str | Sequence[AnyPart],
        *,
        name: str | None = None,
        is_error: bool = False,
        message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        edit: str | CommitInfo | None = None,
    ) -> CommitInfo:
        """Commit what a tool answered to the call *call_id*. With *edit*, replace that commit's content."""
        fields = {"call_id": call_id, "name": name, "is_error": is_error, **text_or_parts(content)}
        return self._said(ToolResultContent, fields, edit, message=message, metadata=metadata)

    def edit(
        self,
        target: str | CommitInfo,
        content: BaseModel | Mapping[str, Any] | str,
        *,
        message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        generation_config: GenerationConfig | Mapping[str, Any] | None = None,
        author: str = "",
    ) -> CommitInfo:
        """Replace the content of *target* in place; text replaces only its text.

        Raises:
            InvalidTargetError: *target* is not in the current history or holds no content.
        """
        commit = resolve(self._store, target)
        new = with_text(self._store, commit, content) if isinstance(content, str) else as_content(self._store, content)
        said = self._remarks(message=message, metadata=metadata, generation_config=generation_config, author=author)
        return edit(self._store, commit, new, said)

    def annotate(
        self,
        target: str | CommitInfo | Iterable[str | CommitInfo],
        priority: Literal["skip", "normal", "pinned"],
        *,
        reason: str | None = None,
        message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> CommitInfo:
        """Set the priority of one or several commits: `skip` (not sent), `normal`, `pinned` (never compressed).

        Raises:
            InvalidTargetError: A target is not in the current history or holds no content.
        """
        return self._annotate("annotate", target, priority, reason=reason, message=message, metadata=metadata)

    def pin(self, target: str | CommitInfo, *, reason: str | None = None) -> CommitInfo:
        """Keep *target* as it is through every compression."""
        return self._annotate("pin", target, "pinned", reason=reason)

    def unpin(self, target: str | CommitInfo, *, reason: str | None = None) -> CommitInfo:
        """Give *target* normal priority again."""
        return self._annotate("unpin", target, "normal", reason=reason)

    def skip(self, target: str | CommitInfo, *, reason: str | None = None) -> CommitInfo:
        """Leave *target* out of the compiled context; it stays in the history."""
        return self._annotate("skip", target, "skip", reason=reason)

    def unskip(self, target: str | CommitInfo, *, reason: str | None = None) -> CommitInfo:
        """Show *target* again."""
        return self._annotate("unskip", target, "normal", reason=reason)

    def batch(self) -> AbstractContextManager[None]:
        """Make all writes of a `with` block one operation; if the block raises, nothing is kept.

        Other writers of the store wait until the block ends.
        """
        return self._store.batch()

    def record_usage(self, usage: Any, *, commit: str | CommitInfo | None = None) -> Usage:
        """Keep what a provider said a call cost, for the reply *commit* (HEAD by default).

        Args:
            usage: The `usage` of an OpenAI or Anthropic response, `usage_metadata` of a Gemini one, or its dict.
            commit: The commit of the reply.
        """
        return record_usage(self._store, usage, self._store.head_hash() if commit is None else self._resolve(commit))

    def register_content_type(self, name: str, model: type[BaseModel]) -> None:
        """Let contents of the pydantic *model* be committed as *name*.

        A custom content compiles to a user message of its `text` field, or of its JSON.
        """
        self._store.types.register(name, model)

    def configure(self, config: TractConfig | None = None, **settings: Any) -> TractConfig:
        """Change settings of this tract and keep them in the store; returns those in force.

        Settings that are not named stay as they are kept, also if another handle has changed them since.

        Raises:
            InvalidInputError: No such setting, or not such a value.
        """
        return configure(self._store, config, settings)

    # --- inside ------------------------------------------------------------------------------------

    def _remarks(self, **said: Any) -> Remarks:
        return remarks(self._store, **said)

    def _commit(self, content: BaseModel, op: str, target: str | CommitInfo | None, remarks: Remarks) -> CommitInfo:
        if op == "append" and target is None:
            return append(self._store, content, remarks)
        return edit(self._store, self._resolve(edited(op, target)), content, remarks)

    def _said(
        self,
        kind: type[BaseModel],
        fields: Mapping[str, Any],
        target: str | CommitInfo | None,
        **said: Any,
    ) -> CommitInfo:
        op = "append" if target is None else "edit"
        return self._commit(build(kind, fields), op, target, self._remarks(**said))

    def _annotate(
        self,
        verb: str,
        target: str | CommitInfo | Iterable[str | CommitInfo],
        priority: str,
        **said: Any,
    ) -> CommitInfo:
        reason = said.pop("reason")
        targets = resolve_all(self._store, target)
        return annotate(self._store, targets, priority, reason=reason, remarks=self._remarks(**said), verb=verb)
