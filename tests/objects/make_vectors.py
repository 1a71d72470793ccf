"""Writes tests/objects/vectors.json: `python -m tests.objects.make_vectors > tests/objects/vectors.json`.

Made by the independent encoder, so the vectors say what the format is and not what the code does.
A vector once published never changes; new kinds of objects get new ones.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

from tests.objects import encoder

A, B, C, D = (hashlib.sha256(letter).hexdigest() for letter in (b"a", b"b", b"c", b"d"))
TIME = 1_700_000_000_123_456

COMMIT: dict[str, Any] = {
    "author": "",
    "config": None,
    "content": A,
    "content_type": "dialogue",
    "created_at": TIME,
    "format": 1,
    "note": None,
    "op": "append",
    "origin": "user",
    "parents": [],
    "targets": [],
}
OPERATION: dict[str, Any] = {
    "actor": "",
    "args": encoder.digest("blob", b"{}"),
    "changes": [],
    "created_at": TIME,
    "number": 1,
    "previous": None,
    "tract": "default",
    "undoes": None,
    "verb": "init",
}

VALUES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "blob": [
        ("empty object", {}),
        ("user text", {"role": "user", "text": "Hello, 世界 🙂"}),
        ("escapes", {"text": '\0\x1f"\\/\b\f\n\r\t\x7f\u2028'}),
        ("numbers", {"data": [0, -0.0, 1, 1.0, 1e16, 1e-7, 0.1, 2**53 - 1, -(2**53) + 1, 5e-324]}),
        ("key order", {"data": {"b": 1, "a": 2, "é": 3, "\uffff": 4, "\U00010000": 5, "": 6}}),
        ("annotation", {"priority": "skip", "reason": "done"}),
        (
            "tool call",
            {
                "role": "assistant",
                "tool_calls": [{"type": "tool_call", "id": "c1", "name": "f", "arguments": '{"a": 1}'}],
            },
        ),
    ],
    "config": [("empty", {}), ("all", {"model": "gpt-4o", "temperature": 1.0, "stop": ["\n"], "top_k": 40})],
    "commit": [
        ("root", COMMIT),
        ("child", {**COMMIT, "parents": [A], "origin": "model", "author": "Ann “A” Lee"}),
        ("with config and note", {**COMMIT, "parents": [A], "config": B, "note": C, "origin": "developer"}),
        ("edit", {**COMMIT, "parents": [B], "op": "edit", "targets": [A]}),
        (
            "annotate two",
            {**COMMIT, "parents": [C], "op": "annotate", "content_type": "annotation", "targets": [A, B]},
        ),
        (
            "merge",
            {**COMMIT, "parents": [A, B], "op": "merge", "content": None, "content_type": None, "origin": "system"},
        ),
        ("before 1970", {**COMMIT, "created_at": -1}),
    ],
    "operation": [
        ("init", {**OPERATION, "changes": [["HEAD", None, "heads/main"]]}),
        (
            "commit",
            {
                **OPERATION,
                "actor": "agent-1",
                "args": encoder.digest("blob", '{"name":"é"}'.encode()),
                "changes": [["heads/main", A, B], ["tags/v1", C, None]],
                "number": 2,
                "previous": D,
                "verb": "commit",
            },
        ),
        ("undo", {**OPERATION, "number": 3, "previous": D, "verb": "undo", "undoes": 2}),
    ],
}


def vectors() -> list[dict[str, str]]:
    """Return every vector: what it is, its bytes and its hash in hex."""
    found = []
    for kind, values in VALUES.items():
        for name, value in values:
            data = encoder.encode(value)
            found.append({"kind": kind, "name": name, "bytes": data.hex(), "hash": encoder.digest(kind, data)})
    binary = b"\x89PNG\r\n\x1a\n\0\xff"
    found.append({"kind": "blob", "name": "file", "bytes": binary.hex(), "hash": encoder.digest("blob", binary)})
    return found


if __name__ == "__main__":
    json.dump(vectors(), sys.stdout, indent=1)
    sys.stdout.write("\n")
