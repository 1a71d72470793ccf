"""Functions as tools: the schema a model is told, the arguments checked, and what results become."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from tests.strategies import JSON
from tract import ImagePart, TextPart, Tool, ToolCall, ToolResultContent, Tract
from tract.agent.schemas import ArgumentsError, read_docstring
from tract.agent.tools import Toolbox, as_tool, failed, hide_secrets, result_of
from tract.errors import InvalidInputError, ToolNotFoundError

CALL = ToolCall("call_1", "f", "{}")


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


class Place(BaseModel):
    """Where."""

    title: str
    at: tuple[float, float] | None = None


class Branch(BaseModel):
    name: str
    below: list["Branch"] = []


def book(  # noqa: D417 - two are described by their annotation, or not at all
    place: Place,
    day: date,
    seats: Annotated[int, Field(ge=1, description="How many.")] = 1,
    *,
    size: Size = Size.SMALL,
    kind: Literal["bus", "train"] = "bus",
) -> str:
    """Book a ride.

    It is paid for later.

    Args:
        place: Where to,
            with its title.
        day (date): The day.
        size: How large: small or large.

    Returns:
        The number of the ride.
    """
    return f"{place.title} {day.isoformat()} {seats} {size.name} {kind}"


def test_a_typed_function_becomes_a_schema() -> None:
    """From annotations, defaults and a Google-style docstring; nested models stand in place."""
    tool = as_tool(book)
    properties = tool.parameters["properties"]

    assert (tool.name, tool.description) == ("book", "Book a ride.\n\nIt is paid for later.")
    assert tool.parameters["required"] == ["place", "day"]
    assert tool.parameters["additionalProperties"] is False
    assert "$defs" not in tool.parameters
    assert properties["place"]["properties"]["title"] == {"type": "string"}
    assert properties["place"]["description"] == "Where to, with its title."
    assert properties["day"] == {"description": "The day.", "format": "date", "type": "string"}
    assert properties["seats"]["description"] == "How many."
    assert (properties["seats"]["minimum"], properties["seats"]["default"]) == (1, 1)
    assert properties["size"]["enum"] == ["s", "l"]
    assert properties["kind"]["enum"] == ["bus", "train"]
    assert json.loads(json.dumps(tool.definition()))["function"]["name"] == "book"


def test_arguments_arrive_as_the_types_of_the_function() -> None:
    """What is left out keeps its default; a number in text is a number."""
    text = '{"place": {"title": "Porto"}, "day": "2030-01-02", "seats": "2", "size": "l"}'

    assert as_tool(book).call(text) == "Porto 2030-01-02 2 LARGE bus"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("{", "not valid JSON"),
        ("[1]", "not a JSON object"),
        ('{"a": 1, "a": 2}', "not valid JSON"),
        ("{}", "`a`: Field required."),
        ('{"a": "x"}', "`a`: Input should be a valid integer"),
        ('{"a": 1, "z": 2}', "`z`: Extra inputs are not permitted."),
    ],
)
def test_arguments_that_do_not_fit_are_told_to_the_model(arguments: str, told: str) -> None:
    """In a sentence, without a traceback."""

    def f(a: int) -> int:
        return a

    with pytest.raises(ArgumentsError, match=told.replace("`", ".")):
        as_tool(f).call(arguments)


def test_any_name_an_argument_may_have_will_do() -> None:
    """Also those a pydantic model has for itself."""

    def f(schema: int, model_config: int, copy: int, _hidden: int, title: int, json: int = 5) -> list[int]:
        return [schema, model_config, copy, _hidden, title, json]

    tool = as_tool(f)

    assert list(tool.parameters["properties"]) == ["schema", "model_config", "copy", "_hidden", "title", "json"]
    assert tool.call('{"schema": 1, "model_config": 2, "copy": 3, "_hidden": 4, "title": 5}') == [1, 2, 3, 4, 5, 5]


def test_methods_partials_and_callable_objects_are_tools() -> None:
    """Without what is bound already; a positional-only argument is given by place."""

    class Shop:
        def price(self, tea: str, /, count: int = 1) -> str:
            """Say a price."""
            return f"{tea} {count}"

        def __call__(self, tea: str) -> str:
            """Sell."""
            return tea

    shop = Shop()

    assert as_tool(shop.price).call('{"tea": "green", "count": 2}') == "green 2"
    assert as_tool(shop, name="sell").call('{"tea": "green"}') == "green"
    assert as_tool(functools.partial(shop.price, count=3), name="three").call('{"tea": "green"}') == "green 3"


def test_a_type_that_contains_itself_stays_a_reference() -> None:
    """And its arguments are read."""

    def f(root: Branch) -> int:
        return len(root.below)

    tool = as_tool(f)

    assert "$defs" in tool.parameters
    assert tool.call('{"root": {"name": "a", "below": [{"name": "b"}]}}') == 1


def test_a_default_without_a_json_form_is_left_out_of_the_schema() -> None:
    """The function still has it."""
    marker = object()

    def f(a: Any = marker) -> bool:
        return a is marker

    tool = as_tool(f)

    assert "default" not in tool.parameters["properties"]["a"]
    assert tool.call("") is True


def _untyped(a) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - what is refused
    del a


def _starred(*a: int) -> None:
    del a


def _named(**a: int) -> None:
    del a


def _unknown(a: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821 - what is refused
    del a


def _without_schema(a: Callable[[], None]) -> None:
    del a


@pytest.mark.parametrize("wrong", [_untyped, _starred, _named, _unknown, _without_schema, Place, 5, None, "f"])
def test_what_has_no_schema_is_refused_when_it_is_added(wrong: object) -> None:
    """With a sentence that names the function."""
    with pytest.raises(InvalidInputError):
        as_tool(wrong)


@pytest.mark.parametrize("name", ["", "a b", "1st", "a.b", "é", "x" * 65, 5])
def test_a_name_some_provider_refuses_is_refused(name: Any) -> None:
    """Names are those every provider takes."""
    with pytest.raises(InvalidInputError):
        as_tool(book, name=name)


def test_a_raw_schema_is_handed_on_as_it_is() -> None:
    """A JSON schema, or a definition in OpenAI's or Anthropic's shape."""
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}

    def f(**arguments: Any) -> Any:
        return arguments

    plain = as_tool(f, name="search", schema=schema)
    openai = as_tool(f, schema={"type": "function", "function": {"name": "search", "parameters": schema}})
    anthropic = as_tool(f, schema={"name": "search", "description": "Search.", "input_schema": schema})

    assert plain.parameters == openai.parameters == anthropic.parameters == schema
    assert (openai.name, anthropic.name, anthropic.description) == ("search", "search", "Search.")
    assert plain.call('{"q": "tea", "n": 1}') == {"q": "tea", "n": 1}
    for wrong in (5, {"function": 5}, {"parameters": {"a": object()}}):
        with pytest.raises(InvalidInputError):
            as_tool(f, name="search", schema=wrong)  # type: ignore[arg-type]  # what is refused


def test_the_toolbox_is_a_mapping_of_tools() -> None:
    """`t.tools.add` adds; the function stays what it was."""
    with Tract.open() as t:

        @t.tool
        def one() -> int:
            return 1

        @t.tool(name="second", idempotent=True, description="Two.")
        def two() -> int:
            return 2

        assert (one(), two()) == (1, 2)
        assert list(t.tools) == ["one", "second"]
        assert isinstance(t.tools["second"], Tool)
        assert (t.tools["second"].idempotent, t.tools["second"].description) == (True, "Two.")
        assert "one" in t.tools
        assert t.tools.remove("one").name == "one"
        assert t.tools.get("one") is None
        with pytest.raises(ToolNotFoundError):
            t.tools.remove("one")
        with pytest.raises(InvalidInputError):
            t.tools.add(two, colour="red")
        with pytest.raises(InvalidInputError):
            Toolbox([5])


def test_sections_of_a_docstring_are_told_apart() -> None:
    """Whatever comes before the first is what the tool does."""
    text = "Do.\n\nMore.\n\nArgs:\n"
    text += "    a: One\n        and two.\n    *b (int): Three.\n\n    c: Four.\nReturns:\n    d: Five."

    assert read_docstring(text) == ("Do.\n\nMore.", {"a": "One and two.", "b": "Three.", "c": "Four."})
    assert read_docstring("") == ("", {})


# --- results -------------------------------------------------------------------------------------


@dataclass
class Point:
    x: int
    y: int


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("tea", "tea"),
        ("", ""),
        (None, "null"),
        (5, "5"),
        ([1, "a"], '[1,"a"]'),
        ({"é": date(2030, 1, 2)}, '{"é":"2030-01-02"}'),
        (Point(1, 2), '{"x":1,"y":2}'),
        (Place(title="Porto"), '{"title":"Porto","at":null}'),
        ("half \ud83d pair", "half ? pair"),
        ([], "[]"),
    ],
)
def test_a_result_is_text_or_its_json(value: object, text: str) -> None:
    """What reads as text stays text."""
    content = result_of(CALL, value)

    assert (content.call_id, content.name, content.text, content.is_error) == ("call_1", "f", text, False)


def test_images_and_parts_stay_what_they_are() -> None:
    """One, or several with text between them."""
    image = ImagePart("image/png", b"\x89PNG")

    assert result_of(CALL, image).parts == (image,)
    assert result_of(CALL, ["Here:", image]).parts == (TextPart("Here:"), image)
    assert result_of(CALL, ToolResultContent(call_id="x", text="a", is_error=True)).is_error


@pytest.mark.parametrize("value", [object(), b"\xff\xfe", {object(): 1}])
def test_what_has_no_json_form_is_an_error_for_the_model(value: object) -> None:
    """It says which type it was."""
    with pytest.raises(ArgumentsError, match="JSON"):
        result_of(CALL, value)


@given(JSON)
def test_any_json_a_tool_returns_can_be_committed(value: Any) -> None:
    """And reads back as the same value."""
    content = result_of(CALL, value)

    assert (content.text if isinstance(value, str) else json.loads(content.text or "")) == value


@given(st.text())
def test_any_text_a_tool_returns_can_be_committed(value: str) -> None:
    """In UTF-8."""
    assert (result_of(CALL, value).text or "").encode() is not None


def test_secrets_of_the_environment_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a tool's error quote one; a short value is no secret."""
    monkeypatch.setenv("SHOP_API_KEY", "sk-canary-0123")
    monkeypatch.setenv("SHORT_TOKEN", "a")

    assert hide_secrets("bad key sk-canary-0123 at a") == "bad key *** at a"
    assert "canary" not in (failed(CALL, "no: sk-canary-0123").text or "")
    assert len(failed(CALL, "x" * 10_000).text or "") < 2_100
