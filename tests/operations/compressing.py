"""A process that compresses a shared file again and again: `python compressing.py PATH COUNT`; prints what it did."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter

from tract import CompressResult, SummaryRequest, Tract
from tract.errors import InvalidInputError, TractError


def slow(request: SummaryRequest) -> str:
    """Take a while, as a model does, so that others commit meanwhile."""
    time.sleep(0.01)
    return f"{len(request.messages)} told"


def run(path: str, count: int) -> dict[str, object]:
    """Compress *count* times, reverting every fifth; where there is nothing to compress, say something."""
    errors: Counter[str] = Counter()
    done = said = 0
    with Tract.open(path, durability="off", actor="compressor") as t:
        while done < count:
            try:
                result = t.compress(summarizer=slow)
            except InvalidInputError:
                t.user(f"own {said} and it is said at some length, so that there is something to leave out")
                said += 1
                continue
            except TractError as error:
                errors[error.code] += 1
                continue
            assert isinstance(result, CompressResult)
            done += 1
            if done % 5 == 0:
                t.revert(result.commits[-1])
    return {"done": done, "said": said, "errors": errors}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], int(sys.argv[2]))))  # noqa: T201
