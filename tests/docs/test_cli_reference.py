"""Keeps docs/reference/cli.md complete."""

import click

from tests.gates import commands, source

REFERENCE = source.ROOT / "docs" / "reference" / "cli.md"


def _undocumented(known: dict[str, click.Command], text: str) -> list[str]:
    missing = []
    for name, command in known.items():
        _, heading, rest = text.partition(f"## `tract {name}`\n")
        section = rest.partition("\n## ")[0]
        if not heading:
            missing.append(name)
        options = [option for option in command.params if isinstance(option, click.Option)]
        missing += [f"{name} {option.opts[-1]}" for option in options if heading and option.opts[-1] not in section]
    return missing


def test_every_command_and_option_is_documented() -> None:
    """Each command has a section ``## `tract NAME` `` that names all of its options."""
    text = REFERENCE.read_text(encoding="utf-8") if REFERENCE.exists() else ""

    assert _undocumented(commands.command_names(), text) == []


def test_every_command_explains_itself() -> None:
    """`tract NAME --help` has a text for each command."""
    assert [name for name, command in commands.command_names().items() if not command.get_short_help_str()] == []


def test_the_gate_notices_a_missing_section_and_option() -> None:
    """A command without a section and an option outside it are both reported."""
    known = {
        "log": click.Command("log", params=[click.Option(["--limit"])]),
        "status": click.Command("status"),
    }

    assert _undocumented(known, "## `tract log`\nShows commits.\n") == ["log --limit", "status"]
