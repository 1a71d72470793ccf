"""What can go wrong when a model is asked. Nothing of a failed answer was kept, unless the error says so."""

from __future__ import annotations

from typing import Any

from tract.errors.base import TractError


class ModelError(TractError):
    """A model could not be asked, refused, or answered what cannot be used.

    Attributes:
        provider: Who was asked, such as `openai`.
        status: The HTTP status, or `None` if there was no answer.
        request_id: The provider's id of the request, for its support.
        attempts: How often it was tried.
    """

    code = "model"
    is_transient = False
    """Whether the same request may succeed later."""

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        status: int | None = None,
        request_id: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.provider = provider
        self.status = status
        self.request_id = request_id
        self.attempts = 1


class NoModelError(ModelError):
    """No model is configured for this operation."""

    code = "no_model"
    usual_hint = "Give a client as `llm`, or a provider and its key: `Tract.open(path, provider=..., model=...)`."


class AuthenticationError(ModelError, PermissionError):
    """The provider did not accept the key, or the key may not do this."""

    code = "authentication"
    usual_hint = "Check the API key, given when opening the tract or in the provider's environment variable."


class ModelRequestError(ModelError, ValueError):
    """The provider refused the request as it is; sending it again would change nothing."""

    code = "model_request"


class ContextTooLongError(ModelRequestError):
    """The messages do not fit the model's context window.

    Attributes:
        limit_tokens: The window, if the provider said.
        sent_tokens: What was sent, if the provider said.
    """

    code = "context_too_long"
    usual_hint = "Skip or edit what is not needed with `t.skip(commit)`, or use a model with a larger window."

    def __init__(
        self, message: str, *, limit_tokens: int | None = None, sent_tokens: int | None = None, **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.limit_tokens = limit_tokens
        self.sent_tokens = sent_tokens


class RateLimitedError(ModelError):
    """The provider wants fewer requests or tokens per minute, or the account's quota is used up.

    Attributes:
        retry_after_seconds: How long the provider asks to wait, or `None`.
    """

    code = "rate_limited"
    is_transient = True
    usual_hint = "Wait for `retry_after_seconds` and call again; the conversation is as it was."

    def __init__(self, message: str, *, retry_after_seconds: float | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.retry_after_seconds = retry_after_seconds

    @property
    def retry_after(self) -> float | None:
        """The same as `retry_after_seconds`, by the name of the HTTP header."""
        return self.retry_after_seconds


class ModelUnavailableError(ModelError):
    """The provider failed or is overloaded (408, 409, 5xx, 529).

    Attributes:
        retry_after_seconds: How long the provider asks to wait, or `None`.
    """

    code = "model_unavailable"
    is_transient = True
    usual_hint = "Call again later; the conversation is as it was."

    def __init__(self, message: str, *, retry_after_seconds: float | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.retry_after_seconds = retry_after_seconds


class ModelConnectionError(ModelError, ConnectionError):
    """The provider could not be reached, or the connection broke before the answer was complete."""

    code = "model_connection"
    is_transient = True
    usual_hint = "Check the network and `base_url`; the conversation is as it was."


class ModelTimeoutError(ModelError, TimeoutError):
    """The provider did not answer in time."""

    code = "model_timeout"
    is_transient = True
    usual_hint = "Call again, or raise the client's `timeout_seconds`."


class ModelResponseError(ModelError):
    """The answer is not what the provider documents, or not what was asked for."""

    code = "model_response"


class ModelAnswerError(ModelResponseError):
    """A model that was asked to decide, to review or to summarize answered what cannot be used; nothing was changed.

    Attributes:
        answer: All it said, as it came; trust nothing in it.
        problem: What is wrong with it.
    """

    code = "model_answer"
    usual_hint = "Call again, use another model as in `t.configure_operations(merge=...)`, or decide yourself."

    def __init__(self, problem: str, *, answer: str, **details: Any) -> None:
        super().__init__(f"The model's answer cannot be used: {problem}.", **details)
        self.problem = problem
        self.answer = answer


class StreamBrokenError(ModelConnectionError):
    """A streamed answer broke off.

    Attributes:
        partial: What arrived, as an assistant's `DialogueContent` marked `interrupted`, or `None` if nothing did.
    """

    code = "stream_broken"
    usual_hint = "Call again; `partial` holds what arrived."

    def __init__(self, message: str, *, partial: Any = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.partial = partial
