"""Where a PATH goes that names no namespace: where kubectl would put it."""

import os

import pytest

from gitops.adapters.kubernetes.connection import home_namespace

FILE = """\
apiVersion: v1
kind: Config
current-context: {current}
contexts:
- name: {name}
  context: {{cluster: c, user: u, namespace: {namespace}}}
- name: bare
  context: {{cluster: c, user: u}}
"""


@pytest.fixture
def kubeconfig(tmp_path, monkeypatch):
    monkeypatch.delenv("KUBECONFIG", raising=False)

    def write(file, **values):
        (tmp_path / file).write_text(FILE.format(**{"current": "a", "name": "a", "namespace": "team", **values}))
        return str(tmp_path / file)

    return write


def test_it_is_the_contexts(kubeconfig):
    path = kubeconfig("config")
    assert home_namespace(path) == "team"
    assert home_namespace(path, "a") == "team"
    assert home_namespace(path, "bare") == ""


def test_of_several_files_the_first_that_knows_the_context_tells(kubeconfig, monkeypatch):
    paths = [kubeconfig("one"), kubeconfig("two", current="b", name="b", namespace="other")]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(paths))
    assert home_namespace() == "team"
    assert home_namespace("", "b") == "other"


def test_a_file_that_cannot_be_read_says_nothing(tmp_path):
    (tmp_path / "config").write_text("a: [")
    assert home_namespace(str(tmp_path / "config")) == ""
    assert home_namespace(str(tmp_path / "absent")) == ""
