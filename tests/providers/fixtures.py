"""A provider for tests: `provider_server` answers by its script and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.providers.server import Provider, serving


@pytest.fixture
def provider_server() -> Iterator[Provider]:
    """Return a running server, new for each test, with thinking bound to its prefix."""
    with serving() as provider:
        yield provider
