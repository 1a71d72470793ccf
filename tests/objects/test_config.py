"""Shows what settings are accepted, kept and refused."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from tests.ids import shown
from tests.strategies import CONFIGS
from tract import GenerationConfig, TokenBudget, Tract, TractConfig
from tract.errors import InvalidInputError, NotCanonicalError
from tract.objects.config import encode_config
from tract.operations.configure import parse_config


@given(CONFIGS)
def test_a_generation_config_keeps_every_field(fields: dict[str, Any]) -> None:
    """Fields of any provider come back as they were; only `temperature=1` becomes `1.0`."""
    assert json.loads(encode_config(fields)) == fields
    assert encode_config(GenerationConfig.model_validate(fields)) == encode_config(fields)


def test_what_is_none_is_left_out() -> None:
    """A setting not given and one given as `None` are the same config."""
    assert encode_config({"model": None, "top_k": None, "nested": {"kept": None}}) == b'{"nested":{"kept":null}}'


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"temperature": "hot"}, "`temperature` of the generation config"),
        ({"stop": [1]}, "`stop.0` of the generation config"),
        ("gpt-4o", "The generation config"),
    ],
    ids=shown,
)
def test_a_bad_generation_config_names_the_field(config: Any, words: str) -> None:
    """The field and what is wrong with it, not the value."""
    with pytest.raises(InvalidInputError, match=words):
        encode_config(config)


@pytest.mark.parametrize("value", [object(), b"\xff", float("nan"), "\ud800", 2**60], ids=shown)
def test_a_generation_config_is_canonical_json(value: Any) -> None:
    """What has no JSON form is refused by our own error."""
    with pytest.raises(NotCanonicalError):
        encode_config({"seed_of": value})


def test_values_pydantic_knows_are_kept_as_json() -> None:
    """A date is its ISO text."""
    assert encode_config({"day": date(2024, 5, 15)}) == b'{"day":"2024-05-15"}'


@pytest.mark.parametrize(
    ("fields", "setting"),
    [
        ({"max_content_bytes": 0}, "max_content_bytes"),
        ({"busy_timeout_seconds": -1}, "busy_timeout_seconds"),
        ({"cached_states": 0}, "cached_states"),
        ({"budget": {"limit_tokens": 0}}, "budget.limit_tokens"),
        ({"budget": {"limit_tokens": 5, "reserve_tokens": -1}}, "budget.reserve_tokens"),
        ({"budget": {"limit_tokens": 5, "on_exceed": "explode"}}, "budget.on_exceed"),
        ({"colour": "red"}, "colour"),
    ],
    ids=shown,
)
def test_a_bad_setting_is_named(fields: dict[str, Any], setting: str) -> None:
    """The setting is named with its path, and the hint lists those there are."""
    with pytest.raises(InvalidInputError) as caught:
        parse_config(fields)

    assert f"`{setting}" in str(caught.value)
    assert "max_content_bytes" in str(caught.value.hint)


def test_only_what_differs_from_the_defaults_is_kept() -> None:
    """Defaults may change in a later version for everybody who did not set them; functions are not kept."""
    budget = TokenBudget(limit_tokens=10, on_exceed=lambda *_: None)

    assert TractConfig().persisted() == {}
    assert TractConfig(budget=budget, tokenizer="estimate").persisted() == {
        "budget": {"limit_tokens": 10},
        "tokenizer": "estimate",
    }


def test_the_reserve_never_makes_a_budget_negative() -> None:
    """A reserve above the limit leaves nothing."""
    assert TokenBudget(limit_tokens=10, reserve_tokens=4).usable_tokens == 6
    assert TokenBudget(limit_tokens=10, reserve_tokens=40).usable_tokens == 0


def test_configure_refuses_what_open_refuses() -> None:
    """A bad setting changes nothing."""
    with Tract.open(config={"cached_states": 4}) as t:
        for settings in ({"cached_states": 0}, {"colour": "red"}, {"tokenizer": "p50k_base"}):
            with pytest.raises(InvalidInputError):
                t.configure(**settings)

        assert t.config == t.configure() == TractConfig(cached_states=4)


def test_a_stale_handle_changes_only_what_it_names(tmp_path: Path) -> None:
    """What another handle has kept since stays, and comes into force; a whole config replaces everything."""
    path = tmp_path / "a.db"
    with Tract.open(path, config={"cached_states": 4}) as t, Tract.open(path) as other:
        other.configure(max_content_bytes=1000)

        assert t.configure(busy_timeout_seconds=1.0) == t.config
        with Tract.open(path) as later:
            assert later.config == t.config
        assert t.config == TractConfig(cached_states=4, max_content_bytes=1000, busy_timeout_seconds=1.0)
        other.configure(budget={"limit_tokens": 10, "on_exceed": "reject"})

        def interfere(_: str) -> None:
            other.configure(default_branch="trunk")

        t._store.on_pause = interfere
        t.configure(cached_states=5)
        t._store.on_pause = None
        assert (t.config.default_branch, t.config.cached_states, t.config.max_content_bytes) == ("trunk", 5, 1000)
        other.configure(TractConfig(cached_states=6))
        assert other.config == Tract.open(path, read_only=True).config == TractConfig(cached_states=6)


def test_a_callback_outlives_a_change_of_other_settings(tmp_path: Path) -> None:
    """It is in force here alone, as long as the budget kept is the one it belongs to."""
    budget = TokenBudget(limit_tokens=10, on_exceed=lambda *_: None)
    with Tract.open(tmp_path / "a.db", config=TractConfig(budget=budget)) as t:
        assert t.configure(cached_states=4).budget == budget
        with Tract.open(tmp_path / "a.db") as other:
            other.configure(budget={"limit_tokens": 20})
        assert t.configure(cached_states=5).budget == TokenBudget(limit_tokens=20)


def test_a_read_only_handle_keeps_what_it_was_told(tmp_path: Path) -> None:
    """Nothing of it reaches the store."""
    Tract.open(tmp_path / "a.db").close()
    with Tract.open(tmp_path / "a.db", read_only=True, config={"cached_states": 4}) as t:
        assert t.configure(max_content_bytes=10) == TractConfig(cached_states=4, max_content_bytes=10)
    with Tract.open(tmp_path / "a.db") as t:
        assert t.config == TractConfig()


def test_one_stop_text_is_a_list_of_one() -> None:
    """Both spellings are one setting, with one hash."""
    assert encode_config({"stop": "END"}) == encode_config({"stop": ["END"]}) == b'{"stop":["END"]}'
