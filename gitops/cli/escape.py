"""Text that comes from Git or a cluster, made safe to print: it says what it says, and does nothing to the terminal.

A control character can erase a line or colour it away, one of format can turn the reading order round: whoever reviews
a stranger's branch would read what the branch wants. Next to no imports: every command may have an error to print.
"""

from collections.abc import Iterable


def printable(said: object) -> str:
    """One line, in which each character that cannot be seen is written as Python would: `\\n`, `\\x1b`, `\\u202e`."""
    text = str(said)
    return text if text.isprintable() else "".join(map(_visible, text))


def printable_lines(said: object) -> str:
    """Text of several lines, each printable; those after the first are indented, so that none looks like ours."""
    return "\n  ".join(printable(line) for line in str(said).rstrip("\n").split("\n"))


def _visible(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def chance_warning(functions: Iterable[str]) -> str:
    """What `gitops render` says of a chart that is another one at each render."""
    return (
        f"Warning: {', '.join(functions)} made this another output than the next one will be; a sync and a diff give "
        "them values that stay"
    )
