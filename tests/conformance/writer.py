"""One writing process of the concurrency tests: `python writer.py <store> <tract> <name> <commits> <start file>`."""

import sys
import time
from pathlib import Path

from tract import Tract


def main(url: str, tract: str, name: str, commits: int, start: Path) -> None:
    """Open, wait for the start, commit; any error ends the process with a traceback."""
    with Tract.open(url, tract=tract) as t:
        Path(f"{start}.{name}").touch()
        while not start.exists():
            time.sleep(0.002)
        for number in range(commits):
            t.user(f"{name} {number}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))
