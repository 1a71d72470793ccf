"""Shows that no test of this suite can leave the machine, and that a local server can be reached."""

import socket

import pytest


def test_connecting_to_another_host_is_refused() -> None:
    """An address outside loopback is refused before a packet leaves."""
    with socket.socket() as client, pytest.raises(RuntimeError, match="loopback only"):
        client.connect(("192.0.2.1", 80))


def test_resolving_another_name_is_refused() -> None:
    """A name lookup is traffic too."""
    with pytest.raises(RuntimeError, match="loopback names only"):
        socket.getaddrinfo("example.com", 443)


def test_a_local_server_is_reachable() -> None:
    """Loopback works, by number and by name."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        with socket.create_connection(("localhost", port), timeout=5) as client:
            assert client.getpeername()[1] == port
