"""What a render is told before it asks: never more than is there, and nothing that cannot be told shortly."""

from gitops.adapters.known_files import known_files
from gitops.model.errors import SourceError
from gitops.model.revision import Tree

FILES = {"apps/a/b.yaml": "b: 1\n", "apps/a/c.json": "{}", "apps/a/README.md": "read", "apps/a/d/e.yaml": "e: 1\n"}


def of(files, path="apps/a", links=None):
    return known_files(Tree.of_files(files, links).files, path)


def test_a_folder_its_names_and_its_small_manifests_are_known():
    known = of(FILES)
    assert {path: node.kind for path, node in known.nodes.items() if node} == {
        "apps": "directory",
        "apps/a": "directory",
        "apps/a/b.yaml": "file",
        "apps/a/c.json": "file",
    }
    assert sorted(path for path, node in known.nodes.items() if node is None) == [
        "apps/a/Chart.yaml",
        "apps/a/Kustomization",
        "apps/a/kustomization.yaml",
        "apps/a/kustomization.yml",
    ]
    assert [(path, sorted(entry.name for entry in names)) for path, names in known.entries.items()] == [
        ("apps/a", ["README.md", "b.yaml", "c.json", "d"])
    ]
    assert {path: content for path, (content, _) in known.contents.items()} == {
        "apps/a/b.yaml": b"b: 1\n",
        "apps/a/c.json": b"{}",
    }


def test_the_root_and_a_path_written_otherwise_are_known_by_their_proper_names():
    assert set(of({"a.yaml": "a: 1\n"}, ".").contents) == {"a.yaml"}
    assert set(of(FILES, "./apps//a/").contents) == {"apps/a/b.yaml", "apps/a/c.json"}


def test_beyond_a_link_a_file_and_an_absent_folder_nothing_is_known():
    linked = of(FILES, "l/a", {"l": "apps"})
    assert (linked.nodes["l"].kind, set(linked.nodes), linked.entries) == ("link", {"l"}, {})
    assert of(FILES, "apps/a/b.yaml").entries == {}
    assert of(FILES, "apps/x/y").nodes.keys() == {"apps", "apps/x"}


def test_files_that_are_large_together_and_folders_of_many_files_are_left_to_be_asked_for():
    large = of({f"apps/a/{number}.yaml": "x" * 50_000 for number in range(5)})
    assert (len(large.nodes), len(large.contents)) == (11, 2)
    many = of({f"apps/a/{number}.yaml": "x" for number in range(33)})
    assert (many.entries, many.contents) == ({}, {})
    assert len(of({f"apps/a/{number}.yaml": "x" for number in range(32)}).contents) == 32


def test_a_path_out_of_the_tree_and_files_that_cannot_be_read_raise_nothing():
    class Broken:
        def node(self, path):
            raise SourceError(f"{path}: is damaged")

    assert of(FILES, "../up") == ({}, {}, {})
    assert known_files(Broken(), "apps") == ({}, {}, {})
