"""What a render asked of its source, and which of that a commit may answer otherwise.

    render ──► Reads        a commit ──► ChangedPaths        Reads.touched_by(ChangedPaths) ──► what is to be asked anew

With very many Applications in one repository a commit changes few of them: what it costs to find those must not grow
with what the others read.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gitops.model.revision import Tree


@dataclass(frozen=True, slots=True)
class ChangedPaths:
    """The `paths` in which two commits differ, and the `questions` of a Tree that are about those: see Tree.reads."""

    paths: frozenset[str]
    questions: frozenset[str]

    @classmethod
    def of(cls, paths: Iterable[str]) -> "ChangedPaths":
        changed = frozenset(paths)
        return cls(changed, frozenset(question for path in changed for question in _questions(path)))


@dataclass(frozen=True, slots=True)
class Reads:
    """Questions with their answers as `Tree.reads` has them; `above` are the folders that lead to what was asked."""

    answers: Mapping[str, str | None]
    follows_links: bool
    above: frozenset[str]

    @classmethod
    def of(cls, tree: Tree) -> "Reads":
        """Those of `tree` so far."""
        answers = dict(tree.reads)
        return cls(answers, tree.follows_links, frozenset(folder for path in answers for folder in _above(path)))

    def touched_by(self, changed: ChangedPaths | None) -> Mapping[str, str | None]:
        """The questions that a commit may answer otherwise; all of them where it is not known what it `changed`.

        Links lead anywhere; and where something changed that is above what was asked, it may be a link now.
        """
        if changed is None or self.follows_links or not self.above.isdisjoint(changed.paths):
            return self.answers
        return {question: self.answers[question] for question in self.answers.keys() & changed.questions}


def _questions(path: str) -> Iterator[str]:
    """What stands at `path`; which names each folder above it has, and whether that is there at all."""
    yield path
    for folder in _above(path):
        yield folder
        yield f"{folder}/"


def _above(path: str) -> Iterator[str]:
    """The folders that lead to a path, or to a listing (`path/`), "" for the root at last."""
    folder = path.removesuffix("/")
    while folder:
        folder = folder.rpartition("/")[0]
        yield folder
