"""Which model an operation asks: call before operation before tract, kept, undone, and never a key."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.agent.talking import model, verbs
from tract import LLMConfig, Tract
from tract.errors import CorruptStoreError, InvalidInputError, NotFoundError, ReadOnlyError


def _shown(t: Tract, operation: str = "chat") -> dict[str, str]:
    choice = t.models[operation]
    named = {"provider": choice.provider, "base_url": choice.base_url, "model": choice.model, **choice.settings}
    return {name: str(chosen) for name, chosen in named.items() if chosen is not None}


def test_nothing_is_configured_at_first() -> None:
    """And it is said so."""
    with Tract.open() as t:
        assert {name: choice.is_configured for name, choice in t.models.items()} == dict.fromkeys(
            ("chat", "merge", "compress", "orchestrate"), False
        )


def test_each_value_says_who_set_it() -> None:
    """Operation before tract; what only the client knows comes last."""
    with Tract.open(provider="ollama", model="small") as t:
        t.configure_operations(chat={"temperature": 0.2}, compress=LLMConfig(model="large", max_tokens=100))

        assert _shown(t) == {
            "provider": "ollama (tract)",
            "model": "small (tract)",
            "temperature": "0.2 (operation)",
        }
        assert _shown(t, "compress") == {
            "provider": "ollama (tract)",
            "model": "large (operation)",
            "max_tokens": "100 (operation)",
        }
        assert t.status().models["chat"] == t.models["chat"]
    with Tract.open(llm=model(model="own")) as t:
        assert _shown(t) == {"provider": "scripted (tract)", "model": "own (client)"}


def test_the_call_wins_over_the_operation_and_that_over_the_tract() -> None:
    """Value by value."""
    llm = model("1", "2")
    with Tract.open(llm=llm, model="of-tract") as t:
        t.configure_operations(chat={"model": "of-operation", "temperature": 0.2, "seed": 1})
        t.chat("1")
        t.chat("2", model="of-call", temperature=0.9)

        assert [(request.model, dict(request.settings)) for request in llm.requests] == [
            ("of-operation", {"temperature": 0.2, "seed": 1}),
            ("of-call", {"temperature": 0.9, "seed": 1}),
        ]


def test_a_client_of_the_operation_is_asked() -> None:
    """And one of the call before it."""
    tract, operation, call = model("t", model="t"), model("o", model="o"), model("c", model="c")
    with Tract.open(llm=tract) as t:
        t.configure_operations(chat=LLMConfig(llm=operation))

        assert t.chat("1").text == "o"
        assert t.chat("2", llm=call).text == "c"
        t.configure_operations(chat=None)
        assert t.chat("3").text == "t"


def test_what_belongs_to_one_provider_is_not_told_another() -> None:
    """A model's name and an option only one knows stay with it; a temperature goes along."""
    with Tract.open(provider="openai", model="gpt", api_key="sk-canary-0123456789") as t:
        t.configure_operations(chat={"provider": "ollama", "model": "llama", "temperature": 0.5, "think": True})
        other = model("Hello.", model="m")
        t.chat("Hi!", llm=other)
        asked = other.requests[0]

        assert (asked.model, dict(asked.settings)) == ("m", {"temperature": 0.5})
        assert _shown(t)["provider"] == "ollama (operation)"
        use = t._models.use("chat", LLMConfig())
        assert getattr(use.llm, "api_key", None) is None


def test_the_settings_are_kept_and_undone(tmp_path: Path) -> None:
    """By another handle too; undo takes them back."""
    with Tract.open(tmp_path / "a.db") as t:
        t.configure_operations(chat={"provider": "ollama", "model": "llama", "stop": "END"})
        t.configure_operations(merge={"model": "m"})
        assert verbs(t) == ["configure-operations"] * 2
    with Tract.open(tmp_path / "a.db") as t, Tract.open(tmp_path / "a.db") as other:
        assert _shown(t)["model"] == "llama (operation)"
        other.undo(2)
        assert _shown(t) == {}
        other.redo()
        assert _shown(t)["model"] == "llama (operation)"
        t.configure_operations(chat=None)
        assert _shown(t) == {}
        assert t.fsck() == []


def test_the_same_settings_again_are_no_write() -> None:
    """Nor is nothing at all."""
    with Tract.open() as t:
        t.configure_operations(chat={"model": "m"})
        t.configure_operations(chat={"model": "m"})
        t.configure_operations()

        assert verbs(t) == ["configure-operations"]


def test_a_client_goes_with_the_settings_it_was_given_with(tmp_path: Path) -> None:
    """Another handle that changes them decides who is asked."""
    with Tract.open(tmp_path / "a.db", llm=model(model="t")) as t, Tract.open(tmp_path / "a.db") as other:
        t.configure_operations(chat=LLMConfig(llm=model(model="o"), temperature=0.5))
        assert _shown(t)["model"] == "o (client)"
        other.configure_operations(chat={"temperature": 0.9})

        assert _shown(t) == {"provider": "scripted (tract)", "model": "t (client)", "temperature": "0.9 (operation)"}


