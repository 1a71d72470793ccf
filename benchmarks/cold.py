"""How long does a fresh process take to read a conversation? Run as a child, one read each.

The clock starts after the imports. The operating system's page cache is warm: this is a new
process, not a new machine.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.systems import SYSTEMS

_ROOT = Path(__file__).resolve().parents[1]


def cold_seconds(name: str, directory: Path, *, n: int, method: str) -> float:
    """Open, read and close in a child process; return its seconds.

    Args:
        name: The system.
        directory: Its store.
        n: Messages the store must give back, else the child fails.
        method: `compile` or `read_all`.
    """
    command = [sys.executable, "-m", "benchmarks.cold", name, str(directory), str(n), method]
    run = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True)
    return float(json.loads(run.stdout.splitlines()[-1])["seconds"])


def read_once(name: str, directory: Path, n: int, method: str) -> float:
    """Open and read here and now; return the seconds."""
    system = SYSTEMS[name]
    reason = system.missing()
    if reason is not None:
        raise RuntimeError(f"{name}: {reason}")
    begun = time.perf_counter()
    handle = system.open(directory)
    result = handle.read_all() if method == "read_all" else handle.compile()
    seconds = time.perf_counter() - begun
    messages = result if isinstance(result, list) else getattr(result, "messages", ())
    if len(messages) != n:
        raise RuntimeError(f"{name}: {len(messages)} messages read, {n} expected")
    handle.close()
    return seconds


if __name__ == "__main__":
    argv = sys.argv
    seconds = read_once(argv[1], Path(argv[2]), int(argv[3]), argv[4])
    sys.stdout.write(json.dumps({"seconds": seconds}) + "\n")
