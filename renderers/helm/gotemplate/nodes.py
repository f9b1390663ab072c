"""What a parsed template is made of; `str(node)` writes it as Go does in its messages."""

from typing import Any

from renderers.helm.gotemplate.quoting import quote


class Node:
    """`at` is the character of the template where it stands."""

    __slots__ = ("at",)

    def __init__(self, at: int) -> None:
        self.at = at


class Text(Node):
    __slots__ = ("text",)

    def __init__(self, at: int, text: str) -> None:
        self.at = at
        self.text = text


class Dot(Node):
    __slots__ = ()

    def __str__(self) -> str:
        return "."


class Nil(Node):
    __slots__ = ()

    def __str__(self) -> str:
        return "nil"


class Constant(Node):
    """A boolean, string or number; `text` is how it was written."""

    __slots__ = ("text", "value")

    def __init__(self, at: int, value: Any, text: str) -> None:
        self.at = at
        self.value = value
        self.text = text

    def __str__(self) -> str:
        return self.text


class Field(Node):
    __slots__ = ("names",)

    def __init__(self, at: int, names: tuple[str, ...]) -> None:
        self.at = at
        self.names = names

    def __str__(self) -> str:
        return "." + ".".join(self.names)


class Variable(Node):
    """A variable and the fields behind it; `slot` is its place in the frame."""

    __slots__ = ("name", "names", "slot")

    def __init__(self, at: int, name: str, names: tuple[str, ...], slot: int) -> None:
        self.at = at
        self.name = name
        self.names = names
        self.slot = slot

    def __str__(self) -> str:
        return ".".join((self.name, *self.names))


class Identifier(Node):
    __slots__ = ("name",)

    def __init__(self, at: int, name: str) -> None:
        self.at = at
        self.name = name

    def __str__(self) -> str:
        return self.name


class Chain(Node):
    __slots__ = ("names", "node")

    def __init__(self, at: int, node: Node, names: tuple[str, ...]) -> None:
        self.at = at
        self.node = node
        self.names = names

    def __str__(self) -> str:
        inner = f"({self.node})" if isinstance(self.node, Pipe) else str(self.node)
        return ".".join((inner, *self.names))


class Command(Node):
    __slots__ = ("args",)

    def __init__(self, at: int, args: list[Node]) -> None:
        self.at = at
        self.args = args

    def __str__(self) -> str:
        return " ".join(f"({arg})" if isinstance(arg, Pipe) else str(arg) for arg in self.args)


class Pipe(Node):
    """Commands, and the variables that take their result: name and slot each."""

    __slots__ = ("assigns", "commands", "declared")

    def __init__(self, at: int, commands: list[Command]) -> None:
        self.at = at
        self.commands = commands
        self.declared: list[tuple[str, int]] = []
        self.assigns = False

    def __str__(self) -> str:
        names = ", ".join(name for name, _ in self.declared)
        sign = " = " if self.assigns else " := "
        return (names + sign if names else "") + " | ".join(map(str, self.commands))


class Action(Node):
    __slots__ = ("pipe",)

    def __init__(self, at: int, pipe: Pipe) -> None:
        self.at = at
        self.pipe = pipe

    def __str__(self) -> str:
        return f"{{{{{self.pipe}}}}}"


class Branch(Node):
    """`kind` is "if", "with" or "range"."""

    __slots__ = ("body", "kind", "otherwise", "pipe")

    def __init__(self, at: int, kind: str, pipe: Pipe, body: list[Node], otherwise: list[Node]) -> None:
        self.at = at
        self.kind = kind
        self.pipe = pipe
        self.body = body
        self.otherwise = otherwise

    def __str__(self) -> str:
        return f"{{{{{self.kind} {self.pipe}}}}}"


class Call(Node):
    """`template "name" pipe`."""

    __slots__ = ("name", "pipe")

    def __init__(self, at: int, name: str, pipe: Pipe | None) -> None:
        self.at = at
        self.name = name
        self.pipe = pipe

    def __str__(self) -> str:
        given = f" {self.pipe}" if self.pipe else ""
        return f"{{{{template {quote(self.name)}{given}}}}}"


class Leave(Node):
    """`break` or `continue`."""

    __slots__ = ("kind",)

    def __init__(self, at: int, kind: str) -> None:
        self.at = at
        self.kind = kind

    def __str__(self) -> str:
        return f"{{{{{self.kind}}}}}"


class Parsed:
    """One template: its name, the file that it stands in with that one's text, how many variables it needs."""

    __slots__ = ("body", "file", "name", "slots", "source")

    def __init__(self, name: str, file: str, source: str, body: list[Node], slots: int) -> None:
        self.name = name
        self.file = file
        self.source = source
        self.body = body
        self.slots = slots

    def is_empty(self) -> bool:
        """Whether there is nothing in it but space and definitions, so that it does not replace another one."""
        return all(isinstance(node, Text) and not node.text.strip(" \t\r\n\v\f\x85\xa0") for node in self.body)