def test_settings_given_when_opening_are_kept_unless_the_handle_only_reads(tmp_path: Path) -> None:
    """There they are in force all the same."""
    with Tract.open(tmp_path / "a.db", operations={"chat": {"model": "kept"}}) as t:
        t.user("Hi!")
    with Tract.open(tmp_path / "a.db", read_only=True, operations={"chat": {"model": "mine"}}) as t:
        assert _shown(t)["model"] == "mine (operation)"
        with pytest.raises(ReadOnlyError):
            t.configure_operations(chat=None)
    with Tract.open(tmp_path / "a.db") as t:
        assert _shown(t)["model"] == "kept (operation)"


@pytest.mark.parametrize(
    "wrong",
    [
        {"chat": 5},
        {"chat": {"temperature": "hot"}},
        {"chat": {"max_tokens": -1}},
        {"chat": {"api_key": "sk-1"}},
        {"chat": {"extra_headers": {"Authorization": "x"}}},
        {"chat": {"odd": object()}},
        {"chat": {"odd": float("nan")}},
        {"chat": {"llm": 5}},
        {"talk": {"model": "m"}},
    ],
)
def test_what_is_no_setting_is_refused(wrong: dict[str, Any]) -> None:
    """Nothing is written."""
    with Tract.open() as t:
        with pytest.raises(InvalidInputError):
            t.configure_operations(**wrong)

        assert verbs(t) == []


def test_only_operations_have_models() -> None:
    """Asking for another one names those there are."""
    with Tract.open() as t:
        assert "talk" not in t.models
        assert t.models.get("talk") is None
        with pytest.raises(NotFoundError):
            _ = t.models["talk"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"provider": 5},
        {"model": ""},
        {"api_key": b"x"},
        {"llm": 5},
        {"llm": len, "provider": "openai"},
        {"operations": [1]},
        {"operations": {"chat": 5}},
    ],
)
def test_what_is_no_model_is_refused_when_opening(wrong: dict[str, Any]) -> None:
    """With an error of ours."""
    with pytest.raises(InvalidInputError):
        Tract.open(**wrong)


def test_keys_are_nowhere_to_be_seen(tmp_path: Path) -> None:
    """Not in the file, nor in what is printed."""
    canary = "sk-canary-0123456789"
    with Tract.open(tmp_path / "a.db", provider="openai", api_key=canary, model="m") as t:
        t.configure_operations(chat={"model": "m"})
        t._models.use("chat", LLMConfig())
        shown = f"{t!r} {t.models!r} {dict(t.models)!r} {t._models._defaults!r} {t._models._built!r} {t.status()!r}"
    files = b"".join(file.read_bytes() for file in tmp_path.iterdir())

    assert canary.encode() not in files
    assert canary not in shown


def test_settings_somebody_damaged_are_named(tmp_path: Path) -> None:
    """As damage, not as a wrong argument of the caller."""
    with Tract.open(tmp_path / "a.db") as t:
        with t._store.operation("x") as operation:
            operation.set_meta("operations:default", '{"chat": 5}')
        with pytest.raises(CorruptStoreError):
            _ = t.models["chat"]


@pytest.mark.parametrize("address", ["https://user:canary-1@host/v1", "https://host/v1?key=canary-1", "host"])
def test_an_address_with_a_secret_is_not_kept(address: str, tmp_path: Path) -> None:
    """It is refused before it is written, and nothing of it is told."""
    with Tract.open(tmp_path / "a.db") as t:
        with pytest.raises(InvalidInputError) as caught:
            t.configure_operations(chat={"base_url": address, "model": "m"})

        assert "canary" not in str(caught.value)
        assert t.models["chat"].base_url is None
        assert verbs(t) == []
    assert not [path for path in tmp_path.iterdir() if b"canary" in path.read_bytes()]


def test_a_key_goes_to_its_own_provider_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither to another provider nor to another address of the same one."""
    monkeypatch.setitem(os.environ, "OPENAI_API_KEY", "")
    with Tract.open(provider="openai", api_key="sk-canary-0123456789", model="m") as t:
        mine = t._models.use("chat", LLMConfig()).llm
        t.configure_operations(chat={"base_url": "http://127.0.0.1:9/v1"})
        elsewhere = t._models.use("chat", LLMConfig(model="m")).llm

        assert getattr(mine, "api_key", None) is not None
        assert getattr(elsewhere, "api_key", None) is None


@pytest.mark.parametrize("address", ["http://elsewhere.example/v1", "http://127.elsewhere.example/v1"])
def test_an_address_only_the_store_names_gets_no_key(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store may come from anywhere, and whoever wrote it would like a key; this process has to name the address."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")

    def key_of(t: Tract) -> str:
        return str(getattr(t._models.use("chat", LLMConfig()).llm, "api_key").reveal())  # noqa: B009 - not of every client

    with Tract.open(tmp_path / "a.db") as t:
        t.configure_operations(chat={"provider": "openai", "base_url": address, "model": "m"})
        assert key_of(t) == "sk-canary-0123456789"
    with Tract.open(tmp_path / "a.db") as t:
        assert key_of(t) == "not-sent"
    with Tract.open(tmp_path / "a.db", provider="openai", base_url=address) as t:
        assert key_of(t) == "sk-canary-0123456789"
    with Tract.open(tmp_path / "a.db") as t:
        t.configure_operations(chat={"provider": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"})
    with Tract.open(tmp_path / "a.db") as t:
        assert key_of(t) == "sk-canary-0123456789"
