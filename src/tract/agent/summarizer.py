"""Lets a model summarize what a compression covers: a `Summarizer` that asks the model configured for `compress`.

What the model is shown is quoted, so nothing in it is an instruction. What it answers is checked as the text of any
summarizer is; an answer that is no whole text is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final
from weakref import ref

from tract.agent.questions import MOST_SENT, Asker, document, prompt, require_plain, settings_of, text_of
from tract.agent.semantic import cut
from tract.agent.settings import Models
from tract.errors import OperationOpenError
from tract.llm.protocol import Reply
from tract.objects.config import LLMConfig
from tract.operations.summary import SourceMessage, Summarizer, Summary, SummaryRequest
from tract.store import Store

NAME: Final = "model"
"""What a summary commit calls a summary a model wrote."""

_MOST_ASKED: Final = MOST_SENT * 2 // 5
"""Characters of messages in one question; JSON escapes some of them, and the rest of the document needs room."""

_TOKENS_PER_WORD: Final = 1.6
_REFUSED_CHARACTERS: Final = 20_000


class ModelSummarizer:
    """A `Summarizer` that asks a model.

    Args:
        asker: Asks the model.
    """

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def __call__(self, request: SummaryRequest) -> Summary:
        """Return what the model says; of messages too long for one question, what it says to each part.

        Raises:
            ModelAnswerError: Its answer is no whole text.
            ModelError: The provider refused or failed.
        """
        parts = list(_parts(request.messages))
        sizes = [sum(len(message.text) + 1 for message in part) for part in parts]
        replies = [
            self._asked(request, part, max(1, request.target_tokens * size // sum(sizes)))
            for part, size in zip(parts, sizes, strict=True)
        ]
        settings = {**settings_of(replies[-1]), **({"questions": len(replies)} if len(replies) > 1 else {})}
        return Summary("\n".join(reply.text.strip() for reply in replies), NAME, settings)

    def _asked(self, request: SummaryRequest, messages: Sequence[SourceMessage], most_tokens: int) -> Reply:
        system = prompt("summary") if request.system_prompt is None else request.system_prompt
        reply = self._asker.ask("summary", system, document(_fields(request, messages, most_tokens)))
        require_plain(reply, [text_of(reply)], [message.text for message in messages])
        return reply


def _fields(request: SummaryRequest, messages: Sequence[SourceMessage], most_tokens: int) -> dict[str, Any]:
    quoted = [
        {"role": one.role, "origin": one.origin, "text": one.text, **({"is_summary": True} if one.is_summary else {})}
        for one in messages
    ]
    texts = [message.text for message in messages]
    fields: dict[str, Any] = {
        "messages": quoted,
        "must_keep": [literal for literal in request.must_keep if any(literal in text for text in texts)],
        "most_tokens": most_tokens,
        "most_words": max(1, int(most_tokens / _TOKENS_PER_WORD)),
    }
    if request.instructions is not None:
        fields["wishes"] = request.instructions
    if request.reason is not None:
        fields |= {"before": cut(request.previous or "", _REFUSED_CHARACTERS), "problem": request.reason}
    return fields


def _parts(messages: Iterable[SourceMessage]) -> Iterator[list[SourceMessage]]:
    """Yield *messages* in parts of which each can be asked about; the middle of one that is longer is left out."""
    part: list[SourceMessage] = []
    size = 0
    for message in messages:
        length = min(len(message.text), _MOST_ASKED)
        if part and size + length > _MOST_ASKED:
            yield part
            part, size = [], 0
        part.append(_shortened(message))
        size += length
    yield part


def _shortened(message: SourceMessage) -> SourceMessage:
    if len(message.text) <= _MOST_ASKED:
        return message
    text = cut(message.text, _MOST_ASKED)
    return SourceMessage(message.commit, message.role, text, message.priority, message.origin, message.is_summary)


def configured(models: Models) -> Callable[[Store], Summarizer | None]:
    """Return what gives the summarizer *models* say at that time, and does not keep them alive."""
    # The store keeps it; a store that kept its models would keep itself open.
    known = ref(models)

    def choose(store: Store) -> Summarizer | None:
        found = known()
        return None if found is None else summarizer_for(store, found)

    return choose


def summarizer_for(
    store: Store, models: Models, *, given: Summarizer | None = None, is_written: bool = False
) -> Summarizer | None:
    """Return who summarizes: who is *given*, else the model configured for `compress`, else nobody.

    Args:
        store: The open store.
        models: What is configured.
        given: The caller's own.
        is_written: Whether the caller has written the summary.

    Raises:
        NoModelError: A provider is configured and no model is named.
        OperationOpenError: A batch is open, which would keep every other writer waiting for the model.
    """
    if given is not None or is_written or not models["compress"].is_configured:
        return given
    store.check_usable()
    with store.lock:
        if store.is_writing:
            raise OperationOpenError("compress")
    return ModelSummarizer(Asker(models.use("compress", LLMConfig())))
