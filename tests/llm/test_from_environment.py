"""Which client a program gets that takes what the environment has."""

from __future__ import annotations

from typing import Any

import pytest

from tests.llm.worlds import ask
from tests.providers.server import Provider
from tract.errors import AuthenticationError, InvalidInputError
from tract.llm.http import HttpLLM
from tract.llm.providers import PROVIDERS

MODELS = {"anthropic": "claude", "openai": "gpt", "gemini": "gemini-3-pro"}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in PROVIDERS.values():
        for name in (*provider.key_variables, *provider.url_variables):
            monkeypatch.delenv(name, raising=False)


def test_without_a_key_there_is_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an empty environment nor an empty variable gives one; nothing is raised."""
    monkeypatch.setenv("OPENAI_API_KEY", "  ")

    assert HttpLLM.from_environment(**MODELS) is None


def test_an_address_alone_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment sends nobody to it."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")

    assert HttpLLM.from_environment(**MODELS) is None


@pytest.mark.parametrize(
    ("variable", "provider"),
    [
        ("ANTHROPIC_API_KEY", "anthropic"),
        ("OPENAI_API_KEY", "openai"),
        ("GEMINI_API_KEY", "gemini"),
        ("GOOGLE_API_KEY", "gemini"),
    ],
)
def test_the_provider_with_a_key_is_taken(variable: str, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its model is the one named for it."""
    monkeypatch.setenv(variable, "a-key")

    llm = HttpLLM.from_environment(**MODELS)

    assert llm is not None
    assert (llm.provider, llm.model) == (provider, MODELS[provider])


def test_of_several_the_first_named_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of the arguments decides."""
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key")

    assert repr(HttpLLM.from_environment(openai="gpt", anthropic="claude")) == "<HttpLLM openai gpt>"
    assert repr(HttpLLM.from_environment(anthropic="claude", openai="gpt")) == "<HttpLLM anthropic claude>"


def test_one_that_needs_no_key_is_ready() -> None:
    """A model on this machine is what is left where there is no key."""
    assert repr(HttpLLM.from_environment(openai="gpt", ollama="llama3.2")) == "<HttpLLM ollama llama3.2>"


def test_it_asks_where_the_environment_says(provider_server: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key and address are those of the variables the provider's own client reads."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", provider_server.key)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", provider_server.anthropic_url)
    llm = HttpLLM.from_environment(**MODELS)
    assert llm is not None

    with llm:
        assert llm.send(ask("hi")).text == "Got 1."
    assert provider_server.requests[0].headers["x-api-key"] == provider_server.key


@pytest.mark.parametrize("models", [{}, {"openai": ""}, {"openai": None}, {"openai": 5}, {"acme": "large"}])
def test_what_names_no_provider_and_model_is_refused(models: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where another provider is ready, so that a slip is not found only when its key is missing."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key")
    wanted = {"anthropic": "claude", **models} if models else {}

    with pytest.raises(InvalidInputError):
        HttpLLM.from_environment(**wanted)


def test_a_key_that_cannot_be_sent_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not passed over in silence for the next provider."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a\nkey")

    with pytest.raises(AuthenticationError):
        HttpLLM.from_environment(**MODELS)
