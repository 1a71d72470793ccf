"""Lets a process that a test has started open databases where it names files; see `tests/on_postgresql.py`."""

import os
import sys
from pathlib import Path

if "TRACT_TESTS_POSTGRESQL" in os.environ:
    sys.path.append(str(Path(__file__).parents[2]))
    from tests.databases import Postgres
    from tests.on_postgresql import redirect

    redirect(Postgres(Path(os.environ["TRACT_TESTS_POSTGRESQL"])))
