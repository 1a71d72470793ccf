"""Makes the stores later versions must open: `python -m tests.storage.make_store tests/data/schema-1.db`.

A released schema's file is never made anew: it stands for what users have.
"""

import sys

from tract import Tract


def fill(url: str) -> None:
    """Put a history of several kinds of commits into the store at *url*."""
    with Tract.open(url) as t:
        t.system("You are terse.", message="start")
        asked = t.user("What is 6 x 7?\0", metadata={"a": [1, "\0"]})
        t.assistant("41", generation_config={"model": "m-1"})
        t.record_usage({"input_tokens": 20, "output_tokens": 2, "model": "m-1"})
        t.edit("HEAD", "42")
        t.annotate(asked, "pinned", reason="the question")
        t.branch("side")
        t.user("And 6 x 8?")
        t.search("6 x")  # leaves an index


if __name__ == "__main__":
    fill(sys.argv[1])
