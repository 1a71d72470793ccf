"""Answers what conversations a file holds, and commits them: in any of the four formats, JSON and JSONL.

A file is read and understood completely before anything is written, and everything is written in one
operation, so an error anywhere leaves the tract as it was. JSON is read strictly: a duplicate key, NaN
or a number that would change its value is refused rather than guessed at.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from tract.errors import DetachedHeadError, FormatError, InvalidInputError, InvalidRefNameError, NotCanonicalError
from tract.formats.anthropic_read import from_anthropic
from tract.formats.gemini_read import from_gemini
from tract.formats.openai_chat import from_openai
from tract.formats.responses_read import from_openai_responses
from tract.formats.rules import is_one_of
from tract.objects.commit import CommitInfo
from tract.objects.content import Content
from tract.objects.hashing import parse_json
from tract.objects.refs import check_name
from tract.porcelain.tract import Tract

__all__ = ["FORMATS", "Conversation", "Imported", "import_file", "import_messages", "read", "read_text"]

Format: TypeAlias = Literal["auto", "openai", "openai_responses", "anthropic", "gemini"]
FORMATS: Final[tuple[Format, ...]] = ("auto", "openai", "openai_responses", "anthropic", "gemini")

# Where a request has its messages, and the system text beside them.
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "messages": ("system",),
    "input": ("instructions",),
    "contents": ("system_instruction", "systemInstruction"),
}


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation of a file, ready to be committed.

    Attributes:
        id: What the file calls it, or `None`.
        format: `openai`, `openai_responses`, `anthropic` or `gemini`.
        contents: One content per commit.
        fields: What else the file says of it, beside `id`, the messages and the system text.
    """

    id: str | None
    format: str
    contents: tuple[Content, ...] = field(repr=False)
    fields: Mapping[str, Any] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class Imported:
    """One conversation that was imported.

    Attributes:
        branch: The branch it is on.
        id: What the file calls it, or `None`.
        format: `openai`, `openai_responses`, `anthropic` or `gemini`.
        commits: Its commits, oldest first.
    """

    branch: str
    id: str | None
    format: str
    commits: tuple[CommitInfo, ...] = field(repr=False)

    @property
    def head(self) -> CommitInfo:
        """The last of its commits."""
        return self.commits[-1]


# --- reading -------------------------------------------------------------------------------------


def read(path: str | os.PathLike[str], *, format: Format = "auto") -> list[Conversation]:  # noqa: A002 - as users say it
    """Return the conversations of the JSON or JSONL file at *path*; writes nothing.

    A file holds one of:
        an array of messages; an object with `messages` (and perhaps `system`, `id` and other fields), a Responses
        request with `input`, or a Gemini request with `contents`;
        an array of such objects; or, as JSONL, one such object, one array of messages, or one message
        per line.

    Args:
        path: The file. A name ending in `.jsonl` or `.ndjson` is read line by line.
        format: One of `FORMATS`; `auto` tells by what only one of them has.

    Raises:
        FormatError: Something in it is not in this format; `path` says the line and the message.
        InvalidInputError: The file cannot be read.
    """
    file = Path(path)
    try:
        mode = file.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise InvalidInputError(f"`{file}` is not a file.", hint="Name a JSON or JSONL file.")
        data = file.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidInputError):
            raise
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InvalidInputError(f"`{file}` cannot be read: {reason}.", hint="Name a JSON or JSONL file.") from error
    return read_text(data, name=file.name, format=format)


def read_text(data: str | bytes, *, name: str = "", format: Format = "auto") -> list[Conversation]:  # noqa: A002
    """Return the conversations of JSON or JSONL *data*, as `read` does of a file called *name*.

    Raises:
        FormatError: Something in it is not in this format.
    """
    _check_format(format)
    if isinstance(data, bytes):
        try:
            data = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise FormatError("This is not UTF-8.", path=_at(name, f"line {line}")) from error
    found = _conversations(_items(data, name), name)
    if format == "auto":
        format = _detect(found, name)  # noqa: A001
    return [_understood(one, format) for one in found]


def _check_format(name: str) -> None:
    if name not in FORMATS:
        raise InvalidInputError(f"Unknown format `{name!a}`.", hint=f"Known are {', '.join(FORMATS)}.")


