"""What a parsed template is made of; `str(node)` writes it as Go does in its messages."""

from dataclasses import dataclass, field
from typing import Any

from renderers.helm.gotemplate.quoting import quote


@dataclass(slots=True)
class Node:
    """`at` is the character of the template where it stands."""

    at: int


@dataclass(slots=True)
class Text(Node):
    text: str


@dataclass(slots=True)
class Dot(Node):
    def __str__(self) -> str:
        return "."


@dataclass(slots=True)
class Nil(Node):
    def __str__(self) -> str:
        return "nil"


@dataclass(slots=True)
class Constant(Node):
    """A boolean, string or number; `text` is how it was written."""

    value: Any
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True)
class Field(Node):
    names: tuple[str, ...]

    def __str__(self) -> str:
        return "." + ".".join(self.names)


@dataclass(slots=True)
class Variable(Node):
    """A variable and the fields behind it; `slot` is its place in the frame."""

    name: str
    names: tuple[str, ...]
    slot: int

    def __str__(self) -> str:
        return ".".join((self.name, *self.names))


@dataclass(slots=True)
class Identifier(Node):
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True)
class Chain(Node):
    node: Node
    names: tuple[str, ...]

    def __str__(self) -> str:
        inner = f"({self.node})" if isinstance(self.node, Pipe) else str(self.node)
        return ".".join((inner, *self.names))


@dataclass(slots=True)
class Command(Node):
    args: list[Node]

    def __str__(self) -> str:
        return " ".join(f"({arg})" if isinstance(arg, Pipe) else str(arg) for arg in self.args)


@dataclass(slots=True)
class Pipe(Node):
    """Commands, and the variables that take their result: name and slot each."""

    commands: list[Command]
    declared: list[tuple[str, int]] = field(default_factory=list)
    assigns: bool = False

    def __str__(self) -> str:
        names = ", ".join(name for name, _ in self.declared)
        sign = " = " if self.assigns else " := "
        return (names + sign if names else "") + " | ".join(map(str, self.commands))


@dataclass(slots=True)
class Action(Node):
    pipe: Pipe

    def __str__(self) -> str:
        return f"{{{{{self.pipe}}}}}"


@dataclass(slots=True)
class Branch(Node):
    """`kind` is "if", "with" or "range"."""

    kind: str
    pipe: Pipe
    body: list[Node]
    otherwise: list[Node]

    def __str__(self) -> str:
        return f"{{{{{self.kind} {self.pipe}}}}}"


@dataclass(slots=True)
class Call(Node):
    """`template "name" pipe`."""

    name: str
    pipe: Pipe | None

    def __str__(self) -> str:
        given = f" {self.pipe}" if self.pipe else ""
        return f"{{{{template {quote(self.name)}{given}}}}}"


@dataclass(slots=True)
class Leave(Node):
    """`break` or `continue`."""

    kind: str

    def __str__(self) -> str:
        return f"{{{{{self.kind}}}}}"


@dataclass(slots=True)
class Parsed:
    """One template: its name, the file that it stands in with that one's text, how many variables it needs."""

    name: str
    file: str
    source: str
    body: list[Node]
    slots: int

    def is_empty(self) -> bool:
        """Whether there is nothing in it but space and definitions, so that it does not replace another one."""
        return all(isinstance(node, Text) and not node.text.strip(" \t\r\n\v\f\x85\xa0") for node in self.body)
