"""Asks a model and shows its reply while it comes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from tract.cli._context import App, json_option
from tract.cli._describe import commit_json
from tract.cli._text import visible
from tract.errors import InvalidContentError

if TYPE_CHECKING:
    from tract.agent.conversation import ChatResponse


@click.command()
@click.argument("text", required=False)
@click.option("--provider", envvar="TRACT_PROVIDER", show_envvar=True, help="Who to ask, such as `openai`.")
@click.option("--model", envvar="TRACT_MODEL", show_envvar=True, help="Name of the model.")
@click.option("--base-url", envvar="TRACT_BASE_URL", show_envvar=True, help="Where the provider is.")
@click.option("--temperature", type=float, help="As the provider takes it.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="How long the reply may be.")
@json_option
@click.pass_obj
def command(app: App, /, text: str | None, **options: Any) -> None:
    """Commit TEXT as the user's, ask the model, and commit its reply; `-` reads it from stdin.

    Without TEXT the model answers what is committed already. The key comes from the provider's usual
    environment variable. If the call fails, TEXT stays committed and asking again does not repeat it.
    """
    said = _stdin() if text == "-" else text
    given = {name: value for name, value in options.items() if value is not None}
    with app.write() as t:
        stream = t.stream(said, **given)
        for piece in stream:
            if not app.is_json:
                click.echo(visible(piece, keep="\n\t"), nl=False)
        response = stream.response
    if app.is_json:
        app.emit(_document(response), [])
    else:
        click.echo()
        _tell_calls(response)


def _stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise InvalidContentError("The text is not UTF-8.", hint="Convert it first, as with iconv.") from error


def _document(response: ChatResponse) -> dict[str, Any]:
    usage = response.usage
    counts = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    return {
        "text": response.text,
        "finish_reason": response.finish_reason,
        "generation_config": response.generation_config,
        "usage": None if usage is None else {name: getattr(usage, name) for name in counts},
        "tool_calls": [{"id": c.id, "name": c.name, "arguments": c.arguments} for c in response.tool_calls],
        "commit": commit_json(response.commit_info),
    }


def _tell_calls(response: ChatResponse) -> None:
    for call in response.tool_calls:
        click.echo(f"tool call: {visible(call.name)} {visible(call.arguments)}", err=True)
