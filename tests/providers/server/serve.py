"""How do answers reach the client? HTTP on the loopback interface, chunks that cut characters, connections that end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.providers.server.provider import Provider, Reply

# A prime number of bytes, so that chunks end inside events and inside characters.
CHUNK_BYTES = 101


class Listener(ThreadingHTTPServer):
    """Knows its open connections, so that none outlives it."""

    daemon_threads = True

    def __init__(self, provider: Provider) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.provider = provider
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def stop(self) -> None:
        """End all connections and stop listening."""
        self.stopping.set()
        self.shutdown()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class Connection(BaseHTTPRequestHandler):
    """Reads one request after the other and writes what the provider answers."""

    protocol_version = "HTTP/1.1"
    # Without this each small chunk waits for an acknowledgement, 40 ms on some systems.
    disable_nagle_algorithm = True
    server: Listener

    def handle(self) -> None:
        # Clients may go at any time: they time out or are closed, which is what some tests do.
        with suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.write(self.server.provider.answer(self.path, dict(self.headers.items()), raw))

    def do_GET(self) -> None:
        self.write(Reply(405, body=b'{"error":{"message":"Not allowed to GET.","type":"invalid_request_error"}}'))

    def write(self, reply: Reply | None) -> None:
        if reply is None:
            self.hang_up()
            return
        if reply.wait_seconds and self.server.stopping.wait(reply.wait_seconds):
            self.hang_up()
            return
        self.send_response(reply.status)
        is_stream = reply.events is not None
        kind = "text/event-stream; charset=utf-8" if is_stream else "application/json"
        for name, value in {"content-type": kind, **reply.headers}.items():
            self.send_header(name, value)
        if is_stream:
            self.write_stream(reply)
        else:
            self.write_body(reply)

    def write_body(self, reply: Reply) -> None:
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: reply.cut_at])
        if reply.cut_at is not None:
            self.hang_up()

    def write_stream(self, reply: Reply) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        data = b"".join((reply.events or ())[: reply.cut_at])
        for at in range(0, len(data), CHUNK_BYTES):
            chunk = data[at : at + CHUNK_BYTES]
            self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        if reply.cut_at is None:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.hang_up()

    def hang_up(self) -> None:
        """End the connection now, in the middle of whatever was said."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name the base class gives it
        """Keep the test output clean."""


@contextmanager
def serving(key: str | None = "test-key") -> Iterator[Provider]:
    """Run a provider that takes *key* only; without one any key will do and no thinking is checked."""
    provider = Provider(key)
    listener = Listener(provider)
    provider.url = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        listener.stop()
        thread.join()


@contextmanager
def running() -> Iterator[str]:
    """Run a provider for tests of the shape of requests only, and yield its base URL."""
    with serving(key=None) as provider:
        yield provider.url
