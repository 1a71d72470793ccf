"""Answers what a rendering did to the messages: the value to send, what was repaired, what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tract.objects.message import Extra

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Loss:
    """Something the format cannot carry, so the provider does not see it.

    Attributes:
        kind: What was lost, such as `reasoning`, `image`, `name`, `is_error`, `order`, `position`, `extra`.
        message_index: The message it was in, counted in the messages given; `None` for an inserted one.
        detail: A few words for people.
    """

    kind: str
    message_index: int | None
    detail: str = ""

    def __repr__(self) -> str:
        return f"<Loss {self.kind} at {self.message_index}>"


@dataclass(frozen=True, slots=True)
class Repair:
    """Something that was changed because the provider would have refused it.

    Attributes:
        kind: What was done, such as `interrupted_result` or `orphan_result`.
        message_index: The message it was done to, counted in the messages given.
        detail: A few words for people.
    """

    kind: str
    message_index: int | None
    detail: str = ""

    def __repr__(self) -> str:
        return f"<Repair {self.kind} at {self.message_index}>"


@dataclass(frozen=True, slots=True)
class Rendered(Generic[Value]):
    """Messages in one provider's format.

    Attributes:
        value: What to send.
        losses: What the provider will not see, in message order.
        repairs: What was changed to make the value valid; exchange repairs first.
        sources: For each message of the value, the indexes of the messages it was made of; empty when inserted.
        origins: Where turns hold blocks: for each turn, the message each of its blocks came from, `None` if inserted.
    """

    value: Value
    losses: tuple[Loss, ...] = ()
    repairs: tuple[Repair, ...] = ()
    sources: Sequence[tuple[int, ...]] = ()
    origins: Sequence[Sequence[int | None]] = ()

    def __repr__(self) -> str:
        return f"<Rendered messages={len(self.sources)} losses={len(self.losses)} repairs={len(self.repairs)}>"


@dataclass(slots=True)
class Notes:
    """Collects losses and repairs while one rendering runs."""

    losses: list[Loss] = field(default_factory=list)
    repairs: list[Repair] = field(default_factory=list)

    def lose(self, kind: str, message_index: int | None, detail: str = "") -> None:
        """Note that something is not sent."""
        self.losses.append(Loss(kind, message_index, detail))

    def repair(self, kind: str, message_index: int | None, detail: str = "") -> None:
        """Note that something was changed."""
        self.repairs.append(Repair(kind, message_index, detail))

    def lose_foreign(self, extra: Extra, provider: str, message_index: int | None) -> None:
        """Note the fields of *extra* that only other providers know.

        `content` is the reader's own mark of how the content was written, and an empty value says
        nothing, so neither counts.
        """
        for owner, fields in extra.items():
            if owner == provider:
                continue
            named = sorted(name for name, value in fields.items() if name != "content" and value not in (None, [], {}))
            if named:
                self.lose("extra", message_index, f"{owner}: {', '.join(named)}")
