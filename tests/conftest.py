"""Sets what holds for every test: hypothesis profiles, no network, a seed for the torture runs."""

import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import is_hypothesis_test as _is_hypothesis_test

from tests.databases import Postgres, running_postgres
from tests.on_postgresql import elsewhere, redirect
from tract import Tract

# Both run without a deadline: two busy cores make single examples slow, and pytest-timeout ends a hang.
settings.register_profile(
    "ci", max_examples=50, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("postgresql", parent=settings.get_profile("ci"), max_examples=10)
settings.register_profile(
    "torture",
    max_examples=10_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("ci")

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "", None})
_CONNECTING_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


class NetworkBlockedError(RuntimeError):
    """A test tried to leave the machine."""


def _refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    if event in _CONNECTING_EVENTS:
        address = arguments[1]
        # AF_UNIX addresses are text or bytes; sendmsg on a connected socket has none.
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            raise NetworkBlockedError(f"Tests may connect to loopback only, not to {address!r}.")
    elif event == "socket.getaddrinfo" and not _is_loopback(arguments[0]):
        raise NetworkBlockedError(f"Tests may resolve loopback names only, not {arguments[0]!r}.")


def _is_loopback(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    return name in LOOPBACK_HOSTS or (isinstance(name, str) and name.startswith("127."))


# An audit hook rather than a patched `socket.connect`: it also sees clients written in C.
sys.addaudithook(_refuse_network)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `--store=postgresql` run tests that open files on databases instead."""
    parser.addoption("--store", choices=["sqlite", "postgresql"], default="sqlite", help="where stores are")


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples where making a store takes a hundred times as long as in memory."""
    if config.getoption("store") == "postgresql":
        settings.load_profile("postgresql")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark hypothesis tests, so that `make torture` can ask for them with many more examples.

    On PostgreSQL leave out what is about files.
    """
    for item in items:
        if isinstance(item, pytest.Function) and _is_hypothesis_test(item.obj):
            item.add_marker("property")
    if config.getoption("store") == "postgresql":
        left_out = [item for item in items if _is_of_sqlite(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _is_of_sqlite(item: pytest.Item) -> bool:
    """Tell whether *item* is about files, or has a twin that runs on PostgreSQL anyway."""
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return item.get_closest_marker("about_files") is not None or parameters.get("store_url") == "sqlite"


@pytest.fixture(scope="session", autouse=True)
def _stores(request: pytest.FixtureRequest) -> None:
    """Where tests run on PostgreSQL, open databases in place of files from here on."""
    if request.config.getoption("store") == "postgresql":
        redirect(request.getfixturevalue("postgres")).make_template()


@pytest.fixture(autouse=True)
def _stores_of_one_test(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    found = elsewhere()
    if found is not None:
        found.forget_below((request.node.funcargs or {}).get("tmp_path"))  # none once interrupted


def _torture_seed() -> int:
    return int(os.environ.get("TRACT_TORTURE_SEED", "0"))


def pytest_report_header() -> str:
    """Show the seed, so that a failing torture run can be repeated with `make torture SEED=...`."""
    return f"torture seed: {_torture_seed()}"


@pytest.fixture
def seeded(request: pytest.FixtureRequest) -> Callable[[], random.Random]:
    """Return a factory of random sources that depend on the seed of the run and the name of the test."""
    name = f"{_torture_seed()}:{request.node.nodeid}"
    return lambda: random.Random(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Return a running PostgreSQL server, one for each worker."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """Return the URL of an empty PostgreSQL database."""
    name = postgres.new_database()
    yield postgres.url(name)
    postgres.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return where a store can be made: once a new file, once an empty PostgreSQL database."""
    if request.param == "sqlite":
        return str(tmp_path / "store.db")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def open_tract(store_url: str) -> Iterator[Callable[..., Tract]]:
    """Return `Tract.open` for one store, the same for the whole test; closes what it opened."""
    opened: list[Tract] = []

    def open_one(**options: Any) -> Tract:
        opened.append(Tract.open(store_url, **options))
        return opened[-1]

    yield open_one
    for t in opened:
        t.close()
