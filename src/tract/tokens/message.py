"""What does a message cost beyond its texts? The known overhead of OpenAI's chat format.

Source: OpenAI Cookbook, "How to count tokens with tiktoken", `num_tokens_from_messages`: three tokens
around each message, one more for a name, three before the reply. The cookbook also counts the
role, which is one token for every role in use. OpenAI publishes no figure for the
wrapping of a tool call or for other vendors; a recorded usage is the exact answer there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tract.objects.message import AnyPart, Message, Reasoning, TextPart, ToolCall, ToolResultPart
from tract.tokens.counter import TokenCounter

MESSAGE_OVERHEAD_TOKENS: Final = 3
ROLE_TOKENS: Final = 1
NAME_TOKENS: Final = 1
REPLY_PRIMING_TOKENS: Final = 3
"""Added once per request, not per message."""
IMAGE_TOKENS: Final = 765
"""The estimate for any image: what GPT-4o charges for 1024 x 1024 pixels in high detail.

Source: OpenAI's guide "Images and vision": 85 tokens plus 170 for each of four tiles. The true price depends on
the size of the image and on the model.
"""


def count_message(texts: Iterable[str], counter: TokenCounter, *, has_name: bool = False, image_count: int = 0) -> int:
    """Return the tokens of one message, without the `REPLY_PRIMING_TOKENS` of the request.

    Args:
        texts: Every text the model reads in the message: content, names and argument strings of tool
            calls, and the sender's name when *has_name*. Not the role.
        counter: Counts each text.
        has_name: Whether the message names its sender.
        image_count: How many image parts it has.
    """
    overhead = MESSAGE_OVERHEAD_TOKENS + ROLE_TOKENS + (NAME_TOKENS if has_name else 0)
    return overhead + image_count * IMAGE_TOKENS + sum(map(counter.count, texts))


def message_tokens(message: Message, counter: TokenCounter) -> int:
    """Return the tokens of *message* by *counter*: overhead, text, names, tool calls and images.

    Reasoning counts as its readable text, since vendors do not say what they charge for the rest.
    """
    texts: list[str] = [] if message.name is None else [message.name]
    images = 0
    for part in message.parts:
        if type(part) is TextPart:
            texts.append(part.text)
        else:
            images += _collect(part, texts)
    return count_message(texts, counter, has_name=message.name is not None, image_count=images)


def _collect(part: AnyPart, texts: list[str]) -> int:
    """Add the texts of *part* to *texts* and return how many images it holds."""
    if isinstance(part, ToolCall):
        texts.extend((part.name, part.arguments))
        return 0
    if isinstance(part, ToolResultPart):
        texts.append(part.text)
        return sum(_collect(child, texts) for child in part.parts)
    if isinstance(part, (TextPart, Reasoning)):
        texts.append(part.text)
        return 0
    return 1  # a document costs at least as much as an image; vendors count its pages
