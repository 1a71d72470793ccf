"""A process that does what it is told, a line at a time: `python obeying.py <store>`; it says what came of it."""

import sys

from tract import Tract
from tract.errors import PolicyDeniedError
from tract.testing import ScriptedLLM

WAYS = {
    "commit": lambda t: t.user("said by the other process"),
    "edit": lambda t: t.edit("HEAD", "said otherwise"),
    "ask": lambda t: t.chat("asked by the other process?", llm=ScriptedLLM(["answered"])),
}


def main(url: str) -> None:
    """Open the store once, and do each line's thing on that one handle."""
    with Tract.open(url) as t:
        t.user("the first of the other process")
        _say("ready")
        for line in sys.stdin:
            try:
                WAYS[line.strip()](t)
            except PolicyDeniedError as error:
                _say(f"denied by {error.policy}")
            else:
                _say("done")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
