"""Which renderer is used: built in, or a package that registers one."""

import sys

import pytest

from gitops.model.application import SourceSpec
from gitops.model.errors import RenderError
from gitops.model.revision import Tree
from renderers.registry import Rendered, render

TREE = Tree.of_files({"apps/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"})


def install(folder, monkeypatch, module, entry):
    """A package as pip leaves it: a module, and the entry points that it has."""
    (folder / "shout.py").write_text(module)
    info = folder / "shout-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shout\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[gitops.renderers]\nshout = {entry}\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "shout", raising=False)


PLUG_IN = """\
from renderers.plain import render as plain

def render(tree, spec, context):
    return plain(tree, spec, context)._replace(renderer="shout")
"""


def test_an_installed_renderer_is_used_by_its_name(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, PLUG_IN, "shout:render")
    answer = render(TREE, SourceSpec(path="apps", renderer="shout"))
    assert isinstance(answer, Rendered)
    assert (answer.renderer, [found.key.name for found in answer.manifests]) == ("shout", ["a"])


def test_one_that_cannot_be_loaded_is_named_with_the_reason(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "raise RuntimeError('no licence')", "shout:render")
    with pytest.raises(RenderError, match=r"renderer shout \(shout:render\) cannot be loaded: no licence"):
        render(TREE, SourceSpec(path="apps", renderer="shout"))


def test_a_name_that_nobody_has_lists_those_that_there_are():
    with pytest.raises(RenderError, match=r"no renderer is called jsonnet \(built in: auto, helm, .*; installed: none"):
        render(TREE, SourceSpec(path="apps", renderer="jsonnet"))


WITH_OPTIONS = """\
from dataclasses import dataclass
from renderers.plain import render as plain
from renderers.registry import PlugIn

@dataclass(frozen=True)
class Options:
    loud: bool
    words: tuple[str, ...] = ()

def made(tree, spec, context, options):
    return plain(tree, spec, context)._replace(renderer=f"{options.loud} {options.words}")

RENDERER = PlugIn(Options, made)
"""


def test_a_plug_in_is_given_its_options_as_it_declares_them(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, WITH_OPTIONS, "shout:RENDERER")
    answer = render(TREE, SourceSpec(path="apps", renderer="shout", options={"loud": True, "words": ["a"]}))
    assert isinstance(answer, Rendered)
    assert answer.renderer == "True ('a',)"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"loud": "very"}, "source.options.loud: expected true or false"),
        ({}, "source.options.loud is missing"),
        ({"loud": True, "lod": 1}, "source.options.lod: renderer shout has the options: loud, words"),
    ],
)
def test_options_that_a_plug_in_does_not_declare_are_refused_by_name(options, told, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, WITH_OPTIONS, "shout:RENDERER")
    with pytest.raises(RenderError) as refused:
        render(TREE, SourceSpec(path="apps", renderer="shout", options=options))
    assert str(refused.value) == told


def test_options_for_a_renderer_that_has_none_are_refused(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, PLUG_IN, "shout:render")
    with pytest.raises(RenderError, match=r"source\.options\.a: renderer shout has the options: none"):
        render(TREE, SourceSpec(path="apps", renderer="shout", options={"a": 1}))
    with pytest.raises(RenderError, match=r"source\.options: is for an installed renderer; plain has its options in"):
        render(TREE, SourceSpec(path="apps", options={"a": 1}))
