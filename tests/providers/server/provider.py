"""Which answer does a request get? The decision alone: nothing here knows a socket."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.providers.server.anthropic_messages import MESSAGES
from tests.providers.server.binder import Binder, Mode
from tests.providers.server.cache import Cache, Input
from tests.providers.server.gemini import GEMINI
from tests.providers.server.gemini_rules import camel
from tests.providers.server.openai_chat import CHAT
from tests.providers.server.openai_responses import RESPONSES
from tests.providers.server.refusal import Json, RefusedError, refuse_if
from tests.providers.server.script import Fault, FaultKind, Script
from tests.providers.server.vendor import Job, Vendor

VENDORS = {vendor.name: vendor for vendor in (CHAT, RESPONSES, MESSAGES, GEMINI)}
PATHS = {"/v1/chat/completions": CHAT, "/v1/responses": RESPONSES, "/v1/messages": MESSAGES}
HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>\r\n"


@dataclass(slots=True)
class Received:
    """One request as it came in, and the status it was answered with."""

    path: str
    headers: dict[str, str]
    raw: bytes
    vendor: str = ""
    body: Any = None
    status: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: a body, or the events of a stream, or nothing at all."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    events: tuple[bytes, ...] | None = None
    wait_seconds: float = 0.0
    # How much arrives before the connection ends: bytes of a body, events of a stream.
    cut_at: int | None = None


class Provider:
    """All four vendors at one address, the script they answer by and what they were asked."""

    def __init__(self, key: str | None) -> None:
        self.url = ""
        self.key = key or "unused"
        self.script = Script()
        self.requests: list[Received] = []
        self.cache = Cache()
        self.binder = Binder()
        self.binding: dict[str, Mode] = dict.fromkeys(VENDORS, "bound" if key else "off")
        self._wanted_key = key
        self._faults: deque[Fault] = deque()
        self._number = 0
        self._lock = threading.Lock()

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        return self.url

    @property
    def gemini_url(self) -> str:
        return self.url

    def bind(self, mode: Mode, *vendors: str) -> None:
        """Set whether thinking is bound to its prefix: for these vendors, else for all."""
        self.binding.update(dict.fromkeys(vendors or VENDORS, mode))

    def fail(
        self,
        kind: FaultKind = "status",
        *,
        times: int = 1,
        status: int = 500,
        message: str | None = None,
        headers: Mapping[str, str] | None = None,
        after: int = 3,
        seconds: float = 0.0,
    ) -> None:
        """Let the next requests fail, one after the other; see `Fault`."""
        self._faults.extend([Fault(kind, status, message, headers, after, seconds)] * times)

    @property
    def faults_left(self) -> int:
        return len(self._faults)

    def answer(self, path: str, headers: Mapping[str, str], raw: bytes) -> Reply | None:
        """Return the reply to a request, or nothing if the connection is to end without one."""
        received = Received(path, {name.lower(): value for name, value in headers.items()}, raw)
        with self._lock:
            self.requests.append(received)
            fault = self._faults.popleft() if self._faults else None
            reply = self._answer(received, fault)
        received.status = reply.status if reply else 0
        return reply

    def _answer(self, received: Received, fault: Fault | None) -> Reply | None:
        url = urlsplit(received.path)
        vendor, model, is_stream = route(url.path)
        if vendor is None:
            return Reply(404, body=b'{"error":{"message":"Not found","type":"not_found_error","code":404}}')
        received.vendor = vendor.name
        self._number += 1
        head = {vendor.request_id_header: f"req_{self._number:06}"}
        try:
            vendor.authorise(received.headers, self._wanted_key)
            received.body = parsed(received.raw)
            request = received.body if model is None else {**camel(received.body), "model": model}
            if fault is not None and not fault.breaks_answer() and fault.kind != "slow":
                return failed(vendor, request, fault, head)
            whole = self._whole(vendor, request, consume=fault is None or fault.kind == "slow")
        except RefusedError as refused:
            return Reply(refused.status, head, encoded(vendor.error_body(refused)))
        streams = is_stream if model is not None else request.get("stream") is True
        if not streams or (model is not None and parse_qs(url.query).get("alt") != ["sse"]):
            # Without `alt=sse` a stream of Gemini is one JSON array.
            return broken(Reply(200, head, encoded([whole] if streams else whole)), fault)
        events = tuple(vendor.stream(whole, request, self._cuts))
        return broken_stream(Reply(200, head, events=events), fault, vendor, whole)

    def _whole(self, vendor: Vendor, request: Json, *, consume: bool) -> Json:
        vendor.check(request)
        units = vendor.units(request)
        found = self.binder.first_invalid(units, self.binding[vendor.name])
        if found is not None:
            unit, verdict = found
            assert unit.seal is not None
            raise vendor.broken_seal(unit.seal, verdict)
        used = vendor.count(self.cache, f"{vendor.name} {request.get('model')}", units)
        said = self.script.peek(request)
        if consume:
            self.script.drop()
        self._cuts = said.cuts()
        return vendor.reply(Job(request, said, self._number, used, units, self.binder.sign))


def route(path: str) -> tuple[Vendor | None, str | None, bool]:
    """Return whose path it is and, for Gemini, the model and whether it is a stream."""
    found = re.fullmatch(r"/v1(?:beta)?/models/([^/:]+):(generateContent|streamGenerateContent)", path)
    if found:
        return GEMINI, unquote(found[1]), found[2] == "streamGenerateContent"
    return PATHS.get(path), None, False


def parsed(raw: bytes) -> Json:
    try:
        value = json.loads(raw)
    except ValueError as error:
        raise RefusedError(f"We could not parse the JSON body of your request. ({error})") from error
    refuse_if(not isinstance(value, dict), "We could not parse the JSON body of your request: expected an object.")
    return dict(value)


def encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def failed(vendor: Vendor, request: Json, fault: Fault, head: dict[str, str]) -> Reply | None:
    """Return the answer to a request that is not answered by the model."""
    if fault.kind == "close_before":
        return None
    if fault.kind == "html":
        return Reply(fault.status, {**head, "content-type": "text/html", **(fault.headers or {})}, HTML)
    if fault.kind == "empty":
        return Reply(200, head)
    if fault.kind == "invalid_json":
        return Reply(200, head, b'{"id": "x", "choices": [{"mess')
    refused = vendor.failure(fault.status, request)
    if fault.kind == "context":
        refused = RefusedError(vendor.too_long, code="context_length_exceeded", param="messages")
    if fault.kind == "quota":
        refused = RefusedError(
            "You exceeded your current quota, please check your plan and billing details.",
            status=429,
            code="insufficient_quota",
        )
    text = fault.message or str(refused)
    given = {name.lower(): value for name, value in (fault.headers or {}).items()}
    # Google says in the body how long to wait.
    param = given.get("retry-after", refused.param) if vendor is GEMINI else refused.param
    refused = RefusedError(text, status=refused.status, code=refused.code, param=param)
    return Reply(refused.status, {**head, **given}, encoded(vendor.error_body(refused)))


def broken(reply: Reply, fault: Fault | None) -> Reply:
    if fault is None:
        return reply
    if fault.kind == "slow":
        return Reply(200, reply.headers, reply.body, wait_seconds=fault.seconds)
    return Reply(200, reply.headers, reply.body, cut_at=len(reply.body) // 2)


def broken_stream(reply: Reply, fault: Fault | None, vendor: Vendor, whole: Json) -> Reply:
    events = reply.events or ()
    if fault is None:
        return reply
    if fault.kind == "slow":
        return Reply(200, reply.headers, events=events, wait_seconds=fault.seconds)
    before = events[: fault.after]
    if fault.kind == "end_stream_early":
        return Reply(200, reply.headers, events=before)
    if fault.kind == "bad_event_in_stream":
        return Reply(200, reply.headers, events=(*before, b'event: message\ndata: {"id": "x", "cho\n\n'))
    if fault.kind == "error_in_stream":
        refused = vendor.failure(fault.status, {})
        refused = RefusedError(fault.message or str(refused), status=refused.status, code=refused.code)
        return Reply(200, reply.headers, events=(*before, vendor.error_event(refused, whole, len(before))))
    return Reply(200, reply.headers, events=events, cut_at=fault.after)


def answer_as(vendor: Vendor, request: Json) -> tuple[int, Json]:
    """Return status and body for *request*, without a server, a key and a memory."""
    try:
        vendor.check(request)
    except RefusedError as refused:
        return refused.status, vendor.error_body(refused)
    said = Script().peek(request)
    units = vendor.units(request)
    used = Input(sum(unit.tokens for unit in units))
    return 200, vendor.reply(Job(request, said, 1, used, units, lambda _prefix, _content: ""))
