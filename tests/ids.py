"""How a parameter is shown in a test's name: the same in every process, so that tests can be shared out."""

import re


def shown(value: object) -> str:
    """Return *value* in ASCII, without the address of an object."""
    return re.sub(r" at 0x[0-9a-f]+", "", ascii(value))[:60]
