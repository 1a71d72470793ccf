"""What is handed out belongs to the caller: changing it changes nothing that is compiled later."""

from collections.abc import Callable
from typing import Any

import pytest

from tract import CompiledContext, Tract

_TEXT = {"type": "text", "text": "Look.", "cache_control": {"type": "ephemeral"}}
_IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}
_THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln", "more": {"a": [1]}}
_ITEM = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Hm."}],
    "encrypted_content": "e",
}
_THOUGHT = {"text": "Hm.", "thought": True, "part_metadata": {"a": [1]}}


def _scramble(value: Any) -> None:
    """Change every list and object in *value*."""
    if isinstance(value, dict):
        for inner in list(value.values()):
            _scramble(inner)
        value["changed"] = True
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _scramble(inner)
        if isinstance(value, list):
            value.append("changed")


_HANDED_OUT: dict[str, Callable[[CompiledContext], Any]] = {
    "to_openai": lambda context: context.to_openai(),
    "to_openai_params": lambda context: context.to_openai_params(model="m"),
    "to_anthropic": lambda context: context.to_anthropic(),
    "to_openai_responses": lambda context: context.to_openai_responses(),
    "to_openai_responses_params": lambda context: context.to_openai_responses_params(model="m"),
    "to_gemini": lambda context: context.to_gemini(),
    "to_gemini_params": lambda context: context.to_gemini_params(model="m"),
    "to_dicts": lambda context: context.to_dicts(),
    "report": lambda context: context.report("openai").value,
    "generation_configs": lambda context: context.generation_configs,
}


@pytest.mark.parametrize("name", _HANDED_OUT)
def test_changing_what_was_handed_out_changes_no_later_compile(name: str) -> None:
    """Provider fields, reasoning blocks and settings are the caller's own copies."""
    with Tract.open() as t:
        t.commit({"role": "user", "content": [_TEXT, _IMAGE], "mark": {"a": [1]}}, generation_config={"x": {"y": [1]}})
        t.assistant("Yes.", reasoning=[{"provider": "anthropic", "raw": _THINKING}])
        t.assistant("Right.", reasoning=[{"provider": "openai", "raw": _ITEM}, {"provider": "gemini", "raw": _THOUGHT}])
        before = [repr(get(t.compile())) for get in _HANDED_OUT.values()]

        _scramble(_HANDED_OUT[name](t.compile()))

        assert [repr(get(t.compile())) for get in _HANDED_OUT.values()] == before
        t.compile(verify=True)


def test_changing_what_was_committed_changes_nothing() -> None:
    """A content is taken as it was at the call, however much of it the caller goes on using."""
    message = {"role": "user", "content": [{**_TEXT}], "mark": {"a": [1]}}
    config = {"x": {"y": [1]}}
    metadata = {"x": [1]}
    with Tract.open() as t:
        info = t.commit(message, metadata=metadata, generation_config=config)
        before = t.compile().to_openai()

        _scramble(message)
        _scramble(config)
        _scramble(metadata)
        _scramble(dict(info.metadata))

        assert t.compile().to_openai() == before
        assert t.get(info).metadata == {"x": [1]}
        assert t.get(info).generation_config == {"x": {"y": [1]}}
        t.compile(verify=True)
