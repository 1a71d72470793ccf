"""Answers how tests get histories that hold summaries and merges, and random ones of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from hypothesis import strategies as st

from tract import CommitInfo, CompiledContext, Tract
from tract.compile.compiler import states_of
from tract.compile.fold import Event, State
from tract.errors import InvalidInputError, InvalidTargetError
from tract.formats.rules import Violation
from tract.formats.validate import validate_anthropic, validate_gemini, validate_openai, validate_openai_responses
from tract.operations.chain import Chain, NewCommit
from tract.storage.writing import Draft

VERBS = [
    "user", "user", "exchange", "pending", "reply", "system",
    "edit", "edit", "annotate", "reorder", "compress", "revert",
]  # fmt: skip


def state_of(t: Tract, revision: str = "HEAD") -> State:
    """Return the fold of *revision*."""
    return states_of(t._store).get(bytes.fromhex(t.get(revision).hash))


def event_of(t: Tract, commit: str | CommitInfo) -> Event:
    """Return *commit* as HEAD's history holds it."""
    hash_ = t.get(commit).hash
    return next(event for event in state_of(t).events if event.hash.hex() == hash_)


def compressed(t: Tract, commits: Sequence[str | CommitInfo], text: str) -> CommitInfo:
    """Cover *commits* with a summary that says *text*, as a compression does."""
    t.user(text)  # stores the content
    payload = state_of(t).head
    t.undo()
    assert payload is not None
    store = t._store
    chain = Chain(store, store.tip(store.head_hash() or b""))
    summary = NewCommit(
        "compress",
        tuple(event_of(t, commit) for commit in commits),
        content_type="dialogue",
        content=payload.content,
        message=payload.message,
        tokens=payload.tokens,
    )
    chain.add(summary)
    with store.operation("compress") as operation:
        chain.write(operation)
    return t.get("HEAD")


def merged(t: Tract, other: str) -> CommitInfo:
    """Write a bare merge commit of *other*."""
    store = t._store
    with store.operation("merge") as operation:
        ours, theirs = operation.tip, store.tip(store.ref(f"heads/{other}") or b"")
        assert ours is not None
        size = 0  # derived, and counted anew by whoever asks for the state
        draft = Draft("merge", None, None, "developer", "", store.clock(), 0, size)
        written = operation.add(draft, (ours, theirs))
        operation.move(store.head_ref(), ours, written)
    return t.get("HEAD")


def violations(context: CompiledContext) -> list[Violation]:
    """Return what a provider would refuse of *context* in any of the four formats; nothing to answer is fine."""
    if all(message.role in {"system", "developer"} for message in context.messages):
        return []
    responses, anthropic, gemini = context.to_openai_responses(), context.to_anthropic(), context.to_gemini()
    return [
        *validate_openai(context.to_openai()),
        *validate_openai_responses(responses["input"], instructions=responses.get("instructions")),
        *validate_anthropic(anthropic.get("system"), anthropic["messages"]),
        *validate_gemini(gemini["contents"], system_instruction=gemini.get("system_instruction")),
    ]


class History:
    """A tract that random verbs are done on."""

    def __init__(self, t: Tract, draw: Any) -> None:
        self.t = t
        self._draw = draw
        self._count = 0

    def some(self, most: int) -> None:
        """Do up to *most* random verbs on the current branch."""
        for _ in range(self._draw(st.integers(0, most))):
            getattr(self, self._draw(st.sampled_from(VERBS)))()

    def _text(self) -> str:
        self._count += 1
        return f"text {self._count}"

    def _entries(self, least: int = 1, most: int = 1) -> list[str] | None:
        placed = [] if self.t.head is None else [entry.placed.hash.hex() for entry in state_of(self.t).order]
        if len(placed) < least:
            return None
        return self._draw(st.lists(st.sampled_from(placed), min_size=least, max_size=most, unique=True))  # type: ignore[no-any-return]

    def user(self) -> None:
        self.t.user(self._text())

    def system(self) -> None:
        self.t.system(self._text())

    def exchange(self) -> None:
        """Parallel calls, answered in any order, some not at all, with other commits in between."""
        self._count += 1
        ids = [f"call_{self._count}_{number}" for number in range(self._draw(st.integers(1, 3)))]
        self.t.assistant(tool_calls=[{"id": one, "name": "look", "arguments": "{}"} for one in ids])
        for one in self._draw(st.permutations(ids)):
            if self._draw(st.integers(0, 5)):
                self.t.tool_result(one, self._text())
            if not self._draw(st.integers(0, 5)):
                self.annotate()

    def pending(self) -> None:
        self._count += 1
        self.t.assistant(tool_calls=[{"id": f"call_{self._count}", "name": "look", "arguments": "{}"}])

    def reply(self) -> None:
        chosen = self._entries()
        self.t.commit(self._text(), reply_to=chosen[0] if chosen else None)

    def edit(self) -> None:
        chosen = self._entries()
        if chosen is not None:
            self.t.edit(chosen[0], {"role": "user", "content": self._text()})

    def annotate(self) -> None:
        chosen = self._entries(most=3)
        if chosen is not None:
            priority: Literal["skip", "normal", "pinned"] = self._draw(st.sampled_from(["skip", "normal", "pinned"]))
            self.t.annotate(chosen, priority)

    def reorder(self) -> None:
        chosen = self._entries(2, 3)
        if chosen is not None:
            try:
                self.t.reorder(chosen, allow=["exchange_split", "reply_inverted", "instruction_moved"])
            except InvalidInputError:
                return  # they stand in this order already

    def compress(self) -> None:
        chosen = self._entries(most=3)
        if chosen is not None:
            compressed(self.t, chosen, self._text())

    def revert(self) -> None:
        changes = [] if self.t.head is None else [one for one in state_of(self.t).events if one.op != "merge"]
        if changes:
            try:
                self.t.revert(self._draw(st.sampled_from(changes)).hash.hex())
            except InvalidTargetError:
                return  # it was reverted already
