"""Answers what can be set: generation settings of a commit, and the settings of a tract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticSerializationError

from tract.errors import InvalidInputError, NotCanonicalError
from tract.objects.decision import AutonomyLevel
from tract.objects.hashing import canonical_json

OnExceed: TypeAlias = Literal["warn", "reject", "compress"] | Callable[[int, int], None]


class TokenBudget(BaseModel):
    """How many tokens the compiled context may hold.

    Attributes:
        limit_tokens: The context window to stay within.
        reserve_tokens: Kept free of it for the reply.
        on_exceed: `warn` (a Python `TokenBudgetWarning`), `reject` (`BudgetExceededError`, nothing
            written), `compress` (what is old is compressed first, so that a new message fits; where that
            is not enough, as `warn`) or a function called with `(tokens, limit_tokens)` before the commit is written;
            raising from it refuses the commit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit_tokens: int = Field(gt=0)
    reserve_tokens: int = Field(default=0, ge=0)
    on_exceed: OnExceed = "warn"

    @property
    def usable_tokens(self) -> int:
        """The limit less the reserve, at least 0."""
        return max(0, self.limit_tokens - self.reserve_tokens)


class TokenBudgetWarning(UserWarning):
    """A commit took the compiled context over its token budget."""


class TractConfig(BaseModel):
    """Settings of a tract; those given to `Tract.open` are kept in the store for the next opening.

    Attributes:
        budget: Token budget checked at each commit, or `None`.
        tokenizer: Name of the token counter, or of the model it is for; `None` for `o200k_base`.
        max_content_bytes: Largest payload or file accepted.
        busy_timeout_seconds: How long a write waits for other writers.
        default_branch: Branch a new tract starts on.
        cached_states: How many compiled states a handle keeps.
        autonomy: How far operations go on their own where the call does not say; `None` for what each does by itself.
        policy_log_limit: How many evaluations of policies are kept; the oldest go first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: TokenBudget | None = None
    tokenizer: str | None = None
    max_content_bytes: int = Field(default=16 * 1024 * 1024, gt=0)
    busy_timeout_seconds: float = Field(default=30.0, gt=0)
    default_branch: str = "main"
    cached_states: int = Field(default=16, ge=1)
    autonomy: AutonomyLevel | None = None
    policy_log_limit: int = Field(default=10_000, ge=1, lt=2**31)

    def persisted(self) -> dict[str, Any]:
        """Return the settings that differ from their defaults, as JSON; functions are left out."""
        fields = self.model_dump(exclude_defaults=True)
        budget = fields.get("budget")
        if budget and callable(budget.get("on_exceed")):
            del budget["on_exceed"]
        if self.autonomy is not None:
            fields["autonomy"] = self.autonomy.value
        return fields


def _listed(stop: object) -> object:
    # One spelling, so that equal settings are one row and one hash.
    return (stop,) if isinstance(stop, str) else stop


class GenerationConfig(BaseModel):
    """Settings a reply was generated with. Any further field of a provider is kept as it is.

    `stop` may be one text or several; it is kept as a tuple.
    """

    # "constants" keeps NaN, which is then refused; pydantic would make it null without a word.
    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=(), ser_json_inf_nan="constants")

    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: Annotated[tuple[str, ...] | None, BeforeValidator(_listed)] = None


OPERATIONS: Final = ("chat", "merge", "compress", "orchestrate")
"""What may have model settings of its own."""


class LLMConfig(BaseModel):
    """Which model an operation asks, and how. Any further field is an option sent to the provider as it is.

    Attributes:
        provider: `openai`, `openai_responses`, `anthropic`, `gemini`, or a name of one's own with `base_url`.
        base_url: Where the provider is, if not at its usual address.
        model: Name of the model.
        llm: A client to use instead; it is put in force on this handle and not kept in the store.
    """

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=(), ser_json_inf_nan="constants")

    provider: str | None = None
    base_url: str | None = None
    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = Field(default=None, gt=0)
    seed: int | None = None
    stop: Annotated[tuple[str, ...] | None, BeforeValidator(_listed)] = None
    llm: Any = Field(default=None, exclude=True, repr=False)

    def settings(self) -> dict[str, Any]:
        """Return what is sent with each request beside the model: parameters that are set, and further options."""
        fields = self.model_dump(exclude_none=True)
        return {name: value for name, value in fields.items() if name not in {"provider", "base_url", "model", "llm"}}


Source: TypeAlias = Literal["call", "operation", "tract", "client"]
"""Who set a value: the call, the operation's settings, the arguments of `Tract.open`, or the client itself."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A value in force, and who set it."""

    value: Any
    source: Source

    def __str__(self) -> str:
        return f"{self.value} ({self.source})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """What an operation will ask, and where each value comes from.

    Attributes:
        operation: One of `OPERATIONS`.
        provider: Who will be asked, or `None` if nobody is configured.
        base_url: Where the provider is, if not at its usual address.
        model: Name of the model, or `None`.
        settings: Parameters and further options sent with each request, by name.
    """

    operation: str
    provider: Chosen | None = None
    base_url: Chosen | None = None
    model: Chosen | None = None
    settings: Mapping[str, Chosen] = field(default_factory=dict)

    @property
    def is_configured(self) -> bool:
        """Whether somebody can be asked."""
        return self.provider is not None

    def values(self) -> dict[str, Any]:
        """Return the parameters and further options, without their sources."""
        return {name: chosen.value for name, chosen in self.settings.items()}


def encode_config(config: GenerationConfig | Mapping[str, Any]) -> bytes:
    """Return the canonical JSON of *config*, without the fields that are `None`.

    Raises:
        InvalidInputError: The values do not fit `GenerationConfig`.
        NotCanonicalError: A value has no JSON form.
    """
    if not isinstance(config, GenerationConfig):
        try:
            config = GenerationConfig.model_validate(config)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(step) for step in first["loc"])
            named = f"`{where}` of the generation config" if where else "The generation config"
            raise InvalidInputError(f"{named}: {first['msg']}.") from error
    try:
        fields = config.model_dump(mode="json", exclude_none=True)
    except (PydanticSerializationError, ValueError) as error:
        raise NotCanonicalError("A value of the generation config has no JSON form.") from error
    return canonical_json(fields)
