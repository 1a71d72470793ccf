"""Rules about tools: which a model may call, with what arguments, to what effect, and how often."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract import Event, PolicyWarning, ToolCall, ToolRules, Tract, Verdict
from tract.agent.policies.json_schema import problems
from tract.errors import InvalidInputError
from tract.testing import ScriptedLLM

SCHEMA = {
    "type": "object",
    "properties": {"amount": {"type": "integer", "maximum": 100}, "to": {"$ref": "#/$defs/name"}},
    "required": ["amount"],
    "additionalProperties": False,
    "$defs": {"name": {"type": "string", "pattern": "^[a-z]+$"}},
}


def _run(t: Tract, *calls: ToolCall) -> tuple[list[str], list[str]]:
    """Let a model make *calls*, one after the other; return which tools ran, and what the model was told."""
    ran: list[str] = []

    @t.tool
    def pay(amount: int, to: str = "me") -> str:
        """Pay."""
        ran.append(f"pay {amount} {to}")
        return "paid"

    @t.tool
    def search(query: Any = None) -> str:
        """Search."""
        ran.append(f"search {query}")
        return "found"

    assert t.run("go", llm=ScriptedLLM([*calls, "done"])).state == "finished"
    return ran, [message.text for message in t.compile().messages if message.role == "tool"]


def _pay(**arguments: Any) -> ToolCall:
    return ToolCall("c1", "pay", json.dumps(arguments))


BROKEN: dict[str, tuple[str, str]] = {
    "type": ('{"amount": "lots"}', '`amount` breaks {"type": "integer"}'),
    "limit": ('{"amount": 101}', '`amount` breaks {"maximum": 100}'),
    "missing": ('{"to": "ann"}', '`all of it` breaks {"required": ["amount"]}'),
    "further": ('{"amount": 1, "secret": 1}', '`all of it` breaks {"additionalProperties": false}'),
    "reference": ('{"amount": 1, "to": "Ann"}', '`to` breaks {"pattern": "^[a-z]+$"}'),
    "no object": ("[1]", "are not a JSON object"),
    "no JSON": ('{"amount": ', "are not a JSON object"),
    "nothing": ("", '`all of it` breaks {"required": ["amount"]}'),
    "deep": ("[" * 500, "are not a JSON object"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_arguments_that_do_not_fit_are_told_to_the_model(open_tract: Callable[..., Tract], case: str) -> None:
    """Nothing of the tool runs, the run goes on, and neither the answer nor the log quotes what was given."""
    arguments, told = BROKEN[case]
    t = open_tract()
    t.policies.add("tool_rules", arguments={"pay": SCHEMA})
    ran, texts = _run(t, ToolCall("c1", "pay", arguments))

    assert ran == []
    assert told in texts[0]
    assert t.compile().messages[-1].text == "done"
    reason = t.policies.log.find(policy="tool_rules")[0].reason
    assert told in reason
    assert "lots" not in texts[0] + reason
    assert "secret" not in texts[0] + reason


def test_arguments_that_fit_go_through(open_tract: Callable[..., Tract]) -> None:
    """Every schema whose name fits holds, and no other."""
    t = open_tract()
    t.policies.add("tool_rules", arguments={"pay": SCHEMA, "p*": {"maxProperties": 2}, "search": False})
    ran, texts = _run(t, _pay(amount=100, to="ann"))

    assert (ran, texts) == (["pay 100 ann"], ["paid"])


def test_effects_decide(open_tract: Callable[..., Tract]) -> None:
    """Denied, asked for, warned of or allowed, by what the tool is declared to do."""
    t = open_tract()
    t.policies.add(
        "tool_rules", effects={"*": "read", "pay": "write"}, on_effect={"write": "ask", "undeclared": "deny"}
    )
    ran, texts = _run(t, _pay(amount=1), ToolCall("c2", "search", "{}"))
    assert ran == ["search None"]
    assert texts[0] == "The policy `tool_rules` asks for leave: `pay` has the effect `write`."

    t.policies.on_ask(lambda event, _verdict: json.loads(event.args["arguments"])["amount"] < 10)
    assert _run(t, _pay(amount=1), ToolCall("c3", "pay", '{"amount": 20}'))[0] == ["pay 1 me"]

    t.policies.change("tool_rules", effects={"pay": "write"})
    assert _run(t, ToolCall("c4", "search", "{}"))[0] == []
    t.policies.change("tool_rules", on_effect={"undeclared": "warn"})
    with pytest.warns(PolicyWarning, match="`search` has the effect `undeclared`"):
        assert _run(t, ToolCall("c5", "search", "{}"))[0] == ["search None"]


def test_denials_come_before_questions(open_tract: Callable[..., Tract]) -> None:
    """Nobody is asked about a call that is denied anyway."""
    t = open_tract()
    asked: list[str] = []

    def decide(event: Event, _: Verdict) -> bool:
        asked.append(event.name)
        return True

    t.policies.on_ask(decide)
    t.policies.add("tool_rules", arguments={"pay": SCHEMA}, effects={"pay": "write"}, on_effect={"write": "ask"})

    assert _run(t, _pay(amount=101))[0] == []
    assert asked == []
    assert _run(t, _pay(amount=1))[0] == ["pay 1 me"]
    assert asked == ["before_tool_call"]


def test_a_replay_looks_at_each_tool_call(open_tract: Callable[..., Tract]) -> None:
    """As it was made: with its arguments, and what was called before it in its turn."""
    t = open_tract()
    _run(t, _pay(amount=1), ToolCall("c2", "pay", '{"amount": 101}'), ToolCall("c3", "pay", '{"amount": 2}'))
    t.policies.add("tool_rules", arguments={"pay": SCHEMA}, max_calls=2, mode="off")

    assert [one.reason for one in t.policies.test()] == [
        'The arguments of `pay` do not fit: `amount` breaks {"maximum": 100}.',
        "`pay` was called 2 times in this turn, which is the most.",
    ]


WRONG: dict[str, Any] = {
    "no schema": {"arguments": {"pay": {"type": "number!"}}},
    "no mapping": {"arguments": {"pay": 5}},
    "fetches": {"arguments": {"pay": {"$ref": "http://127.0.0.1/schema.json"}}},
    "reads": {"arguments": {"pay": {"properties": {"a": {"$ref": "file:///etc/passwd"}}}}},
    "no JSON": {"arguments": {"pay": {"const": float("nan")}}},
    "long": {"arguments": {"pay": {"const": "x" * 200_000}}},
    "rule": {"on_effect": {"write": "panic"}},
    "effect": {"effects": {"pay": 5}},
    "calls": {"max_calls": -1},
}


@pytest.mark.parametrize("case", WRONG)
def test_rules_that_cannot_be_are_refused(open_tract: Callable[..., Tract], case: str) -> None:
    """And nothing is kept."""
    t = open_tract()
    with pytest.raises(InvalidInputError):
        t.policies.add("tool_rules", **WRONG[case])

    assert len(t.policies) == 0


def test_rules_survive_reopening(tmp_path: Path) -> None:
    """As data, to the last field."""
    with Tract.open(tmp_path / "a.db") as t:
        kept = t.policies.add("tool_rules", arguments={"pay": SCHEMA}, effects={"pay": "write"}, max_calls=3)
    with Tract.open(tmp_path / "a.db") as t:
        assert t.policies["tool_rules"] == kept
        assert isinstance(kept, ToolRules)
        assert _run(t, _pay(amount=101))[0] == []


def test_a_schema_is_looked_at_with_its_library_alone(tmp_path: Path) -> None:
    """`jsonschema` is loaded for rules that have a schema, and for nothing else."""
    for fields, is_loaded in (({"max_calls": 1}, False), ({"arguments": {"pay": {"type": "object"}}}, True)):
        code = (
            "import sys; from tract import Tract; "
            f"t = Tract.open({str(tmp_path / 'a.db')!r}); t.policies.add('tool_rules', **{fields!r}); "
            "print('jsonschema' in sys.modules)"
        )
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        assert found.stdout.strip() == str(is_loaded)


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda child: st.lists(child, max_size=3) | st.dictionaries(st.sampled_from("ab"), child, max_size=2),
    max_leaves=6,
)


@given(_values)
def test_problems_are_found_where_they_are(value: Any) -> None:
    """By a rule written twice: as a schema, and in Python."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    fits = isinstance(value, dict) and isinstance(value.get("a"), int) and not isinstance(value.get("a"), bool)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (problems(schema, value) == []) is fits