class _Item(NamedTuple):
    """A JSON value and where it stands in the file."""

    where: str
    value: Any


class _Raw(NamedTuple):
    """A conversation as the file has it."""

    where: str
    messages: Sequence[Any]
    fields: Mapping[str, Any]
    message_places: Sequence[str] = ()
    key: str = "messages"


def _at(*places: str) -> str:
    return ", ".join(place for place in places if place)


def _items(text: str, name: str) -> list[_Item]:
    """Return the values of a file: the lines of JSONL, the elements of an array, or the one object."""
    if name.lower().endswith((".jsonl", ".ndjson")):
        return _lines(text, name)
    try:
        value = parse_json(text)
    except NotCanonicalError as error:
        if _is_jsonl(text):
            return _lines(text, name)
        raise FormatError(error.message, path=name, hint=error.hint) from error
    if not isinstance(value, list):
        return [_Item(name, value)]
    return [_Item(_at(name, f"[{index}]"), element) for index, element in enumerate(value)]


def _is_jsonl(text: str) -> bool:
    """Tell whether the first line is a whole value and something follows it."""
    first, _, rest = text.lstrip().partition("\n")
    try:
        return bool(rest.strip()) and isinstance(parse_json(first), (dict, list))
    except NotCanonicalError:
        return False


def _lines(text: str, name: str) -> list[_Item]:
    items = []
    # Not splitlines(): U+2028 and friends may stand inside a JSON string.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            where = _at(name, f"line {number}")
            try:
                items.append(_Item(where, parse_json(line)))
            except NotCanonicalError as error:
                raise FormatError(error.message, path=where, hint=error.hint) from error
    return items


def _conversations(items: Sequence[_Item], name: str) -> list[_Raw]:
    if not items:
        raise FormatError("There is no message in it.", path=name, hint="Give messages, or objects with `messages`.")
    kinds = [_kind(item) for item in items]
    for item, kind in zip(items, kinds, strict=True):
        if (kind == "message") != (kinds[0] == "message"):
            raise FormatError(
                f"This is a {kind}, and what comes before it is a {kinds[0]}.",
                path=item.where,
                hint="Keep messages and conversations in files of their own.",
            )
    if kinds[0] == "message":
        return [_Raw("", [item.value for item in items], {}, [item.where for item in items])]
    return [_conversation(item) for item in items]


def _kind(item: _Item) -> str:
    value = item.value
    if isinstance(value, list) or (isinstance(value, dict) and _key(value) is not None):
        return "conversation"
    if isinstance(value, dict) and ("role" in value or is_one_of(value.get("type"), _RESPONSES_ITEMS)):
        return "message"
    raise FormatError(
        "This is neither a message nor a conversation.",
        path=item.where,
        hint="A message is an object with `role`, a conversation one with `messages`.",
    )


def _key(value: Mapping[str, Any]) -> str | None:
    """Return under which key *value* has its messages, if it is a conversation."""
    if "messages" in value:
        return "messages"
    if "role" in value:
        return None
    return next((key for key in _KEYS if isinstance(value.get(key), list)), None)


def _conversation(item: _Item) -> _Raw:
    fields = dict(item.value) if isinstance(item.value, dict) else {}
    key = _key(fields) or "messages"
    messages = fields.pop(key) if fields else item.value
    if not isinstance(messages, list):
        raise FormatError("`messages` is an array.", path=item.where)
    if not messages:
        raise FormatError("The conversation has no message.", path=item.where)
    return _Raw(item.where, messages, fields, key=key)


def _understood(raw: _Raw, format: str) -> Conversation:  # noqa: A002
    fields = dict(raw.fields)
    system = next((found for name in _KEYS[raw.key] if (found := fields.pop(name, None)) is not None), None)
    name = fields.pop("id", None)
    try:
        contents = _contents(raw.messages, format, system)
    except FormatError as error:
        message = error.message.removeprefix(f"{error.path}: ")
        raise FormatError(message, path=_place(raw, error.path), hint=error.hint) from error
    is_name = isinstance(name, (str, int)) and not isinstance(name, bool)
    return Conversation(str(name) if is_name else None, format, tuple(contents), fields)


