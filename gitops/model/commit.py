"""What the commit says of itself that the files of a tree are of."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gitops.model.revision import Tree


@dataclass(frozen=True, slots=True)
class CommitNote:
    """The first line of the message, and the name of the author. A stranger wrote both."""

    subject: str
    author: str


@runtime_checkable
class OfCommit(Protocol):
    """Files (`gitops.model.revision.Files`) that are of one commit."""

    def commit(self) -> CommitNote:
        """Raises SourceError."""
        ...


def commit_of(tree: Tree) -> CommitNote | None:
    """What its commit says of itself; None where the files are of none, or of several. Raises SourceError."""
    return tree.files.commit() if isinstance(tree.files, OfCommit) else None
