"""Summarizes by a model: asks it piece by piece where there is much to read, and tells what that cost.

Whether the text will do is checked where it is used; here only that it is an answer at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final
from weakref import ref

from tract.agent.questions import Asker, document, prompt, require_plain, settings_of, text_of
from tract.agent.semantic import cut, require_idle
from tract.agent.settings import Models
from tract.objects.config import LLMConfig
from tract.objects.content import SUMMARY_MARK
from tract.objects.decision import ModelCall
from tract.operations.summary import SourceMessage, Summarizer, Summary, SummaryRequest
from tract.store import Store

NAME: Final = "model"

_PIECE_CHARACTERS: Final = 100_000
"""How much a model is shown at once."""

_MESSAGE_CHARACTERS: Final = 20_000
_WORDS_PER_TOKEN: Final = 0.7
_LEAST_WORDS: Final = 5


def configured(models: Models) -> Callable[[Store], Summarizer | None]:
    """Return what gives the summarizer *models* say at that time, and does not keep them alive."""
    # The store keeps it; a store that kept its models would keep itself open.
    known = ref(models)

    def choose(store: Store) -> Summarizer | None:
        found = known()
        return None if found is None else summarizer_for(store, found)

    return choose


def summarizer_for(
    store: Store, models: Models, given: Summarizer | None = None, content: object = None
) -> Summarizer | None:
    """Return who summarizes: the caller's own, else the model configured for `compress`; `None` where there is neither.

    Raises:
        NoModelError: A provider is configured, and no model of it.
        OperationOpenError: A batch is open, which would keep every other writer waiting for the model.
    """
    if given is not None or content is not None or not models["compress"].is_configured:
        return given
    require_idle(store, "compress")
    return ModelSummarizer(Asker(models.use("compress", LLMConfig())))


class ModelSummarizer:
    """A `Summarizer` that asks a model.

    The request's `system_prompt` replaces its own prompt, `instructions` are added to either. The summary's settings
    tell which model wrote it, with which parameters, and every call it took.

    Args:
        asker: Asks the model.
    """

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._calls: list[ModelCall] = []
        """What was asked for the summary on its way, the first attempt included."""

    def __call__(self, request: SummaryRequest) -> Summary:
        """Return what the model makes of *request*.

        Raises:
            ModelAnswerError: It called tools, refused, was cut off, or brought in control characters.
            ModelError: The provider refused or failed.
        """
        if request.attempt == 1:
            self._calls = []
        before = len(self._asker.calls)
        pieces = list(_pieces(request.messages))
        total = sum(_size(one) for one in request.messages) or 1
        told: dict[str, Any] = {}
        texts = []
        for piece in pieces:
            share = sum(map(_size, piece)) / total
            reply = self._asker.ask("summary", _system(request), _asked(request, piece, share))
            text = text_of(reply).strip().removeprefix(SUMMARY_MARK)
            require_plain(reply, [text], [one.text for one in piece])
            texts.append(text)
            told = settings_of(reply)
        self._calls += self._asker.calls[before:]
        return Summary("\n".join(texts), NAME, {**told, "calls": [call.plain() for call in self._calls]})


def _system(request: SummaryRequest) -> str:
    own = prompt("summarize") if request.system_prompt is None else request.system_prompt
    return own if request.instructions is None else f"{own}\n\nBesides: {request.instructions}"


def _asked(request: SummaryRequest, piece: Sequence[SourceMessage], share: float) -> str:
    words = int(request.target_tokens * share * _WORDS_PER_TOKEN)
    fields: dict[str, Any] = {"most_words": max(_LEAST_WORDS, words)}
    kept = [literal for literal in request.must_keep if any(literal in one.text for one in piece)]
    if kept:
        fields["must_keep"] = kept
    fields["messages"] = [_shown(one) for one in piece]
    if request.reason is not None:
        fields["last_attempt"] = cut(request.previous or "", _MESSAGE_CHARACTERS)
        fields["what_was_wrong"] = request.reason
    return document(fields)


def _shown(one: SourceMessage) -> dict[str, Any]:
    marks = {"is_summary": True} if one.is_summary else {}
    return {"role": one.role, "origin": one.origin, "text": cut(one.text, _MESSAGE_CHARACTERS), **marks}


def _size(one: SourceMessage) -> int:
    return min(len(one.text), _MESSAGE_CHARACTERS) + 1


def _pieces(messages: Sequence[SourceMessage]) -> Iterator[list[SourceMessage]]:
    """Yield *messages* in order, in pieces of what is shown at once."""
    piece: list[SourceMessage] = []
    left = _PIECE_CHARACTERS
    for one in messages:
        if piece and _size(one) > left:
            yield piece
            piece, left = [], _PIECE_CHARACTERS
        piece.append(one)
        left -= _size(one)
    if piece:
        yield piece