def _place(raw: _Raw, path: str) -> str:
    """Return where in the file the reader's *path* (`messages[2].role`) is."""
    match = re.match(r"(?:messages|input|contents)\[(\d+)\]\.?(.*)", path)
    if match is None or not raw.message_places:
        return _at(raw.where, path)
    return _at(raw.message_places[int(match[1])], match[2])


def _contents(messages: Sequence[Any], format: str, system: Any) -> list[Content]:  # noqa: A002
    if format == "anthropic":
        return from_anthropic(messages, system=system)
    if format == "openai_responses":
        return from_openai_responses(messages, instructions=system)
    if format == "gemini":
        return from_gemini(messages, system_instruction=system)
    if not system:
        return from_openai(messages)
    # OpenAI keeps the system text among the messages; data sets often write it beside them.
    return [*from_openai([{"role": "system", "content": system}]), *from_openai(messages)]


# --- telling the formats apart -------------------------------------------------------------------

_OF_KEY: Final[Mapping[str, Format]] = {"input": "openai_responses", "contents": "gemini"}
_RESPONSES_ITEMS: Final = frozenset(
    {"message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"}
    | {"compaction", "item_reference", "web_search_call", "file_search_call", "code_interpreter_call", "mcp_call"}
)
_RESPONSES_PARTS: Final = frozenset({"input_text", "output_text", "input_image", "input_file"})
_OPENAI_ROLES: Final = frozenset({"system", "developer", "tool", "function"})
_OPENAI_FIELDS: Final = frozenset({"tool_calls", "tool_call_id", "name", "refusal", "function_call", "audio"})
_OPENAI_PARTS: Final = frozenset({"image_url", "input_audio", "file", "refusal"})
_ANTHROPIC_BLOCKS: Final = frozenset(
    {"tool_use", "tool_result", "thinking", "redacted_thinking", "image", "document", "server_tool_use"}
)
_ANTHROPIC_FIELDS: Final = frozenset({"cache_control", "citations"})


def _detect(found: Sequence[_Raw], name: str) -> Format:
    """Return the format of all conversations of a file; messages of plain text alone count as OpenAI's."""
    signs = {_OF_KEY[raw.key] for raw in found if raw.key in _OF_KEY}
    signs |= {sign for raw in found if raw.key == "messages" for message in raw.messages for sign in _signs(message)}
    if len(signs) > 1:
        raise FormatError(
            f"Some messages are in the format {' and some in the format '.join(sorted(signs))}.",
            path=name,
            hint="Keep one format per file, or say which it is with `format=`.",
        )
    if not signs:
        return "anthropic" if any("system" in raw.fields for raw in found) else "openai"
    (sign,) = signs
    return sign


def _signs(message: Any) -> Iterator[Format]:
    if not isinstance(message, Mapping):
        return
    role, content = message.get("role"), message.get("content")
    if role == "model" or "parts" in message:
        yield "gemini"
        return
    kinds = [block.get("type") for block in content if isinstance(block, Mapping)] if isinstance(content, list) else []
    if is_one_of(message.get("type"), _RESPONSES_ITEMS) or any(is_one_of(kind, _RESPONSES_PARTS) for kind in kinds):
        yield "openai_responses"
        return
    if (isinstance(role, str) and role in _OPENAI_ROLES) or message.keys() & _OPENAI_FIELDS:
        yield "openai"
    for block in content if isinstance(content, list) else ():
        kind = block.get("type") if isinstance(block, Mapping) else None
        if isinstance(kind, str):
            if kind in _OPENAI_PARTS:
                yield "openai"
            elif kind in _ANTHROPIC_BLOCKS or block.keys() & _ANTHROPIC_FIELDS:
                yield "anthropic"


# --- committing ----------------------------------------------------------------------------------


