"""A merge decided over HTTP, by each of the four providers, through a server that refuses what they refuse."""

import json
from pathlib import Path

import pytest

from tests.agent.deciding import add_both, clash, texts
from tests.agent.test_over_http import provider, where
from tests.providers.server import Provider
from tests.reliability.dump import dump
from tract import HttpLLM, Tract
from tract.errors import ModelAnswerError, ModelUnavailableError
from tract.llm.retry import RetryPolicy

__all__ = ["provider"]


def decision(asked: str) -> str:
    return json.dumps(
        {"issue": f"both_edited:{asked[:8]}", "action": "use", "content": "Three days, by train?", "reason": "Both."}
    )


def test_a_merge_is_decided_and_reviewed(provider_server: Provider, provider: str) -> None:
    """The schema of each answer is one the provider takes; model and usage are what it said."""
    with Tract.open(**where(provider_server, provider)) as t:
        asked = clash(t)
        add_both(t)
        provider_server.script.say(decision(asked))
        provider_server.script.say('{"concerns": []}')

        result = t.merge("dev", strategy="semantic", autonomy="autonomous")

        assert (result.kind, texts(t)[1]) == ("merged", "Three days, by train?")
        assert [request.status for request in provider_server.requests] == [200, 200]
        assert all(call.usage is not None and call.usage.input_tokens for call in result.calls)
        assert {call.model for call in result.calls} == {where(provider_server, provider)["model"]}
        assert "abort" in json.dumps(provider_server.requests[0].body)
        (edit,) = [info for info in t.log(5) if info.op == "edit" and info.generation_config]
        assert edit.generation_config is not None
        assert edit.generation_config["model"] == where(provider_server, provider)["model"]


def test_a_rebase_is_reviewed(provider_server: Provider, provider: str) -> None:
    """Its concerns come back."""
    concern = {"kind": "contradiction", "messages": ["o1", "t1"], "text": "700 is more than 500."}
    with Tract.open(**where(provider_server, provider)) as t:
        t.user("hello")
        t.branch("dev", switch=False)
        add_both(t)
        provider_server.script.say(json.dumps({"concerns": [concern]}))

        result = t.rebase("dev", strategy="semantic")

        assert [one.text for one in result.concerns] == ["700 is more than 500."]


@pytest.mark.parametrize("said", ["I would take ours.", "{}", '{"concerns": []}'])
def test_what_cannot_be_used_changes_nothing(
    provider_server: Provider,
    provider: str,
    tmp_path: Path,
    said: str,
) -> None:
    """Nor does a provider that is down."""
    path = tmp_path / "a.db"
    with Tract.open(path, **where(provider_server, provider)) as t:
        clash(t)
        before = dump(path)
        provider_server.script.say(said)
        with pytest.raises(ModelAnswerError) as caught:
            t.merge("dev", strategy="semantic")
        assert caught.value.answer == said
        place = where(provider_server, provider)
        llm = HttpLLM(provider, api_key=place["api_key"], base_url=place["base_url"], retry=RetryPolicy(max_attempts=1))
        t.configure_operations(merge={"llm": llm, "model": place["model"]})
        before = dump(path)
        provider_server.fail(status=503)
        with pytest.raises(ModelUnavailableError):
            t.merge("dev", strategy="semantic")
        assert dump(path) == before
