"""The toolkit over the Model Context Protocol, driven by the official client; and the requests of a hostile page."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent

from tests.cli.conftest import Run, environment, program
from tests.reliability.dump import dump
from tract import Tract

Talk = Callable[[ClientSession], Awaitable[None]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with a conversation of two messages."""
    with Tract.open(tmp_path / "store.db") as t:
        t.system("Be terse.")
        t.user("Book a flight to Lisbon.")
    return tmp_path / "store.db"


def over_stdio(store: Path, talk: Talk, *options: str) -> None:
    """Let a client talk to a server process on stdin and stdout."""
    arguments = ["-m", "tract", "--db", str(store), "mcp", *options]
    server = StdioServerParameters(command=sys.executable, args=arguments, env=environment())

    async def begin() -> None:
        with anyio.fail_after(60):
            async with stdio_client(server) as (reading, writing), ClientSession(reading, writing) as session:
                await session.initialize()
                await talk(session)

    anyio.run(begin)


async def called(session: ClientSession, name: str, /, **arguments: Any) -> tuple[bool, str]:
    """Call a tool, and return whether that failed, and what it says."""
    result = await session.call_tool(name, arguments)
    assert len(result.content) == 1
    assert isinstance(result.content[0], TextContent)
    return result.is_error, result.content[0].text


async def did(session: ClientSession, name: str, /, **arguments: Any) -> str:
    """Call a tool that has to work, and return what it says."""
    is_error, text = await called(session, name, **arguments)
    assert not is_error, text
    return text


# --- stdio ---------------------------------------------------------------------------------------


def test_a_client_commits_searches_branches_merges_and_undoes(store: Path) -> None:
    """The whole way over stdio; afterwards the log says that it was done, in order, over MCP."""

    async def talk(session: ClientSession) -> None:
        await did(session, "commit", text="Ann prefers the window.")
        found = await did(session, "search", query="window")
        await did(session, "branch", name="train")
        await did(session, "commit", text="A train goes at nine.")
        await did(session, "switch", name="main")
        assert "train" not in await did(session, "context")
        await did(session, "merge", branch="train")
        assert "A train goes" in await did(session, "context")
        await did(session, "undo")
        assert "A train goes" not in await did(session, "context")
        assert await did(session, "show", commit=found.split()[0])

    over_stdio(store, talk)

    with Tract.open(store) as t:
        new = [one for one in t.operations if one.actor == "mcp"][::-1]
        assert [one.verb for one in new] == ["commit", "branch", "commit", "switch", "merge", "undo"]
        assert [message.text for message in t.compile().messages][2:] == ["Ann prefers the window."]
        assert t.fsck() == []


def test_what_is_wrong_is_a_result_and_changes_nothing(store: Path) -> None:
    """Tools of a higher profile, of no profile, wrong types and unknown commits."""
    before = dump(store)

    async def talk(session: ClientSession) -> None:
        listed = (await session.list_tools()).tools
        assert "reset" not in {one.name for one in listed}
        assert all(one.description and one.input_schema["type"] == "object" for one in listed)
        for name, arguments in (
            ("reset", {"revision": "HEAD~1"}),
            ("erase", {"commits": ["HEAD"], "reason": "x", "dry_run": False}),
            ("run_shell", {"command": "id"}),
            ("show", {"commit": "../../etc/passwd"}),
            ("commit", {"text": 3}),
            ("annotate", {"commits": ["HEAD~1"], "priority": "skip"}),
        ):
            is_error, text = await called(session, name, **arguments)
            assert (is_error, bool(text)) == (True, True), name

    over_stdio(store, talk)

    assert dump(store) == before


def test_the_read_profile_opens_the_store_for_reading_alone(store: Path) -> None:
    """What only looks is told to be so, and nothing else is offered."""

    async def talk(session: ClientSession) -> None:
        listed = (await session.list_tools()).tools
        assert {one.name for one in listed} == {"log", "status"}
        assert all(one.annotations is not None and one.annotations.read_only_hint for one in listed)
        assert "Lisbon" in await did(session, "log")

    over_stdio(store, talk, "--profile", "read", "--only", "log", "--only", "status")


