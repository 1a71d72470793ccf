"""A message costs its texts and the wrapping OpenAI documents."""

from __future__ import annotations

import pytest

from tract.tokens import IMAGE_TOKENS, REPLY_PRIMING_TOKENS, ROLE_TOKENS, count_message, counter_for

# The example of OpenAI's Cookbook, "How to count tokens with tiktoken", section 6. The API reported
# 129 prompt tokens for gpt-4 and 124 for gpt-4o.
_JARGON = "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."
COOKBOOK = [
    (_JARGON, None),
    ("New synergies will help drive top-line growth.", "example_user"),
    ("Things working well together will increase revenue.", "example_assistant"),
    (
        "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
        "example_user",
    ),
    ("Let's talk later when we're less busy about how to do better.", "example_assistant"),
    (
        "This late pivot means we don't have time to boil the ocean for the client deliverable.",
        None,
    ),
]


@pytest.mark.parametrize(("model", "reported"), [("gpt-4", 129), ("gpt-4o", 124)])
def test_the_cookbook_example_costs_what_the_api_reported(model: str, reported: int) -> None:
    """Six messages, four with names, come to the number OpenAI billed."""
    counter = counter_for(model)

    total = sum(
        count_message([text, name] if name else [text], counter, has_name=name is not None) for text, name in COOKBOOK
    )

    assert total + REPLY_PRIMING_TOKENS == reported


@pytest.mark.parametrize("tokenizer", ["o200k_base", "cl100k_base"])
def test_every_role_is_one_token(tokenizer: str) -> None:
    """So the role is a constant and nobody has to count it."""
    roles = ["system", "developer", "user", "assistant", "tool", "function"]

    assert {counter_for(tokenizer).count(role) for role in roles} == {ROLE_TOKENS}


def test_an_empty_message_costs_its_wrapping() -> None:
    """Three tokens around it and its role."""
    assert count_message([], counter_for(None)) == 4


def test_tool_calls_and_images_are_counted() -> None:
    """Names and arguments cost their tokens, each image the documented estimate."""
    counter = counter_for(None)
    arguments = '{"flight": "HAT001"}'

    tokens = count_message(["", "book", arguments], counter, image_count=2)

    assert tokens == 4 + counter.count("book") + counter.count(arguments) + 2 * IMAGE_TOKENS
