"""Which counter belongs to a name? Tokenizer names, OpenAI models, and an estimate for the rest."""

from __future__ import annotations

import re
from typing import Final

from tract.errors import UnknownTokenizerError
from tract.tokens.counter import TiktokenCounter, TokenCounter
from tract.tokens.encodings import ENCODINGS
from tract.tokens.estimate import EstimatedCounter

DEFAULT_TOKENIZER: Final = "o200k_base"
TOKENIZERS: Final = (*ENCODINGS, "estimate")

# Source of both tables: `tiktoken/model.py` of tiktoken 0.14 (MIT, OpenAI), all rows of the two
# encodings; a test compares them. `gpt-oss-` has o200k_harmony there, which is o200k_base with more
# special tokens, and text holds none.
MODEL_ENCODINGS: Final[dict[str, str]] = {
    "o1": "o200k_base",
    "o3": "o200k_base",
    "o4-mini": "o200k_base",
    "gpt-5": "o200k_base",
    "gpt-4.1": "o200k_base",
    "gpt-4o": "o200k_base",
    "gpt-4": "cl100k_base",
    "gpt-3.5-turbo": "cl100k_base",
    "gpt-3.5": "cl100k_base",
    "gpt-35-turbo": "cl100k_base",
    "davinci-002": "cl100k_base",
    "babbage-002": "cl100k_base",
    "text-embedding-ada-002": "cl100k_base",
    "text-embedding-3-small": "cl100k_base",
    "text-embedding-3-large": "cl100k_base",
}
MODEL_PREFIX_ENCODINGS: Final[dict[str, str]] = {
    "o1-": "o200k_base",
    "o3-": "o200k_base",
    "o4-mini-": "o200k_base",
    "gpt-5": "o200k_base",
    "gpt-4.5-": "o200k_base",
    "gpt-4.1-": "o200k_base",
    "chatgpt-4o-": "o200k_base",
    "gpt-4o-": "o200k_base",
    "gpt-4-": "cl100k_base",
    "gpt-3.5-turbo-": "cl100k_base",
    "gpt-35-turbo-": "cl100k_base",
    "gpt-oss-": "o200k_base",
    "ft:gpt-4.1": "o200k_base",  # not in tiktoken, whose `ft:gpt-4` takes it for a GPT-4
    "ft:gpt-4o": "o200k_base",
    "ft:gpt-4": "cl100k_base",
    "ft:gpt-3.5-turbo": "cl100k_base",
    "ft:davinci-002": "cl100k_base",
    "ft:babbage-002": "cl100k_base",
}
# What is meant as a tokenizer, not as a model: `p50k_base`, `o300k_base`, `cl100k`, `gpt2`, nothing.
_TOKENIZER_LIKE: Final = re.compile(r"(?:[a-z]+\d+k(?:_.*)?|gpt-?2|)", re.ASCII)


def counter_for(name_or_model: str | None) -> TokenCounter:
    """Return the counter for a tokenizer name or a model name.

    Args:
        name_or_model: A name in `TOKENIZERS`; or a model, upper or lower case, with or without `openai/`
            in front. None gives the default, `o200k_base`.

    Returns:
        The exact counter for OpenAI's models; for any other model an `EstimatedCounter`, whose
        `is_approximate` is true.

    Raises:
        UnknownTokenizerError: The name is empty or looks like a tokenizer that tract does not have.
    """
    if name_or_model is None:
        return TiktokenCounter(DEFAULT_TOKENIZER)
    name = name_or_model.strip().lower()
    if name in ENCODINGS:
        return TiktokenCounter(name)
    if name == "estimate":
        return EstimatedCounter()
    if _TOKENIZER_LIKE.fullmatch(name):
        raise UnknownTokenizerError(name_or_model, TOKENIZERS)
    encoding_name = encoding_for_model(name.removeprefix("openai/"))
    return EstimatedCounter() if encoding_name is None else TiktokenCounter(encoding_name)


def encoding_for_model(model: str) -> str | None:
    """Return the name of the encoding of an OpenAI *model*, or None when it is not known."""
    exact = MODEL_ENCODINGS.get(model)
    if exact is not None:
        return exact
    for prefix, encoding_name in MODEL_PREFIX_ENCODINGS.items():
        if model.startswith(prefix):
            return encoding_name
    return None