def test_a_server_ends_with_its_client(store: Path) -> None:
    """At the end of stdin it leaves without a word on stdout."""
    done = program("--db", str(store), "mcp", folder=store.parent)

    assert (done.returncode, done.stdout) == (0, b"")


def test_mistakes_are_told_before_anything_is_served(run: Run, store: Path) -> None:
    """A store that is missing, a profile or a tool that does not exist."""
    assert run("--db", "nowhere.db", "mcp").exit_code == 1
    assert run("--db", str(store), "mcp", "--profile", "root").exit_code == 2
    failed = run("--db", str(store), "mcp", "--only", "reset")
    assert (failed.exit_code, "reset" in failed.output) == (1, True)


def test_without_the_package_the_extra_is_named(store: Path, tmp_path: Path) -> None:
    """Whoever has not installed it is told how to."""
    (tmp_path / "mcp").mkdir()
    (tmp_path / "mcp" / "__init__.py").write_text("raise ImportError\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = program("--db", str(store), "mcp", folder=tmp_path, PYTHONPATH=path)

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"tract-sdk[mcp]" in done.stderr


# --- HTTP ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Served:
    """A server on a port: where it is, and the header that it wants."""

    port: int
    token: str

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/mcp"


@contextmanager
def served(store: Path, *options: str) -> Iterator[Served]:
    """Run a server on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "tract", "--db", str(store), "mcp", "--http", *options],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert process.stdout is not None
        address, header = process.stdout.readline(), process.stdout.readline()
        found = re.search(r"^http://127\.0\.0\.1:(\d+)/mcp$", address)
        assert found is not None, address
        yield Served(int(found[1]), header.strip().removeprefix("Authorization: Bearer "))
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    """One server for all hostile requests: they must leave it as it is."""
    path = tmp_path_factory.mktemp("served") / "store.db"
    with Tract.open(path) as t:
        t.system("Be terse.")
    with served(path, "--profile", "admin") as found:
        yield found, path


COMMIT = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "commit", "arguments": {"text": "Owned."}},
}
BODY = json.dumps(COMMIT).encode()

HOSTILE: dict[str, tuple[int, str, str, dict[str, str | None], bytes]] = {
    # name: status, method, path, headers changed (None: left out), body
    "host of the page": (421, "POST", "/mcp", {"Host": "evil.example:{port}"}, BODY),
    "host without the port": (421, "POST", "/mcp", {"Host": "127.0.0.1"}, BODY),
    "host that begins like ours": (421, "POST", "/mcp", {"Host": "127.0.0.1:{port}.evil.example"}, BODY),
    "another number for this machine": (421, "POST", "/mcp", {"Host": "[::ffff:127.0.0.1]:{port}"}, BODY),
    "origin of the page": (403, "POST", "/mcp", {"Origin": "http://evil.example"}, BODY),
    "null origin of a sandboxed frame": (403, "POST", "/mcp", {"Origin": "null"}, BODY),
    "origin of a page on this machine": (403, "POST", "/mcp", {"Origin": "http://127.0.0.1:{port}"}, BODY),
    "no token": (401, "POST", "/mcp", {"Authorization": None}, BODY),
    "wrong token": (401, "POST", "/mcp", {"Authorization": "Bearer " + "A" * 43}, BODY),
    "token in the address": (401, "POST", "/mcp?token={token}", {"Authorization": None}, BODY),
    "preflight": (403, "OPTIONS", "/mcp", {"Origin": "http://evil.example", "Authorization": None}, b""),
    "simple request that needs no preflight": (415, "POST", "/mcp", {"Content-Type": "text/plain"}, BODY),
    "an image or script tag": (405, "GET", "/mcp", {}, b""),
    "a body that is too large": (413, "POST", "/mcp", {}, b" " * 1_000_001),
    "another path": (404, "POST", "/", {}, BODY),
    "a fetch of the browser that names no origin": (403, "POST", "/mcp", {"Sec-Fetch-Site": "same-origin"}, BODY),
}


def answer(server: Served, method: str, path: str, changed: dict[str, str | None], body: bytes) -> tuple[int, str]:
    """Send a request that is right but for *changed*, and return status and headers of the answer."""
    right: dict[str, str | None] = {
        "Host": "127.0.0.1:{port}",
        "Authorization": "Bearer {token}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Content-Length": str(len(body)),
    }

    def filled(text: str) -> str:
        return text.replace("{port}", str(server.port)).replace("{token}", server.token)

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest(method, filled(path), skip_host=True, skip_accept_encoding=True)
    for name, value in {**right, **changed}.items():
        if value is not None:
            connection.putheader(name, filled(value))
    connection.endheaders()
    with suppress(BrokenPipeError, ConnectionResetError):  # refused before it was read
        connection.send(body)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, str(response.headers).lower()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_request_of_a_hostile_page_is_refused(server: tuple[Served, Path], name: str) -> None:
    """Nothing is done, and no header lets a page read the answer."""
    found, path = server
    status, *request = HOSTILE[name]
    before = dump(path)
    got, headers = answer(found, *request)  # type: ignore[arg-type]  # in the order of the parameters

    assert got == status
    assert "access-control" not in headers
    assert dump(path) == before


def test_the_same_request_without_a_fault_is_done(server: tuple[Served, Path]) -> None:
    """So each of the others was refused for what is wrong with it."""
    found, path = server
    got, _ = answer(found, "POST", "/mcp", {}, BODY)

    assert got == 200
    with Tract.open(path) as t:
        assert t.log(1)[0].message == "Owned."


@pytest.mark.parametrize(
    "lines",
    [
        ["Host: evil.example", "Host: 127.0.0.1:{port}", "Authorization: Bearer {token}"],
        ["Host: 127.0.0.1:{port}", "Authorization: Bearer x", "Authorization: Bearer {token}"],
        ["Host: 127.0.0.1:{port}", "Authorization: Bearer {token}", "Transfer-Encoding: chunked"],
    ],
)
def test_a_header_that_is_there_twice_or_hides_the_size_is_refused(
    server: tuple[Served, Path], lines: list[str]
) -> None:
    """Neither half of a doubled header counts, and a body has to say how long it is."""
    found, path = server
    before = dump(path)
    text = "\r\n".join(["POST /mcp HTTP/1.1", *lines, "Content-Type: application/json", "", "0", "", ""])
    with socket.create_connection(("127.0.0.1", found.port), timeout=30) as connection:
        connection.sendall(text.replace("{port}", str(found.port)).replace("{token}", found.token).encode())
        status = int(connection.recv(4096).split()[1])

    assert 400 <= status < 500
    assert dump(path) == before


def test_the_official_client_works_over_http_with_the_token(store: Path) -> None:
    """And each server has a token of its own."""

    async def talk(server: Served) -> None:
        with anyio.fail_after(60):
            async with (
                httpx2.AsyncClient(headers={"Authorization": f"Bearer {server.token}"}) as client,
                streamable_http_client(server.url, http_client=client) as (reading, writing),
                ClientSession(reading, writing) as session,
            ):
                await session.initialize()
                await did(session, "commit", text="Over HTTP.")
                assert "Over HTTP." in await did(session, "search", query="over http")

    with served(store) as first, served(store) as second:
        anyio.run(talk, first)
        assert first.token != second.token
        assert min(len(first.token), len(second.token)) >= 40
        assert answer(second, "POST", "/mcp", {"Authorization": f"Bearer {first.token}"}, BODY)[0] == 401


def test_it_listens_on_loopback_alone(server: tuple[Served, Path]) -> None:
    """Another address of this machine does not answer."""
    found, _ = server
    with socket.socket() as other:
        other.settimeout(5)
        assert other.connect_ex(("127.0.0.2", found.port)) != 0


def test_a_port_that_is_taken_is_an_error(server: tuple[Served, Path], run: Run) -> None:
    """It is said, and nothing is served elsewhere instead."""
    found, path = server
    done = run("--db", str(path), "mcp", "--http", "--port", str(found.port))

    assert (done.exit_code, f"Port {found.port}" in done.output) == (1, True)
