"""The main job on real data: 40 conversations committed, reopened in another process, compiled and sent."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import anthropic
import openai
import pytest
from google import genai

from tests.formats.build import conversations, tools_of
from tests.providers.server import running
from tract import Tract

SCRIPT = Path(__file__).with_name("read_back.py")
NUMBERS = range(40)


class Stored(NamedTuple):
    """A store with one tract per conversation, what was counted while writing, and what a new process read."""

    path: Path
    tokens: list[int]
    read: list[dict[str, Any]]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    path = tmp_path_factory.mktemp("real") / "agents.db"
    tokens = []
    for number in NUMBERS:
        with Tract.open(path, tract=f"airline-{number}", durability="normal") as t:
            commits = [t.commit(message) for message in conversations()[number]]
            tokens.append(commits[-1].context_tokens)
    names = [f"airline-{number}" for number in NUMBERS]
    done = subprocess.run([sys.executable, SCRIPT, path, *names], check=True, capture_output=True, text=True)
    return Stored(path, tokens, json.loads(done.stdout))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_new_process_compiles_exactly_what_was_said(stored: Stored, number: int) -> None:
    """OpenAI's messages come out as they went in, argument strings byte for byte."""
    assert stored.read[number]["openai"] == conversations()[number]


def test_every_providers_rules_hold(stored: Stored) -> None:
    """No rule of any format is broken by any of them."""
    assert [read["violations"] for read in stored.read] == [[] for _ in NUMBERS]


def test_counts_are_those_of_the_writer(stored: Stored) -> None:
    """What the writing process counted, the status and the compile of the new one agree."""
    assert [read["tokens"] for read in stored.read] == [[tokens, tokens] for tokens in stored.tokens]


def test_the_store_of_all_conversations_is_sound(stored: Stored) -> None:
    """Every object, ref and operation of all 40 tracts checks out."""
    with Tract.open(stored.path, tract="airline-0", read_only=True) as t:
        assert t.fsck() == []


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running() as base_url:
        yield base_url


def test_real_clients_get_a_reply_to_each(stored: Stored, url: str) -> None:
    """The real clients send what `to_*_params` gives and get an answer, whose usage is kept."""
    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as chat,
        anthropic.Anthropic(base_url=url, api_key="unused", max_retries=0) as messages,
        genai.Client(api_key="unused", http_options={"base_url": url}) as gemini,
    ):
        for number in NUMBERS:
            with Tract.open(stored.path, tract=f"airline-{number}") as t:
                context = t.compile()
                reply: Any = chat.chat.completions.create(**context.to_openai_params(model="gpt-4o"))
                assert reply.choices[0].message.content == f"Got {len(conversations()[number])}."
                params = context.to_anthropic_params(model="claude-sonnet-4")
                params["tools"] = tools_of(params["messages"])
                answer: Any = messages.messages.create(**params)
                assert answer.content[0].text == f"Got {len(params['messages'])}."
                items = context.to_openai_responses_params(model="gpt-5", store=False)
                response: Any = chat.responses.create(**items)
                assert response.output_text == f"Got {len(items['input'])}."
                turns = context.to_gemini_params(model="gemini-3")
                generated = gemini.models.generate_content(**turns)
                assert generated.text == f"Got {len(turns['contents'])}."
                t.branch("answered")
                t.commit({"role": "assistant", "content": reply.choices[0].message.content})
                t.record_usage(reply.usage)
                t.assistant(answer.content[0].text)
                t.record_usage(answer.usage)
                assert t.compile().token_count == answer.usage.input_tokens + answer.usage.output_tokens
                t.assistant(generated.text)
                t.record_usage(generated.usage_metadata)
                counted = generated.usage_metadata
                assert counted is not None
                assert t.compile().token_count == (counted.prompt_token_count or 0) + (
                    counted.candidates_token_count or 0
                )
