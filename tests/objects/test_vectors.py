"""Holds the format still: published bytes and hashes of every kind of object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.objects import encoder
from tests.objects.make_vectors import vectors
from tests.strategies import TEXT
from tract.objects import commit, operation
from tract.objects.hashing import blob_hash, canonical_json, config_hash
from tract.objects.refs import RefChange

VECTORS: list[dict[str, str]] = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))
HASHES = st.binary(min_size=32, max_size=32)
HEADERS = st.builds(
    commit.CommitHeader,
    st.lists(HASHES, max_size=2).map(tuple),
    st.sampled_from(sorted(commit.OPS)),
    st.lists(HASHES, max_size=3).map(tuple),
    st.none() | TEXT,
    st.none() | HASHES,
    st.none() | HASHES,
    st.none() | HASHES,
    st.sampled_from(sorted(commit.ORIGINS)),
    TEXT,
    st.integers(-(2**53) + 1, 2**53 - 1),
)


def of_kind(kind: str) -> list[dict[str, str]]:
    return [vector for vector in VECTORS if vector["kind"] == kind]


def unhex(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value)


def as_json(header: commit.CommitHeader) -> dict[str, Any]:
    fields = header._asdict()
    for name in ("content", "config", "note"):
        fields[name] = None if fields[name] is None else fields[name].hex()
    for name in ("parents", "targets"):
        fields[name] = [hash_.hex() for hash_ in fields[name]]
    return {**fields, "format": 1}


def test_published_vectors_are_what_the_independent_encoder_makes() -> None:
    """The file holds what the specification says, and nothing was dropped from it."""
    assert vectors() == VECTORS


@pytest.mark.parametrize("vector", of_kind("blob") + of_kind("config"), ids=lambda vector: vector["name"])
def test_blobs_and_configs_hash_as_published(vector: dict[str, str]) -> None:
    """Bytes and hash of contents, notes, files and configs."""
    data = bytes.fromhex(vector["bytes"])
    digest = blob_hash if vector["kind"] == "blob" else config_hash

    assert digest(data).hex() == vector["hash"]
    if vector["name"] != "file":
        assert canonical_json(json.loads(data)) == data


@pytest.mark.parametrize("vector", of_kind("commit"), ids=lambda vector: vector["name"])
def test_commits_hash_as_published(vector: dict[str, str]) -> None:
    """A header built from the published fields has the published bytes and hash."""
    data = bytes.fromhex(vector["bytes"])
    fields = json.loads(data)
    header = commit.CommitHeader(
        tuple(bytes.fromhex(one) for one in fields["parents"]),
        fields["op"],
        tuple(bytes.fromhex(one) for one in fields["targets"]),
        fields["content_type"],
        unhex(fields["content"]),
        unhex(fields["config"]),
        unhex(fields["note"]),
        fields["origin"],
        fields["author"],
        fields["created_at"],
    )

    assert commit.encode_header(header) == data
    assert commit.header_hash(header).hex() == vector["hash"]


@pytest.mark.parametrize("vector", of_kind("operation"), ids=lambda vector: vector["name"])
def test_operations_hash_as_published(vector: dict[str, str]) -> None:
    """An operation built from the published fields has the published bytes and hash."""
    data = bytes.fromhex(vector["bytes"])
    fields = json.loads(data)
    changes = []
    for name, *values in fields["changes"]:
        read = str.encode if name == "HEAD" else bytes.fromhex
        changes.append(RefChange(name, *(None if value is None else read(value) for value in values)))
    known = {"args": bytes.fromhex(fields["args"]), "previous": unhex(fields["previous"]), "changes": tuple(changes)}
    header = operation.OperationHeader(**{**fields, **known})

    assert operation.encode_header(header) == data
    assert operation.header_hash(header).hex() == vector["hash"]


@given(HEADERS)
def test_a_header_is_the_canonical_json_of_its_fields(header: commit.CommitHeader) -> None:
    """The encoder written out for speed, the general one and the independent one agree."""
    fields = as_json(header)

    assert commit.encode_header(header) == canonical_json(fields) == encoder.encode(fields)


@given(HEADERS, HEADERS)
def test_each_field_of_a_header_counts(left: commit.CommitHeader, right: commit.CommitHeader) -> None:
    """Taking any one field from another header changes the hash, unless the field is equal."""
    for name in commit.CommitHeader._fields:
        mixed = left._replace(**{name: getattr(right, name)})

        assert (commit.header_hash(mixed) == commit.header_hash(left)) == (mixed == left)


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_HASHES = st.none() | st.binary(min_size=32, max_size=32)


@given(
    st.integers(1, 2**40),
    _HASHES,
    st.tuples(_TEXTS, _TEXTS, _TEXTS, _TEXTS),
    st.none() | st.integers(1, 99),
    st.lists(st.tuples(_TEXTS.filter(lambda name: name != "HEAD"), _HASHES, _HASHES), max_size=3),
)
def test_an_operation_header_is_the_canonical_json_of_its_fields(
    number: int,
    previous: bytes | None,
    texts: tuple[str, str, str, str],
    undoes: int | None,
    moved: list[tuple[str, bytes | None, bytes | None]],
) -> None:
    """The encoder written out for speed and the general one agree, for HEAD's names as for hashes."""
    tract, verb, args, actor = texts
    changes = (RefChange("HEAD", None, actor.encode()), *(RefChange(*one) for one in moved))
    header = operation.OperationHeader(number, previous, tract, verb, args, actor, number, undoes, changes)

    expected = canonical_json(
        {
            "actor": actor,
            "args": blob_hash(args.encode()).hex(),
            "changes": [
                ["HEAD", None, actor],
                *([name, *(None if one is None else one.hex() for one in values)] for name, *values in moved),
            ],
            "created_at": number,
            "number": number,
            "previous": None if previous is None else previous.hex(),
            "tract": tract,
            "undoes": undoes,
            "verb": verb,
        }
    )

    assert operation.encode_header(header) == expected
