"""Answers what a model is sent: the compiled context of one commit, with tools and settings, as a `Request`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tract.agent.settings import Use
from tract.compile.compiler import Compiler, compile_commit, compile_head, states_of
from tract.compile.context import CompiledContext
from tract.compile.preview import breakpoints
from tract.compile.proof import FORMATS
from tract.compile.safety import open_calls
from tract.errors import DetachedHeadError
from tract.formats.prefix import chain_of, tools_digest
from tract.llm.protocol import Format, Reply, Request
from tract.objects.message import ToolCall
from tract.store import Store

Definitions = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Moment:
    """What a branch says at one commit.

    Attributes:
        branch: Name of the branch.
        head: Hash of the commit, or `None` before the first.
        context: What is sent.
        open_calls: Tool calls that wait for their results.
        erasures: What `Store.erasures` was before it was compiled.
    """

    branch: str
    head: bytes | None
    context: CompiledContext
    open_calls: tuple[ToolCall, ...]
    erasures: str | None = None


def moment_of(store: Store, compiler: Compiler | None) -> Moment:
    """Return what the current branch says now.

    Raises:
        DetachedHeadError: HEAD is on no branch.
    """
    with store.lock:  # another thread may switch this handle to another branch
        branch, head = store.head.branch, store.head_hash()
        if branch is None:
            raise DetachedHeadError
    return _moment(store, compiler, branch, head)


def moment_on(store: Store, compiler: Compiler | None, branch: str, head: bytes) -> Moment:
    """Return what *branch* says at *head*, wherever the handle stands."""
    return _moment(store, compiler, branch, head)


def _moment(store: Store, compiler: Compiler | None, branch: str, head: bytes | None) -> Moment:
    erasures = store.notice_erasures()
    context = _latest(store, head) if compiler is None else compile_commit(store, head, compiler=compiler)
    waiting = () if head is None else open_calls(states_of(store).get(head).shown)
    return Moment(branch, head, context, waiting, erasures)


def _latest(store: Store, head: bytes | None) -> CompiledContext:
    # The common case is known already: the context of the branch as it stands.
    context = compile_head(store)
    return context if context.head == (None if head is None else head.hex()) else compile_commit(store, head)


def request_for(context: CompiledContext, use: Use, tools: Definitions) -> Request:
    """Return what to send for *context*: the one place where a context becomes a request.

    Reasoning the provider would refuse, because what came before it has changed, is left out; of several clients
    another one may be asked in a format of its own, where that is other reasoning.
    """

    def proven(wire: Format) -> Request:
        proof = context.prove(wire, tools=tools)
        return Request(
            messages=proof.messages,
            hashes=[context.commit_hashes[at] for at in proof.indexes],
            model=use.model,
            tools=tuple(tools),
            settings=dict(use.settings),
            breakpoints=breakpoints(proof.messages),
            proven=proven,
        )

    return proven(use.llm.format)


def sent_with(request: Request, use: Use, reply: Reply) -> dict[str, Any]:
    """Return what the commit of *reply* keeps of its *request*: who was asked, and the exact prefix it came from."""
    # By the format that was spoken: of several clients another one than was asked first may have answered.
    is_first = reply.format == use.llm.format
    asked = request if is_first else request.spoken(reply.format)
    written = FORMATS[reply.format](asked.messages, hashes=asked.hashes)
    sent = {
        "format": reply.format,
        "model": reply.sent.get("model") or (request.model if is_first else None) or reply.model,
        "prefix": chain_of(reply.format, written).end.hex(),
    }
    tools = tools_digest(request.tools)
    return {**sent, "tools": tools} if tools else sent
