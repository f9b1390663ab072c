"""Where in which template something happens, for messages as Go writes them."""

from collections.abc import Callable

from renderers.helm.gotemplate.errors import TemplateError
from renderers.helm.gotemplate.last_visited import last_visited
from renderers.helm.gotemplate.nodes import Node, Parsed
from renderers.helm.gotemplate.state import State


def place_of(parsed: Parsed, at: int) -> str:
    """File, line from 1 and the byte in the line from 0, as Go counts."""
    before = parsed.source[:at]
    start = before.rfind("\n") + 1
    return f"{parsed.file}:{before.count(chr(10)) + 1}:{len(before[start:].encode('utf-8', 'surrogateescape'))}"


def failure(parsed: Parsed, node: Node) -> Callable[[str], TemplateError]:
    """Makes errors of what goes wrong at this node."""

    def made(message: str) -> TemplateError:
        return TemplateError(f'template: {place_of(parsed, node.at)}: executing "{parsed.name}" at <{node}>: {message}')

    return made


def failure_after(parsed: Parsed, node: Node) -> Callable[[State, str], TemplateError]:
    """Makes errors of what is wrong with the value that this node gave."""

    def made(state: State, message: str) -> TemplateError:
        return failure(parsed, last_visited(node, state.decided))(message)

    return made
