"""A commit concerns those who may read something else in it, and nobody else."""

from hypothesis import given
from hypothesis import strategies as st

from gitops.model.errors import SourceError
from gitops.model.reads import ChangedPaths, Reads
from gitops.model.revision import Tree

FILES = {"apps/a/x.yaml": "x", "apps/b/x.yaml": "x", "base/y.yaml": "y", "README.md": "read"}


def asked(files, *questions, links=None):
    """What a tree remembers after these questions: `path/` lists, `path?` looks, anything else reads."""
    tree = Tree.of_files(files, links)
    for question in questions:
        try:
            if question.endswith("/"):
                tree.entries(question[:-1])
            elif question.endswith("?"):
                tree.kind(question[:-1])
            else:
                tree.read(question)
        except SourceError:
            continue
    return Reads.of(tree)


def touched(reads, *paths):
    return set(reads.touched_by(ChangedPaths.of(paths)))


def test_of_many_files_that_changed_only_those_are_asked_for_that_were_read():
    reads = asked(FILES, "apps?", "apps/a?", "apps/a/", "apps/a/x.yaml", "apps/a/z.yaml?")
    assert touched(reads, "apps/a/x.yaml") == {"apps", "apps/a", "apps/a/", "apps/a/x.yaml"}
    assert touched(reads, "apps/a/z.yaml", "base/y.yaml") == {"apps", "apps/a", "apps/a/", "apps/a/z.yaml"}
    assert touched(reads, "apps/b/x.yaml") == {"apps"}
    assert touched(reads, "README.md", "base/y.yaml") == set()


def test_names_in_the_root_are_asked_for_when_anything_changed():
    reads = asked(FILES, "/", "?")
    assert touched(reads, "apps/a/x.yaml") == {"/", ""}


def test_everything_is_asked_for_where_it_is_not_known_what_changed_or_where_links_were_followed():
    reads = asked(FILES, "base/y.yaml", "README.md")
    assert reads.touched_by(None) == reads.answers
    linked = asked(FILES, "there/y.yaml", "README.md", links={"there": "base"})
    assert touched(linked, "apps/b/x.yaml") == {"there/y.yaml", "README.md"}


def test_a_link_where_nothing_was_is_seen_by_whoever_looked_below_it():
    before = asked(FILES, "over/y.yaml?", "README.md")
    after = Tree.of_files(FILES, {"over": "base"})
    assert not after.answers_alike(before.touched_by(ChangedPaths.of(["over"])))


NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
QUESTIONS = st.lists(st.tuples(PATHS, st.sampled_from(["", "?", "/"])).map("".join), max_size=5)


@st.composite
def trees(draw):
    """Files and links of which none stands below another."""
    files, links = {}, {}
    for path in draw(st.lists(PATHS, max_size=5)):
        if any(
            f"{other}/".startswith(f"{path}/") or f"{path}/".startswith(f"{other}/") for other in {**files, **links}
        ):
            continue
        content = draw(st.sampled_from(["1", "2", "link"]))
        if content == "link":
            links[path] = draw(NAMES)
        else:
            files[path] = content
    return files, links


@given(trees(), trees(), QUESTIONS)
def test_what_is_not_asked_for_anew_is_answered_as_before(old, new, questions):
    reads = asked(old[0], *questions, links=old[1])
    before, after = ({**files, **{path: ("link", to) for path, to in links.items()}} for files, links in (old, new))
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    tree = Tree.of_files(*new)
    assert tree.answers_alike(reads.touched_by(ChangedPaths.of(changed))) == tree.fresh().answers_alike(reads.answers)
