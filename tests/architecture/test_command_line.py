"""What people and pipelines type stays what it is: every command and option, beside the list of those that are meant.

A change that is meant changes `tests/data/command_line.txt` in the same commit:

    python -m tests.architecture.test_command_line > tests/data/command_line.txt
"""

from collections.abc import Iterator
from pathlib import Path

import click

from gitops.cli.main import main

MEANT = Path(__file__).resolve().parents[1] / "data/command_line.txt"


def command_line(command: click.Command, name: str) -> Iterator[str]:
    """A line for each command below this one, and one for each argument and option, with what it takes."""
    yield name
    for parameter in command.params:
        yield f"{name} {_shape(parameter)}"
    if isinstance(command, click.Group):
        context = click.Context(command)
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from command_line(found, f"{name} {below}")


def _shape(parameter: click.Parameter) -> str:
    words = [", ".join((*parameter.opts, *parameter.secondary_opts))]
    if isinstance(parameter, click.Argument):
        words = [parameter.make_metavar(click.Context(click.Command("any")))]
    elif isinstance(parameter, click.Option) and not parameter.is_flag:
        takes = "|".join(parameter.type.choices) if isinstance(parameter.type, click.Choice) else parameter.type.name
        words.append(takes)
    if parameter.required and isinstance(parameter, click.Option):
        words.append("required")
    if parameter.multiple if isinstance(parameter, click.Option) else parameter.nargs != 1:
        words.append("several")
    if isinstance(parameter.default, (bool, int, float, str)) and parameter.default not in (False, ""):
        words.append(f"= {parameter.default}")
    return " ".join(words)


def test_every_command_and_option_is_one_that_is_meant():
    assert "\n".join(command_line(main, "gitops")) + "\n" == MEANT.read_text()


if __name__ == "__main__":
    print("\n".join(command_line(main, "gitops")))
