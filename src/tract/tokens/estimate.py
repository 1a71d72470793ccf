"""How many tokens does a text cost a model whose tokenizer is not known? An estimate from its letters.

The text is split into runs of one kind (words, digits, punctuation, scripts), each with a price. The prices
were fitted to o200k_base on recorded agent conversations, Python, JavaScript and Markdown
files and sample sentences in nine languages.
"""

from __future__ import annotations

import re
from typing import Final

# Every alternative is one character class, repeated, so that matching is linear in the text.
_RUNS: Final = re.compile(
    r"(?P<word>[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[A-Z])"
    r"|(?P<digits>[0-9]+)"
    r"|(?P<space>[\t\n\r ]{2,}|[\t\n\r])"  # one space before a word belongs to the word's token
    r"|(?P<punctuation>[!-/:-@\[-`{-~]+)"
    r"|(?P<foreign_word>[\u00aa-\u1fff]+)"
    r"|(?P<ideograph>[\u2e80-\ua4cf\uf900-\ufaff\U00020000-\U0003ffff])"
    r"|(?P<hangul>[\uac00-\ud7a3]+)"
    r"|(?P<symbol>[^\s\x00-\x7f])"
)
# Prices in hundredths of a token: integers, so that no platform rounds differently.
_WORD, _WORD_LETTER, _SHORT_WORD_LETTERS = 96, 11, 6
_DIGITS, _DIGITS_PER_GROUP = 125, 3
_PUNCTUATION, _PUNCTUATION_MARK = 93, 2
_FOREIGN_WORD, _FOREIGN_LETTER = 120, 9
_FLAT: Final = {"space": 82, "ideograph": 84, "symbol": 143}
_HANGUL_SYLLABLE = 74


class EstimatedCounter:
    """Estimates token counts from the characters alone; needs no ranks.

    Measured against o200k_base on text it was fitted to: the recorded airline conversations 0.4 % low in total, half
    of their messages of 20 tokens or more within 4 %, 95 % within 12 %, the worst 21 % off; Python, JavaScript and
    Markdown within 2 % in total; sentences in Chinese, Japanese and Korean within 2 %, in six other languages within
    25 %; base64 and hexadecimal within 18 %. The tokenizers of other vendors differ from o200k_base as well, so take a
    count as good to about a fifth. Long runs of one punctuation mark or of white space are estimated far too low.

    Cost:
        About 25 us for a message of 200 bytes; linear in the text.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "EstimatedCounter()"

    @property
    def name(self) -> str:
        """`estimate`. New prices need a new name, since counts are cached by name."""
        return "estimate"

    @property
    def is_approximate(self) -> bool:
        """Always true."""
        return True

    def count(self, text: str) -> int:
        """Return the estimated number of tokens in *text*: 0 for empty text, else at least 1."""
        if not text:
            return 0
        hundredths = sum(_price(run.lastgroup, run.end() - run.start()) for run in _RUNS.finditer(text))
        return max(1, (hundredths + 50) // 100)


def _price(kind: str | None, length: int) -> int:
    """Return the price in hundredths of a token of a run of *length* characters."""
    if kind == "word":
        return _WORD + _WORD_LETTER * max(0, length - _SHORT_WORD_LETTERS)
    if kind == "digits":
        return _DIGITS * -(-length // _DIGITS_PER_GROUP)
    if kind == "punctuation":
        return _PUNCTUATION + _PUNCTUATION_MARK * length
    if kind == "foreign_word":
        return _FOREIGN_WORD + _FOREIGN_LETTER * length
    if kind == "hangul":
        return _HANGUL_SYLLABLE * length
    return _FLAT[kind or "symbol"]
