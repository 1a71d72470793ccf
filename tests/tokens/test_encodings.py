"""The packed ranks are OpenAI's, and damage to them is noticed."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import lzma
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import pytest
import tiktoken_ext.openai_public as published  # type: ignore[import-untyped]

from tract.errors import CorruptRanksError, TractError
from tract.tokens import encodings
from tract.tokens.encodings import ENCODINGS, encoding, unpack_ranks

# What tiktoken itself checks after downloading; also in the NOTICE beside the packed ranks.
ORIGINAL_SHA256 = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}
NAMES = sorted(ENCODINGS)


@pytest.fixture(scope="module")
def packing() -> ModuleType:
    """Return the script that made the packed files."""
    path = Path(__file__).parents[2] / "scripts" / "pack_ranks.py"
    spec = importlib.util.spec_from_file_location("pack_ranks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shipped(name: str) -> bytes:
    """Return the packed file of *name* as installed."""
    return files("tract.tokens").joinpath("ranks", f"{name}.bin.xz").read_bytes()


def original(name: str) -> bytes:
    """Return the text of OpenAI's file, written again from the packed ranks."""
    ranks = unpack_ranks(name, shipped(name), packed_sha256=ENCODINGS[name].packed_sha256)
    return b"".join(b"%s %d\n" % (base64.b64encode(token), rank) for token, rank in ranks.items())


@pytest.mark.parametrize("name", NAMES)
def test_the_packed_ranks_are_openais(name: str) -> None:
    """Written out again, they are the published file to the byte."""
    digest = hashlib.sha256(original(name)).hexdigest()

    assert digest == ORIGINAL_SHA256[name]
    assert f"{digest}  {name}.tiktoken" in files("tract.tokens").joinpath("ranks", "NOTICE").read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_pattern_and_special_tokens_are_tiktokens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copied facts equal what the installed tiktoken would build after its download."""
    asked: list[str] = []

    def no_download(url: str, expected_hash: str) -> dict[bytes, int]:
        asked.append(expected_hash)
        return {}

    monkeypatch.setattr(published, "load_tiktoken_bpe", no_download)

    theirs = published.ENCODING_CONSTRUCTORS[name]()

    assert ENCODINGS[name].pattern == theirs["pat_str"]
    assert ENCODINGS[name].special_tokens == theirs["special_tokens"]
    assert asked == [ORIGINAL_SHA256[name]]


def test_packing_gives_the_shipped_content(packing: ModuleType, tmp_path: Path) -> None:
    """The script makes the same content from the published file, and the same file each time."""
    (tmp_path / "in.tiktoken").write_bytes(original("cl100k_base"))
    (tmp_path / "in.tiktoken.xz").write_bytes(lzma.compress(original("cl100k_base"), preset=0))

    codes = [
        packing.main([str(tmp_path / source), str(tmp_path / target)])
        for source, target in (("in.tiktoken", "one.xz"), ("in.tiktoken.xz", "two.xz"))
    ]

    assert codes == [0, 0]
    one = (tmp_path / "one.xz").read_bytes()
    assert one == (tmp_path / "two.xz").read_bytes()
    assert lzma.decompress(one) == lzma.decompress(shipped("cl100k_base"))


@pytest.mark.parametrize("lines", [b"YQ== 1\n", b"YQ== 0\nYg== 2\n", b"%s 0\n" % base64.b64encode(b"x" * 256)])
def test_packing_refuses_what_the_form_cannot_hold(packing: ModuleType, lines: bytes) -> None:
    """Ranks with gaps and tokens above 255 bytes would be lost without a sign."""
    with pytest.raises(ValueError, match=r"rank|token"):
        packing.pack(lines)


def test_packing_explains_its_use(packing: ModuleType) -> None:
    """Called without its two files, the script says which it wants."""
    assert packing.main([]) == 2


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def test_damaged_ranks_are_refused() -> None:
    """A flipped bit, a cut file, no file and another file of the right form all raise, none counts wrongly."""
    good = shipped("cl100k_base")
    other = lzma.compress(_flipped(lzma.decompress(good)), preset=0)

    for bad in (_flipped(good), good[:-1000], b"", b"ranks", other):
        with pytest.raises(CorruptRanksError) as caught:
            unpack_ranks("cl100k_base", bad, packed_sha256=ENCODINGS["cl100k_base"].packed_sha256)
        assert caught.value.tokenizer == "cl100k_base"
        assert caught.value.reason in str(caught.value)
        assert caught.value.hint


def test_a_missing_rank_file_is_a_tract_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without its data files says so."""
    monkeypatch.setattr(encodings, "files", lambda package: tmp_path / package)
    monkeypatch.setattr(encodings, "_loaded", {})

    with pytest.raises(TractError, match="cannot be read"):
        encoding("o200k_base")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_forked_while_another_thread_loads_can_load() -> None:
    """The child does not wait for a lock whose holder exists only in the parent."""
    script = (
        "import os, sys, warnings\n"
        "from tract.tokens import encodings\n"
        "warnings.simplefilter('ignore')\n"
        "encodings._lock.acquire()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(len(encodings.encoding('cl100k_base').encode_ordinary('a b c')))\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert _run(script) == "3"


def _run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.strip()


def test_threads_share_one_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four threads that ask first at the same moment get one encoding, built once."""
    monkeypatch.setattr(encodings, "_loaded", {})
    start = threading.Barrier(4)

    def ask(name: str) -> int:
        start.wait()
        return id(encoding(name))

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(ask, ["cl100k_base"] * 4))

    assert set(found) == {id(encoding("cl100k_base"))}
