"""What can be wrong with a conversation when a model is to be asked."""

from __future__ import annotations

from collections.abc import Iterable

from tract.errors.base import StateError, TractError


class UnansweredCallsError(StateError):
    """The last reply called tools whose results are not there yet; nothing may come between them.

    Attributes:
        calls: Ids of the calls without a result.
    """

    code = "unanswered_calls"

    def __init__(self, calls: Iterable[str]) -> None:
        self.calls = tuple(calls)
        many = len(self.calls) > 1
        super().__init__(
            f"The tool call{'s' if many else ''} {', '.join(self.calls)} {'have' if many else 'has'} no result yet.",
            hint="Commit results with `t.tool_result(call_id, content)`, or let `t.run()` run the tools.",
        )


class NothingToAnswerError(StateError):
    """There is no message a model could answer."""

    code = "nothing_to_answer"

    def __init__(self, *, is_empty: bool) -> None:
        super().__init__(
            "There is no message to send." if is_empty else "The last message is the model's own.",
            hint="Ask something with `t.chat(text)`.",
        )


class StreamOpenError(StateError):
    """The answer of a stream was asked for before the stream came to its end."""

    code = "stream_open"

    def __init__(self) -> None:
        super().__init__("The stream has not come to its end.", hint="Iterate over it first, as in `list(stream)`.")


class ToolNotFoundError(TractError, KeyError):
    """No tool has this name."""

    code = "tool_not_found"
    usual_hint = "Look at what there is with `list(t.tools)`, or add one with `t.tools.add(function)`."

    def __init__(self, name: str) -> None:
        super().__init__(f"No tool {name}.")
        self.name = name


class OrchestratorStateError(StateError):
    """An orchestrator cannot do this in the state it is in.

    Attributes:
        state: What it is doing.
        move: What was asked of it.
    """

    code = "orchestrator_state"

    def __init__(self, state: str, move: str) -> None:
        self.state = state
        self.move = move
        hints = {
            "paused": "Go on with `orchestrator.resume()`, or give it up with `orchestrator.stop()`.",
            "idle": "Begin with `orchestrator.run()`.",
        }
        usual = "Let it come to its end, or stop it with `orchestrator.stop()`."
        super().__init__(f"An orchestrator that is {state} cannot {move}.", hint=hints.get(state, usual))
