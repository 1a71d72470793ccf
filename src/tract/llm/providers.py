"""Answers where each provider is, which format it speaks and which environment variables name its key."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tract.errors import AuthenticationError, InvalidInputError, shown
from tract.llm.anthropic import Anthropic
from tract.llm.gemini import Gemini
from tract.llm.openai_chat import OpenAIChat
from tract.llm.openai_responses import OpenAIResponses
from tract.llm.protocol import Format
from tract.llm.secret import Secret
from tract.llm.wire import Codec


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider.

    Attributes:
        format: The wire format it speaks.
        base_url: Where it is, if nothing else is said.
        key_variables: Environment variables that may hold its key, in order.
        url_variables: Environment variables that may hold its base URL, in order.
        needs_key: It answers nobody without a key.
    """

    format: Format
    base_url: str
    key_variables: tuple[str, ...] = ()
    url_variables: tuple[str, ...] = ()
    needs_key: bool = True


_OPENAI: Final = "https://api.openai.com/v1"

PROVIDERS: Final[Mapping[str, Provider]] = {
    "openai": Provider(
        format="openai",
        base_url=_OPENAI,
        key_variables=("OPENAI_API_KEY",),
        url_variables=("OPENAI_BASE_URL",),
    ),
    "openai_responses": Provider(
        format="openai_responses",
        base_url=_OPENAI,
        key_variables=("OPENAI_API_KEY",),
        url_variables=("OPENAI_BASE_URL",),
    ),
    "anthropic": Provider(
        format="anthropic",
        base_url="https://api.anthropic.com",
        key_variables=("ANTHROPIC_API_KEY",),
        url_variables=("ANTHROPIC_BASE_URL",),
    ),
    "gemini": Provider(
        format="gemini",
        base_url="https://generativelanguage.googleapis.com",
        key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        url_variables=("GOOGLE_GEMINI_BASE_URL",),
    ),
    "ollama": Provider(format="openai", base_url="http://localhost:11434/v1", needs_key=False),
}
"""The providers known by name; any other name is a server that speaks Chat Completions at a `base_url`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a client sends, in which format and with which key.

    Attributes:
        provider: Who answers.
        base_url: Without a final slash.
        codec: The format it speaks.
        key: The key, or `None` where none is needed.
    """

    provider: str
    base_url: str
    codec: Codec
    key: Secret | None

    def __repr__(self) -> str:
        return f"<Endpoint {self.provider} {self.base_url}>"


def endpoint(provider: str, *, api_key: str | Secret | None = None, base_url: str | None = None) -> Endpoint:
    """Return where *provider* is reached, from the arguments or else from its environment variables.

    The key of one provider is never taken for another: a server of one's own named `acme` is looked up in
    `ACME_API_KEY`.

    Raises:
        InvalidInputError: The provider is unknown and has no `base_url`, or that is no HTTP URL.
        AuthenticationError: The provider needs a key and there is none.
    """
    if not isinstance(provider, str) or not provider:
        raise InvalidInputError("A provider is named by text.", hint=_KNOWN)
    known = PROVIDERS.get(provider)
    found = base_url or _from_environment(known.url_variables if known else ())
    if found is None and known is None:
        raise _unknown(provider)
    original = known.base_url if known else None
    url = checked_url(found or original)
    key = _key(provider, known, api_key)
    # A server of one's own at another address may well want no key.
    if key is None and known is not None and known.needs_key and url == original:
        names = " or ".join(known.key_variables)
        raise AuthenticationError(
            f"No API key for {provider}.", provider=provider, hint=f"Give `api_key` or set {names}."
        )
    spoken: Format = known.format if known else "openai"
    return Endpoint(provider=provider, base_url=url, codec=codec_for(spoken, provider, base_url=url), key=key)


def is_ready(provider: str) -> bool:
    """Tell whether *provider* can be asked as it is: its key is in the environment, or it needs none.

    Raises:
        InvalidInputError: The provider is unknown.
    """
    known = PROVIDERS.get(provider)
    if known is None:
        raise _unknown(provider)
    return not known.needs_key or _from_environment(known.key_variables) is not None


def _unknown(provider: str) -> InvalidInputError:
    return InvalidInputError(f"Unknown provider {shown(provider)} without `base_url`.", hint=_KNOWN)


_KNOWN: Final = (
    f"Known are {', '.join(PROVIDERS)}; any other name needs the `base_url` of a server that speaks OpenAI's format."
)


def _key(provider: str, known: Provider | None, given: str | Secret | None) -> Secret | None:
    if isinstance(given, Secret):
        return given
    if given is not None:
        return Secret(given)
    own = (f"{''.join(c if c.isalnum() else '_' for c in provider.upper())}_API_KEY",)
    found = _from_environment(known.key_variables if known else own)
    return Secret(found) if found else None


def _from_environment(names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := os.environ.get(name, "").strip())), None)


def checked_url(url: object) -> str:
    """Return *url* without a final slash.

    Raises:
        InvalidInputError: It is no HTTP URL, or holds a password, a query or a fragment.
    """
    try:
        parts = urlsplit(url) if isinstance(url, str) and url.isprintable() and url.isascii() else None
        is_good = parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname)
        is_good = is_good and parts is not None and (parts.port is None or parts.port > 0)
        is_plain = parts is not None and not (parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError:
        is_good = is_plain = False
    if not (is_good and is_plain):
        raise InvalidInputError("`base_url` is no plain HTTP URL.", hint="Such as `http://localhost:8000/v1`.")
    return str(url).rstrip("/")


_CODECS: Final[Mapping[Format, Callable[[str, str | None], Codec]]] = {
    "openai": lambda provider, url: OpenAIChat(provider, is_original=url == _OPENAI),
    "openai_responses": lambda provider, _: OpenAIResponses(provider),
    "anthropic": lambda provider, _: Anthropic(provider),
    "gemini": lambda provider, _: Gemini(provider),
}


def codec_for(
    format: Format,  # noqa: A002  # the field's name
    provider: str | None = None,
    *,
    base_url: str | None = None,
) -> Codec:
    """Return the codec of *format* as the server at *base_url* speaks it.

    Raises:
        InvalidInputError: There is no such format.
    """
    make = _CODECS.get(format) if isinstance(format, str) else None
    if make is None:
        raise InvalidInputError(f"Unknown format {shown(format)}.", hint=f"Known are {', '.join(_CODECS)}.")
    return make(provider or format, base_url)
