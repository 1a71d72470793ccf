"""Names lead to the right counter, and a wrong one is told apart from an unknown model."""

from __future__ import annotations

import pytest
import tiktoken.model

from tract.errors import TractError, UnknownTokenizerError
from tract.tokens import TOKENIZERS, counter_for
from tract.tokens.select import MODEL_ENCODINGS, MODEL_PREFIX_ENCODINGS

OURS = {"o200k_base": "o200k_base", "cl100k_base": "cl100k_base", "o200k_harmony": "o200k_base"}


def test_no_name_gives_the_default() -> None:
    """Whoever says nothing counts with o200k_base."""
    assert counter_for(None).name == "o200k_base"


@pytest.mark.parametrize("name", TOKENIZERS)
def test_tokenizers_have_their_own_name(name: str) -> None:
    """The name asked for is the name counts are cached by."""
    assert counter_for(name).name == name


def test_models_are_as_in_tiktoken() -> None:
    """Every model of the two encodings in tiktoken's tables is known alike, and no other."""
    theirs = {model: OURS[name] for model, name in tiktoken.model.MODEL_TO_ENCODING.items() if name in OURS}
    prefixes = {model: OURS[name] for model, name in tiktoken.model.MODEL_PREFIX_TO_ENCODING.items() if name in OURS}

    assert theirs == MODEL_ENCODINGS
    assert prefixes.items() <= MODEL_PREFIX_ENCODINGS.items()
    assert MODEL_PREFIX_ENCODINGS.keys() - prefixes.keys() == {"ft:gpt-4.1"}


@pytest.mark.parametrize(
    ("model", "tokenizer"),
    [
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("gpt-4.1-nano", "o200k_base"),
        ("gpt-5", "o200k_base"),
        ("gpt-5.1-codex", "o200k_base"),
        ("o1", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("o4-mini-2025-04-16", "o200k_base"),
        ("gpt-oss-120b", "o200k_base"),
        ("OpenAI/GPT-4o", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo-0125", "cl100k_base"),
        ("text-embedding-3-large", "cl100k_base"),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc123", "o200k_base"),
        ("ft:gpt-4.1-mini-2025-04-14:acme::abc123", "o200k_base"),
        ("ft:gpt-4-0613:acme::abc123", "cl100k_base"),
        ("ft:gpt-3.5-turbo:acme::abc123", "cl100k_base"),
    ],
)
def test_openai_models_have_an_exact_counter(model: str, tokenizer: str) -> None:
    """Dated, fine-tuned, prefixed and upper-case names of OpenAI's models lead to their encoding."""
    counter = counter_for(model)

    assert (counter.name, counter.is_approximate) == (tokenizer, False)


@pytest.mark.parametrize(
    "model",
    [
        "claude-sonnet-4-5",
        "gemini-2.5-pro",
        "llama-3.3-70b",
        "qwen2",
        "mistral-large",
        "moonshot-v1-8k",
        "text-davinci-003",
    ],
)
def test_other_models_are_estimated(model: str) -> None:
    """A model without packed ranks gets a counter that says it is approximate."""
    counter = counter_for(model)

    assert (counter.name, counter.is_approximate) == ("estimate", True)


@pytest.mark.parametrize(
    "name", ["p50k_base", "r50k_base", "p50k_edit", "o200k_harmony", "o200k", "cl100k_bsae", "gpt2", "", " "]
)
def test_tokenizers_that_are_not_there_are_refused(name: str) -> None:
    """A tokenizer name never turns silently into an estimate; the hint lists what exists."""
    with pytest.raises(UnknownTokenizerError) as caught:
        counter_for(name)

    assert isinstance(caught.value, TractError)
    assert caught.value.name == name
    assert all(known in str(caught.value.hint) for known in TOKENIZERS)
