"""Random histories on several branches, compressed by the real verbs: they are what a naive model says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.every import refused
from tests.merge_model import Place
from tests.operations.merging import History, histories, resolved
from tract import CommitInfo, CompressResult, Message
from tract.compile.safety import WARNING_KINDS
from tract.errors import InvalidInputError, InvalidTargetError

STEPS = [
    "append", "append", "append", "exchange", "exchange", "edit", "annotate", "annotate", "revert", "reorder",
    "compress", "compress", "compress", "compress", "switch", "branch", "merge",
]  # fmt: skip
WORDS = "with words enough to leave some out"


class Talk(History):
    """A history whose every verb is the public one."""

    def append(self) -> None:
        self.count += 1
        self.t.user(f"message {self.count} {WORDS}")
        self.note()

    def exchange(self) -> None:
        """Parallel calls, with results in any order; some never come, some come late."""
        self.count += 1
        ids = [f"call_{self.count}_{number}" for number in range(self.chance.randint(1, 2))]
        self.t.assistant(f"I look {WORDS}", tool_calls=[{"id": one, "name": "f", "arguments": "{}"} for one in ids])
        for one in self.chance.sample(ids, len(ids)):
            if self.chance.random() < 0.8:
                self.t.tool_result(one, f"found {one} {WORDS}")
            if self.chance.random() < 0.2:
                self.append()
        self.note()

    def reorder(self) -> None:
        places = [place.commit for place in self.model.fold(self.head)]
        try:
            self.t.reorder(self.chance.sample(places, min(len(places), 3)), allow=WARNING_KINDS)
        except InvalidInputError:
            return  # they stand so already
        self.note()

    def revert(self) -> None:
        target = self._some("edit", "annotate", "compress", "compress", "reorder", "revert", "append")
        assert target is not None
        try:
            self.t.revert(target)
        except InvalidTargetError:
            return  # reverted already, or inside another summary
        self.note()

    def merge(self) -> None:
        side = self.chance.choice(["ours", "theirs"])
        result = self.t.merge(self.chance.choice(list(self.t.branches)))
        if result.kind == "conflicts":
            self.t.commit_merge(resolved(result, side))
        self.note()

    def compress(self) -> None:
        before, messages = self.visible(), list(self.t.compile().messages)
        places = [place.commit for place in self.model.fold(self.head)]
        some = self.chance.sample(places, min(len(places), self.chance.randint(1, 5)))
        ends = sorted(self.chance.choices(range(len(places)), k=2))
        self.count += 1
        said = f"summary {self.count}"
        preserve = some[:1] if self.chance.random() < 0.3 else ()
        options: dict[str, Any] = self.chance.choice(
            [{}, {"commits": some}, {"start": places[ends[0]], "end": places[ends[1]]}]
        )
        try:
            result = self.t.compress(**options, preserve=preserve, summarizer=lambda _: said)
        except InvalidInputError:
            return  # nothing there, or places that trade: what they show may stand elsewhere
        assert isinstance(result, CompressResult)
        self.note()
        check_groups(before, messages, [self.t.get(commit) for commit in result.commits])

    def visible(self) -> list[Place]:
        return [place for place in self.model.fold(self.head) if place.is_visible]

    def check(self) -> None:
        """What HEAD compiles to is the model's fold, its size is true, and every provider takes it."""
        context = self.t.compile(verify=True)
        assert [message.text for message in context.messages] == self.model.visible(self.head)
        assert self.t.status().context_tokens == context.token_count
        if context.to_openai():  # else nothing is shown, or nothing but a result whose call was skipped
            assert refused(context) == []


def check_groups(before: list[Place], messages: list[Message], commits: list[CommitInfo]) -> None:
    """Each summary covers neighbours that were not pinned, and every exchange whole or not at all."""
    place_of = {place.commit: index for index, place in enumerate(before)}
    groups = [[place_of[target] for target in info.targets] for info in commits]
    for group in groups:
        assert group == list(range(group[0], group[0] + len(group)))
        assert all(before[index].priority != "pinned" for index in group)
    for members in exchanges(messages):
        inside = [len(members & set(group)) for group in groups]
        assert sum(inside) in {0, len(members)}
        assert max(inside) in {0, len(members)}


def exchanges(messages: list[Message]) -> Iterator[set[int]]:
    """Yield the places of each call and its results; ids are never used twice here."""
    for index, message in enumerate(messages):
        ids = {call.id for call in message.tool_calls}
        if ids:
            yield {index} | {place for place, one in enumerate(messages) if one.call_id in ids}


def uncompressed(talk: Talk) -> list[str]:
    """Return what would be shown if no compression were in effect."""
    places = talk.model.fold(talk.head)
    return [
        place.text for place in places if talk.model.commits[place.commit].op != "compress" and place.priority != "skip"
    ]


def revert_all(talk: Talk) -> None:
    """Revert every compression in effect, from the outside."""
    while True:
        summaries = [
            place
            for place in talk.model.fold(talk.head)
            if talk.model.commits[place.commit].op == "compress" and not place.is_off and not place.covers
        ]
        if not summaries:
            return
        talk.t.revert(talk.chance.choice(summaries).commit)
        talk.note()


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_any_mix_of_verbs_compiles_to_what_the_model_says(seed: int) -> None:
    """Nested, overlapping (through merges), reverted; reverting every one gives exactly the uncompressed context."""
    with histories(seed) as plain:
        talk = Talk(plain.t, seed)
        talk.note()
        talk.count = plain.count
        for _ in range(20):
            getattr(talk, talk.chance.choice(STEPS))()
            talk.check()
        expected = uncompressed(talk)
        revert_all(talk)
        talk.check()
        assert [message.text for message in talk.t.compile().messages] == expected
        assert talk.t.fsck() == []


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_every_compression_can_be_undone_and_expands_to_what_it_covers(seed: int) -> None:
    """Undo gives the state before, redo the state after, and expand the messages, through levels (G9)."""
    with histories(seed) as plain:
        talk = Talk(plain.t, seed)
        talk.note()
        for _ in range(12):
            getattr(talk, talk.chance.choice(["append", "exchange", "edit", "annotate", "reorder"]))()
            before = (talk.t.head, talk.t.compile().to_dicts())
            talk.compress()
            if talk.t.head == before[0]:
                continue
            after = (talk.t.head, talk.t.compile().to_dicts())
            talk.t.undo()
            assert (talk.t.head, talk.t.compile().to_dicts()) == before
            talk.t.redo()
            assert (talk.t.head, talk.t.compile().to_dicts()) == after
        places = talk.model.fold(talk.head)
        # A skipped summary hides what it covers as well.
        summaries = [place for place in places if talk.model.commits[place.commit].op == "compress"]
        for place in summaries:
            leaves = [one.text for one in talk.t.expand(place.commit).originals]
            assert leaves == list(behind(talk, place.commit))
        shown = talk.t.compile(expand=[place.commit for place in summaries])
        assert [message.text for message in shown.messages] == uncompressed(talk)


def behind(talk: Talk, commit: str) -> Iterator[str]:
    """Yield the texts of the messages a summary stands for, in the order it covered them."""
    places = {place.commit: place for place in talk.model.fold(talk.head)}
    for target in talk.model.commits[commit].targets:
        if talk.model.commits[target].op == "compress":
            yield from behind(talk, target)
        else:
            calls = talk.t.expand(target).message.tool_calls  # type: ignore[union-attr]
            tail = "".join(f"\n[tool call {call.name} {call.id}]\n{call.arguments}" for call in calls)
            yield places[target].text + tail
