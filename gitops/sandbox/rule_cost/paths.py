"""The path of a value from its variable, `self.containers.@items.name`, by which its size is looked up."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Path:
    """A slice as Go has them.

    cel-go appends names to slices that several paths share. Where one has room, a later path overwrites the end of an
    earlier one, whose size is then another's. Definitions are accepted or refused by these sizes, so they are kept.
    """

    cells: list[str]
    length: int

    @property
    def names(self) -> list[str]:
        return self.cells[: self.length]

    def then(self, name: str) -> "Path":
        if self.length < len(self.cells):
            self.cells[self.length] = name
            return Path(self.cells, self.length + 1)
        room = [""] * (max(1, 2 * self.length) - self.length - 1)
        return Path([*self.cells, name, *room], self.length + 1)


def nowhere() -> Path:
    """The path of what is not reached from a variable."""
    return Path([], 0)


def variable(name: str) -> Path:
    return Path([name], 1)
