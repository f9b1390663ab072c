"""Names that are legal in Git and on a file system, and that nobody expects: read, shown, and never left out."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.adapters.file_names import named, shown
from gitops.adapters.folder import folder_revision, folder_tree
from gitops.adapters.git import GitSource
from gitops.model.application import Application, SourceSpec
from gitops.model.errors import SourceError
from gitops.model.result import Outcome
from gitops.rendering import render
from tests.scenarios.running import Running
from tests.scenarios.world import config_map
from tests.unit.repositories import Repository

ODD = {
    b"caf\xe9.yaml": r"caf\xe9.yaml",
    b"two\nlines.yaml": "two\nlines.yaml",
    b"\xff\xfe\n.yaml": "\\xff\\xfe\n.yaml",
    b"a\\x\xff.yaml": r"a\\x\xff.yaml",
    b"back\\slash.yaml": "back\\slash.yaml",
    "café\u2028x.yaml".encode(): "café\u2028x.yaml",
    b" blank .yaml": " blank .yaml",
    b"-rf.yaml": "-rf.yaml",
    b'quo"te\t.yaml': 'quo"te\t.yaml',
    b"$(id).yaml": "$(id).yaml",
    b"folder\xe9/inner\xe8.yaml": r"folder\xe9/inner\xe8.yaml",
}


@pytest.fixture
def repository(tmp_path):
    """A folder of files with odd names, one object each, committed."""
    made = Repository(tmp_path / "r")
    root = os.fsencode(made.path)
    for number, name in enumerate(ODD):
        os.makedirs(os.path.dirname(os.path.join(root, b"app", name)), exist_ok=True)
        with open(os.path.join(root, b"app", name), "w") as file:
            file.write(json.dumps(config_map(f"c{number}")))
    made.commit({})
    return made


def trees(repository, tmp_path):
    source = GitSource(tmp_path / "cache", allow_file=True)
    folder, inside = folder_tree(repository.path / "app")
    plain = tmp_path / "plain"
    subprocess.run(["cp", "-r", str(repository.path / "app"), str(plain)], check=True)
    context, home = folder_tree(plain)
    commit = source.tree(repository.url, source.resolve(repository.url))
    return {"commit": (commit, "app"), "work tree": (folder, inside), "folder": (context, home)}


@pytest.mark.parametrize("renderer", ["auto", "plain"])
def test_no_odd_name_is_left_out(repository, tmp_path, renderer):
    for tree, path in trees(repository, tmp_path).values():
        app = Application("a", source=SourceSpec(path=path, renderer=renderer))
        manifests = render(tree, app).manifests
        assert sorted(found.key.name for found in manifests) == sorted(f"c{number}" for number in range(len(ODD)))
        shown_names = {found.origin.path for found in manifests}
        assert {name.removeprefix("app/") for name in shown_names} == set(ODD.values())
        assert all(json.dumps(name).encode() and name.encode() for name in tree.reads)
        assert tree.fresh().answers_alike(tree.reads)


def test_templates_of_odd_names_are_filled_in_beside_others(tmp_path):
    made = Repository(tmp_path / "r")
    for number, name in enumerate(ODD):
        path = os.path.join(os.fsencode(made.path), b"app", name + b".j2")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(json.dumps(config_map("{{ app.name }}" + f"-{number}")))
    made.commit({})
    for tree, path in trees(made, tmp_path).values():
        found = render(tree, Application("a", source=SourceSpec(path=path, renderer="template"))).manifests
        assert len(found) == len(ODD)


def test_a_kustomization_beside_odd_names_is_built(repository, tmp_path):
    repository.commit({"app/kustomization.yaml": "resources: [plain.yaml, base]\nnamePrefix: x-\n"})
    repository.commit({"app/plain.yaml": json.dumps(config_map("p")), "app/base/b.yaml": json.dumps(config_map("b"))})
    repository.commit({"app/base/kustomization.yaml": "resources: [b.yaml]\n"})
    for tree, path in trees(repository, tmp_path).values():
        manifests = render(tree, Application("a", source=SourceSpec(path=path))).manifests
        assert sorted(found.key.name for found in manifests) == ["x-b", "x-p"]


def test_a_link_with_an_odd_target_leads_where_it_should(tmp_path):
    made = Repository(tmp_path / "r")
    root = os.fsencode(made.path)
    os.mkdir(root + b"/app")
    with open(root + b"/app/caf\xe9.yaml", "w") as file:
        file.write(json.dumps(config_map("c")))
    os.symlink(b"caf\xe9.yaml", root + b"/app/link.yaml")
    made.commit({})
    for tree, path in trees(made, tmp_path).values():
        assert tree.read(f"{path}/link.yaml") == tree.read(rf"{path}/caf\xe9.yaml")


def test_a_change_in_a_file_of_an_odd_name_is_a_change(repository, tmp_path):
    source = GitSource(tmp_path / "cache", allow_file=True)
    first = source.resolve(repository.url)
    tree = source.tree(repository.url, first)
    render(tree, Application("a", source=SourceSpec(path="app")))
    with open(os.fsencode(repository.path) + b"/app/caf\xe9.yaml", "w") as file:
        file.write(json.dumps(config_map("other")))
    _, changed, _ = folder_revision(repository.path)
    assert r"app/caf\xe9.yaml" in changed
    repository.commit({})
    second = source.resolve(repository.url)
    assert source.changed(repository.url, first.sha, second.sha) is None, "whether it was read is looked at"
    assert not source.tree(repository.url, second).answers_alike(tree.reads)


def test_names_that_read_alike_are_told_apart():
    names = [b"\xe9", rb"\xe9", rb"\\xe9"]
    found = named(names)
    assert sorted(found.values()) == sorted(names)
    assert found[r"\xe9"] == rb"\xe9"


@given(st.lists(st.binary(min_size=1, max_size=6), unique=True, max_size=8))
def test_every_name_is_text_and_of_one_file(names):
    found = named(names)
    assert sorted(found.values()) == sorted(names)
    assert all(text.encode() for text in found)
    for name in names:
        assert shown(name).encode()


def test_a_folder_without_an_end_is_one_error(tmp_path):
    made = Repository(tmp_path / "r")
    deep = made.path
    for _ in range(300):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "a.yaml").write_text(json.dumps(config_map("c")))
    made.git("add", "--all")
    made.commit({})
    for tree, path in trees_of(made, tmp_path):
        with pytest.raises(SourceError, match="more than 200 folders deep"):
            render(tree, Application("a", source=SourceSpec(path=path)))


def trees_of(repository, tmp_path):
    source = GitSource(tmp_path / "cache", allow_file=True)
    yield source.tree(repository.url, source.resolve(repository.url)), "."
    yield folder_tree(repository.path)[0], "."


def test_an_odd_name_stops_nobody_and_is_pruned_only_when_it_goes(world, lines):
    world.commit(plain=config_map("plain"))
    odd = os.fsencode(world.repository) + b"/caf\xe9\n.yaml"
    with open(odd, "w") as file:
        file.write(json.dumps(config_map("odd")))
    sha = world.commit()
    with Running(world) as running:
        running.until_synced(sha)
        assert world.get("ConfigMap", "odd")
        with open(odd, "w") as file:
            file.write(json.dumps(config_map("odd", a="2")))
        sha = world.commit()
        running.until_synced(sha)
        assert world.get("ConfigMap", "odd")["data"] == {"a": "2"}
        with open(odd, "w") as file:
            file.write("a: [")
        sha = world.commit()
        running.until(lambda: r"caf\xe9" in running.tracked().problem)
        assert world.get("ConfigMap", "odd")
        os.unlink(odd)
        sha = world.commit()
        running.until_synced(sha)
        assert world.get("ConfigMap", "odd") is None
    assert not [line for line in lines if line.get("exc_info")]
    assert world.sync().outcome is Outcome.IN_SYNC


def test_a_command_shows_an_odd_name_and_ends_well(repository):
    command = [sys.executable, "-m", "gitops.cli", "render", str(repository.path / "app")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    with open(os.fsencode(repository.path) + b"/app/caf\xe9.yaml", "w") as file:
        file.write("a: [")
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 2
    assert rb"caf\xe9.yaml" in done.stderr
    assert b"Traceback" not in done.stderr
