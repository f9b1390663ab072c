"""Charts of strangers: what would never end, grow without measure or leave its folder is stopped, and named."""

import gzip
import io
import tarfile

import pytest

from gitops.manifests.errors import GitopsError
from gitops.model.application import HelmFileParameter, HelmOptions
from gitops.model.errors import RenderError
from gitops.model.revision import Tree
from renderers.helm.chart_archive import unpack
from renderers.helm.render import render_output
from renderers.result import Context

CHART = "apiVersion: v2\nname: c\nversion: 1.0.0\n"


def rendered(template: str, options: HelmOptions | None = None, **files: bytes | str) -> str:
    tree = Tree.of_files({"c/Chart.yaml": CHART, "c/templates/a.yaml": template, "secret.yaml": "a: 1", **files})
    return render_output(tree, "c", options or HelmOptions(), Context()).text


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ('{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}', "nested reference name"),
        ('{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}', "maximum template depth"),
        ('{{ $t := "{{ tpl .t . }}" }}{{ tpl $t (dict "t" $t) }}', "nested reference name"),
        ('{{ repeat 1000000000 "a" }}', "calling repeat: .*refused"),
        ('{{ repeat 9999 "a" | repeat 9999 }}', "calling repeat: .*refused"),
        ("{{ range until 1000000000 }}a{{ end }}", "calling until: .*refused"),
        (
            "{{ range until 9999 }}{{ range until 9999 }}{{ end }}{{ end }}",
            "ranges take more than",
        ),
        ('{{ $x := "aaaaaaaa" }}{{ range until 64 }}{{ $x = print $x $x }}{{ end }}', "longer than"),
        ("{{ $x := list 1 2 }}{{ range until 64 }}{{ $x = concat $x $x }}{{ end }}", "more than"),
        ('{{ regexMatch "(a{1000}){1000}" "a" | ternary "y" "n" | fail }}', "n$"),
        ('{{ indent 2000000000 "a" }}', "calling indent: .*refused"),
        ('{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $d }}', "too deeply"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "nested too deeply"),
        ("{{ if 1 }}" * 5000 + "{{ end }}" * 5000, "nested too deeply"),
    ],
)
def test_what_would_never_end_is_stopped(template: str, said: str) -> None:
    with pytest.raises(RenderError, match=said) as caught:
        rendered("a: " + template)
    assert "c/templates/a.yaml" in str(caught.value)


def test_a_map_that_holds_itself_is_not_written_without_end() -> None:
    assert rendered('a: x{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ toYaml $d }}').endswith("a: x\n")


def test_a_regex_bomb_takes_no_time() -> None:
    assert rendered('a: {{ regexMatch "(a+)+$" (print (repeat 5000 "a") "b") }}').endswith("a: false\n")


@pytest.mark.parametrize("name", ["../secret.yaml", "/secret.yaml", "x/../../secret.yaml"])
def test_files_of_a_chart_lead_nowhere_else(name: str) -> None:
    assert rendered(f'a: "{{{{ .Files.Get "{name}" }}}}"').endswith('a: ""\n')


def test_no_option_names_a_file_outside_of_the_source() -> None:
    with pytest.raises(GitopsError, match="leads out of the tree"):
        rendered("a: 1", HelmOptions(valueFiles=("../../secret.yaml",)))
    with pytest.raises(GitopsError, match="leads out of the tree"):
        rendered("a: 1", HelmOptions(fileParameters=(HelmFileParameter("a", "../../secret.yaml"),)))


def test_a_link_out_of_the_source_is_not_followed() -> None:
    tree = Tree.of_files({"c/Chart.yaml": CHART}, links={"c/templates/a.yaml": "../../../etc/passwd"})
    with pytest.raises(GitopsError, match="leads out of"):
        render_output(tree, "c", HelmOptions(), Context())


def packed(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize("name", ["c/../../x", "/etc/passwd/../..", "c", "c//etc/passwd", "a/c:/x", "Chart.yaml"])
def test_an_archive_with_a_hostile_path_is_refused(name: str) -> None:
    with pytest.raises(RenderError, match=r"charts/d\.tgz: "):
        rendered("a: 1", **{"c/charts/d.tgz": packed(("d/Chart.yaml", CHART.encode()), (name, b"x"))})


def test_an_archive_that_unpacks_to_too_much_is_refused() -> None:
    with pytest.raises(RenderError, match="larger than 100 MiB"):
        unpack(gzip.compress(b"\0" * (101 * 1024 * 1024), 1), "d.tgz")


def test_charts_packed_in_charts_end_somewhere() -> None:
    inner = packed(("d/Chart.yaml", CHART.encode()))
    for _ in range(30):
        inner = packed(("d/Chart.yaml", CHART.encode()), ("d/charts/d.tgz", inner))
    with pytest.raises(RenderError, match="nested more than 20 deep"):
        rendered("a: 1", **{"c/charts/d.tgz": inner})


def test_a_dependency_that_is_not_there_is_named() -> None:
    chart = CHART + "dependencies: [{name: redis, version: 1.x}]\n"
    with pytest.raises(RenderError, match=r"missing in charts/ directory: redis"):
        rendered("a: 1", **{"c/Chart.yaml": chart})
