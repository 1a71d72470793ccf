"""Answers how commits and messages are written down: as JSON, and as cells of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tract.cli._render import Cell, Table

if TYPE_CHECKING:
    from tract.cli._context import App
    from tract.objects.commit import CommitInfo
    from tract.objects.config import ModelChoice
    from tract.objects.message import Message
    from tract.porcelain.tract import Tract

LOG_HEADER = ("commit", "op", "origin", ">tokens", ">context", "when", "message")

_ORIGIN_STYLES = {"system": "magenta", "user": "green", "model": "cyan", "tool": "blue"}


def commit_json(info: CommitInfo) -> dict[str, Any]:
    """Return everything known of a commit, as JSON."""
    return {
        "hash": info.hash,
        "parents": list(info.parents),
        "op": info.op,
        "targets": list(info.targets),
        "content_type": info.content_type,
        "content_hash": info.content_hash,
        "message": info.message,
        "tokens": info.tokens,
        "context_tokens": info.context_tokens,
        "origin": info.origin,
        "author": info.author,
        "reply_to": info.reply_to,
        "created_at": info.created_at.isoformat(),
        "generation": info.generation,
        "sent": info.sent,
        "metadata": dict(info.metadata),
        "generation_config": None if info.generation_config is None else dict(info.generation_config),
    }


def commit_row(info: CommitInfo) -> list[Cell]:
    """Return one line of a log, under `LOG_HEADER`."""
    return [
        (info.short_hash, "yellow"),
        info.op,
        (info.origin, _ORIGIN_STYLES.get(info.origin, "dim")),
        str(info.tokens),
        str(info.context_tokens),
        (info.created_at.strftime("%Y-%m-%d %H:%M:%S"), "dim"),
        info.message,
    ]


def message_text(message: Message) -> str:
    """Return what a message says, with its tool calls written as calls."""
    said = [message.text] if message.text else []
    said += [f"{call.name}({call.arguments})" for call in message.tool_calls]
    others = [part.type for part in message.parts if part.type not in {"text", "tool_call"}]
    return "\n".join(said + [f"[{kind}]" for kind in others])


def emit_place(app: App, t: Tract) -> None:
    """Print where *t* stands now: the branch, or `detached`, and the commit."""
    head = (t.head or "")[:8]
    place = (t.current_branch, "green") if t.current_branch is not None else ("detached", "red")
    app.emit({"branch": t.current_branch, "head": t.head}, [Table([[place, (head, "yellow")]])])


def model_json(choice: ModelChoice) -> dict[str, Any]:
    """Return what an operation will ask, each value with who set it."""
    named = {"provider": choice.provider, "base_url": choice.base_url, "model": choice.model, **choice.settings}
    return {name: {"value": one.value, "source": one.source} for name, one in named.items() if one is not None}


def model_text(choice: ModelChoice) -> str:
    """Return the same in one line."""
    named = {"provider": choice.provider, "model": choice.model, "base_url": choice.base_url, **choice.settings}
    return ", ".join(f"{name} {one}" for name, one in named.items() if one is not None) or "nobody"
