"""Gives the tests here the provider they talk to."""

from tests.providers.fixtures import provider_server

__all__ = ["provider_server"]
