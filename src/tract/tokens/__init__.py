"""How many tokens does a text cost? Counters by name or model, exact where the ranks are known.

Importing this package loads neither tiktoken nor the ranks: the first count does.
"""

from __future__ import annotations

from tract.tokens.counter import TiktokenCounter, TokenCounter
from tract.tokens.estimate import EstimatedCounter
from tract.tokens.message import (
    IMAGE_TOKENS,
    MESSAGE_OVERHEAD_TOKENS,
    NAME_TOKENS,
    REPLY_PRIMING_TOKENS,
    ROLE_TOKENS,
    count_message,
    message_tokens,
)
from tract.tokens.select import DEFAULT_TOKENIZER, TOKENIZERS, counter_for

__all__ = [
    "DEFAULT_TOKENIZER",
    "IMAGE_TOKENS",
    "MESSAGE_OVERHEAD_TOKENS",
    "NAME_TOKENS",
    "REPLY_PRIMING_TOKENS",
    "ROLE_TOKENS",
    "TOKENIZERS",
    "EstimatedCounter",
    "TiktokenCounter",
    "TokenCounter",
    "count_message",
    "counter_for",
    "message_tokens",
]
