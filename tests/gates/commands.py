"""Lists the commands of the `tract` command line, so that other gates can compare with them."""

import importlib
import importlib.util

import click


def root_group() -> click.Group | None:
    """Return the group behind `tract`; none as long as there is no command line."""
    if importlib.util.find_spec("tract.cli") is None:
        return None
    main = importlib.import_module("tract.cli.main")
    groups = [value for value in vars(main).values() if isinstance(value, click.Group)]
    if not groups:
        raise LookupError("tract.cli.main defines no click group")
    return groups[0]


def command_names(group: click.Group | None = None, prefix: str = "") -> dict[str, click.Command]:
    """Return every command by what the user types after `tract`, subcommands as `tag list`."""
    group = group or root_group()
    if group is None:
        return {}
    context = click.Context(group)
    found: dict[str, click.Command] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            raise LookupError(f"the group lists `{name}` and cannot load it")
        found[prefix + name] = command
        if isinstance(command, click.Group):
            found |= command_names(command, f"{prefix}{name} ")
    return found
