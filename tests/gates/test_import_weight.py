"""Keeps start-up light: what an import loads is what every user of an agent waits for."""

import importlib.util
import subprocess
import sys

import pytest

LAZY = frozenset({"httpx", "httpx_sse", "tiktoken", "click", "rich", "alembic", "psycopg", "tenacity"})
LAZY |= frozenset({"dbos", "mcp", "uvicorn", "anyio", "jsonschema", "referencing"})
NOT_FOR_HELP = frozenset({"sqlalchemy", "httpx", "tiktoken", "alembic", "psycopg", "mcp", "uvicorn"})

_PRINT_LOADED = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"


def _loaded_after(code: str) -> frozenset[str]:
    command = [sys.executable, "-c", f"{code}\n{_PRINT_LOADED}"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return frozenset(result.stdout.splitlines()[-1].split())


def test_import_tract_loads_no_heavy_package() -> None:
    """`import tract` loads no HTTP client, tokenizer, terminal, migration or driver package."""
    assert _loaded_after("import tract") & LAZY == frozenset()


def test_help_loads_no_database() -> None:
    """`tract --help` answers without loading SQLAlchemy."""
    run_help = "import sys; sys.argv = ['tract', '--help']\ntry:\n    main()\nexcept SystemExit:\n    pass"
    # Until the command exists its help is the package import, which has to pass as well.
    code = f"from tract.cli.main import main\n{run_help}" if importlib.util.find_spec("tract.cli") else "import tract"

    assert _loaded_after(code) & NOT_FOR_HELP == frozenset()


@pytest.mark.parametrize("package", ["click", "sqlalchemy"])
def test_the_gate_sees_what_is_loaded(package: str) -> None:
    """A package that is imported is in the list, so its absence means something."""
    assert package in _loaded_after(f"import {package}")