def import_messages(
    t: Tract,
    messages: Sequence[Mapping[str, Any]],
    *,
    format: Format = "auto",  # noqa: A002
    system: str | Sequence[Mapping[str, Any]] | Mapping[str, Any] | None = None,
) -> list[CommitInfo]:
    """Commit *messages* at the end of the current branch, in one operation.

    Args:
        t: The tract to commit to.
        messages: A provider's `messages`.
        format: One of `FORMATS`.
        system: The request's `system`, `instructions` or `system_instruction`.

    Raises:
        FormatError: A message is not in this format. Nothing was written.
    """
    _check_format(format)
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence):
        raise InvalidInputError("`messages` is a list of messages.", hint="Pass what you send to the provider.")
    raw = _Raw("", messages, {} if system is None else {"system": system})
    if format == "auto":
        format = _detect([raw], "")  # noqa: A001
    contents = _understood(raw, format).contents
    with t.batch():
        return [t.commit(content) for content in contents]


def import_file(
    t: Tract,
    path: str | os.PathLike[str],
    *,
    format: Format = "auto",  # noqa: A002
    branch: str | None = None,
) -> list[Imported]:
    """Commit the conversations of a file, in one operation.

    One conversation is added at the end of the current branch. Several get a branch each, which
    starts from nothing and is named by the conversation's `id`. HEAD stays where it is, unless it
    stands on an empty branch; then it moves to the first conversation.

    Args:
        t: The tract to commit to.
        path: As for `read`.
        format: As for `read`.
        branch: Put one conversation on a new branch of this name; several on `branch/id`.

    Raises:
        FormatError: Something in the file is not in this format. Nothing was written.
        RefExistsError: There is a branch of that name, as when a file is imported twice. Nothing was written.
    """
    return import_conversations(t, read(path, format=format), name=Path(path).name, branch=branch)


def import_conversations(
    t: Tract, conversations: Sequence[Conversation], *, name: str = "", branch: str | None = None
) -> list[Imported]:
    """Commit *conversations* read from a file called *name*, in one operation; as `import_file` does."""
    home = t.current_branch
    if home is None:
        raise DetachedHeadError
    if branch is not None:
        check_name(branch)
    if len(conversations) == 1 and branch is None:
        with t.batch():
            return [_commit(t, conversations[0], name)]
    names = [branch] if len(conversations) == 1 and branch else _branch_names(conversations, name, branch)
    with t.batch():
        back = home if t.head is not None else names[0]
        imported = []
        for one, new in zip(conversations, names, strict=True):
            t.branch(new, orphan=True)
            imported.append(_commit(t, one, name))
        t.switch(back)
        return imported


def _commit(t: Tract, one: Conversation, name: str) -> Imported:
    # What the file says beside the messages stays with the first commit, so that nothing of it is lost.
    said: dict[str, Any] = {"format": one.format}
    said |= {"file": os.fsencode(name).decode(errors="replace")} if name else {}
    said |= {"id": one.id} if one.id is not None else {}
    said |= {"fields": dict(one.fields)} if one.fields else {}
    commits = [
        t.commit(content, metadata={"import": said} if index == 0 else None)
        for index, content in enumerate(one.contents)
    ]
    branch = t.current_branch
    assert branch is not None
    return Imported(branch, one.id, one.format, tuple(commits))


# --- naming branches -----------------------------------------------------------------------------

_KEPT_BYTES: Final = 120


def _branch_names(conversations: Sequence[Conversation], name: str, prefix: str | None) -> list[str]:
    """Return a valid name for each, no two alike: by id, else by the file's name and a number."""
    stem = _cleaned(name.split(".", maxsplit=1)[0]) or "conversation"
    names: dict[str, None] = {}
    for number, one in enumerate(conversations, start=1):
        base = _cleaned(one.id or "") or f"{stem}-{number}"
        base = f"{prefix}/{base}" if prefix is not None else base
        unique, copy = base, 1
        while unique in names:
            copy += 1
            unique = f"{base}-{copy}"
        names[unique] = None
    return list(names)


def _cleaned(text: str) -> str:
    """Return *text* with what a branch name may not hold replaced by dashes; empty if nothing is left."""
    plain = "".join(char if char.isalnum() or char in "-_./" else "-" for char in unicodedata.normalize("NFC", text))
    plain = re.sub(r"([-./])[-./]*\1|-{2,}", r"\1", plain)
    short = plain.encode(errors="ignore")[:_KEPT_BYTES].decode(errors="ignore").strip("-./")
    try:
        return check_name(unicodedata.normalize("NFC", short))
    except InvalidRefNameError:
        return ""
