"""Charts of strangers: what would never end, grow without measure or leave its folder is stopped, and named."""

import contextlib
import gzip
import io
import json
import tarfile

import pytest

from gitops.manifests.errors import GitopsError
from gitops.model.errors import RenderError
from gitops.model.helm_options import HelmFileParameter, HelmOptions
from gitops.model.revision import Tree
from renderers.helm.chart_archive import unpack
from renderers.helm.chart_ignore import Ignored
from renderers.helm.render import render_output
from renderers.result import Context
from tests.soak import AT_LEISURE

CHART = "apiVersion: v2\nname: c\nversion: 1.0.0\n"


def action(inner: str) -> str:
    return "{{ " + inner + " }}"


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


GROWN = '{{ $d := list "x" }}{{ range until 40 }}{{ $d = list $d $d }}{{ end }}'
PAIR = GROWN + '{{ $e := list "x" }}{{ range until 40 }}{{ $e = list $e $e }}{{ end }}'
LONG = '{{ $s := repeat 8000000 "a_" }}'
TWICE = '{{ define "a" }}{{ if gt . 0 }}{{ $n := int (sub . 1) }}{{ CALL "a" $n }}{{ CALL "a" $n }}{{ end }}{{ end }}'
QUICK = [
    *(LONG + action(call) for call in ("snakecase $s", "camelcase $s", "title $s", "wrap 1 $s", "js $s", "shuffle $s")),
    *(LONG + action(call) for call in ('split "" $s', 'splitList "" $s', "cat $s $s $s $s", "quote (upper $s) $s")),
    '{{ quote (repeat 8000000 "é") }}',
    '{{ wrapWith 1 (repeat 100000 "-") (repeat 10000 "aaaa") }}',
    '{{ join (repeat 100000 "-") (until 100000) }}',
    '{{ printf "' + "%1000000d" * 40 + '"' + " 1" * 40 + " }}",
    '{{ printf "%1000000v" (until 9999) }}',
    '{{ date (repeat 1000000 "2006") 0 }}',
    '{{ range until 100000 }}{{ $_ := repeat 10000000 "a" }}{{ end }}',
    "{{ range until 100000 }}{{ $_ := until 900000 }}{{ end }}",
    "{{ $l := list }}{{ range until 100000 }}{{ $l = append $l (until 900000) }}{{ end }}",
    "{{ range until 1000 }}{{ $_ := randAlphaNum 9999999 }}{{ end }}",
]
AT_LENGTH = [
    *(
        GROWN + action(call)
        for call in ("toYaml $d", "toYamlPretty $d", "toJson $d", "toPrettyJson $d", "$d", "quote $d")
    ),
    *(
        GROWN + action(call)
        for call in ("toToml (dict `a` $d)", "print $d", 'printf "%d" $d', "deepCopy $d", "html $d")
    ),
    *(PAIR + action(call) for call in ("deepEqual $d $e", "eq $d $e", "has $d (list $e)", "uniq (list $d $e)")),
    *(LONG + action(call) for call in ('regexFindAll "a" $s -1', 'regexReplaceAll "a" $s "b"', 'regexSplit "" $s -1')),
    "{{ uniq (until 100000) }}",
    "{{ $l := until 900000 }}{{ range until 100000 }}{{ $_ := has -1 $l }}{{ end }}",
    '{{ range $i := until 1000000 }}{{ $_ := tpl (printf "{{ %d }}" $i) $ }}{{ end }}',
    *("{{ range until 1000 }}" + action(f"$_ := {call}") + "{{ end }}" for call in ('bcrypt "x"', 'genCA "x" 1')),
    '{{ range until 1000 }}{{ $_ := derivePassword 1 "long" "p" "u" "s" }}{{ end }}',
    TWICE.replace("CALL", "include") + '{{ include "a" 60 }}',
    TWICE.replace("CALL", "template") + '{{ template "a" 60 }}',
]


@pytest.mark.parametrize(
    "template",
    [*QUICK, *(pytest.param(each, marks=[*AT_LEISURE, pytest.mark.timeout(60)]) for each in AT_LENGTH)],
    ids=lambda template: template[-60:],
)
def test_a_template_that_works_without_measure_is_stopped_in_the_function_that_does_it(template: str) -> None:
    stopped = "do more than any chart needs|is refused|is longer than 16 MiB"
    with pytest.raises(RenderError, match=rf"c/templates/a\.yaml:1:\d+: .*({stopped})"):
        rendered("a: " + template)


def test_what_is_grown_out_of_itself_is_stopped_where_it_is_written() -> None:
    with pytest.raises(RenderError, match=r"c/templates/a\.yaml:1:\d+: .*<toYaml \$d>: .*do more than any chart needs"):
        rendered("a: " + GROWN + "{{ toYaml $d }}")


@pytest.mark.parametrize("call", ["print $d", 'printf "%q" $d', "deepCopy $d", "uniq (list $d $e)", "toString $d"])
def test_a_value_that_holds_itself_is_told_with_its_line(call: str) -> None:
    made = '{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $e := dict }}{{ $_ := set $e "d" $e }}'
    with pytest.raises(RenderError, match=r"c/templates/a\.yaml:1:\d+: .*a value holds itself"):
        rendered("a: " + made + action(call))


def test_a_width_that_go_does_not_take_is_none() -> None:
    assert rendered('a: "{{ printf "%999999999d" 1 }}"').endswith('a: "%!(NOVERB)%!(EXTRA int=1)"\n')


DIGITS = "1" * 9999
READERS = ("int", "int64", "atoi", "toDecimal", "duration", "durationRound", "toDate", "float64")


@pytest.mark.parametrize(
    "call",
    [
        *(f'{name} (repeat 9999 "1")' for name in READERS),
        *(f"trunc {DIGITS}", f"add {DIGITS}", "until 1e20", "untilStep -9223372036854775807 9223372036854775807 1"),
    ],
    ids=lambda call: call[:40],
)
def test_numbers_of_thousands_of_digits_are_numbers_or_refused(call: str) -> None:
    with contextlib.suppress(RenderError):
        rendered("a: " + action(call + (' "x"' if call.startswith(("trunc", "toDate")) else "")))


def test_more_actions_than_a_chart_needs_are_refused() -> None:
    with pytest.raises(RenderError, match=r"c/templates/a\.yaml: .*more than 200000 actions"):
        rendered("{{ 1 }}" * 300_000)


def test_more_documents_than_a_chart_needs_are_refused() -> None:
    with pytest.raises(RenderError, match=r"c/templates/a\.yaml: .*more than 100000 documents"):
        rendered("\n---\na: 1" * 200_000)


def test_many_variables_take_no_time() -> None:
    assert rendered("".join(action(f"$v{number} := 1") for number in range(10_000)) + "a: {{ $v0 }}").endswith("a: 1\n")


@pytest.mark.parametrize("name", ["env", "expandenv"])
def test_no_function_tells_of_the_environment(name: str) -> None:
    with pytest.raises(RenderError, match=f'function "{name}" not defined'):
        rendered("a: " + action(f'{name} "HOME"'))


def test_no_host_is_asked_for() -> None:
    assert rendered('a: "{{ getHostByName "localhost" }}"').endswith('a: ""\n')


@pytest.mark.parametrize("glob", ["*a" * 40 + "b", "{a,aa,a*}" * 30 + "b", "**" * 1000 + "b"])
def test_a_glob_takes_no_time(glob: str) -> None:
    assert rendered("a: " + action(f'.Files.Glob "{glob}" | len'), **{"c/" + "a" * 200: "x"}).endswith("a: 0\n")


def test_a_glob_that_is_too_long_is_refused() -> None:
    with pytest.raises(RenderError, match=r"c/templates/a\.yaml:1:\d+: .*a glob of more than 4096 characters"):
        rendered('a: {{ .Files.Glob (repeat 9999 "{") | len }}')


def test_templates_may_call_each_other_up_to_the_bound_and_one_after_another_without_end() -> None:
    down = '{{ define "a" }}{{ if gt . 1 }}{{ template "a" (sub . 1) }}{{ end }}{{ end }}'
    assert rendered(down + '{{ template "a" 1000 }}{{ template "a" 1000 }}a: 1').endswith("a: 1\n")
    with pytest.raises(RenderError, match=r"exceeded maximum template depth \(1000\)"):
        rendered(down + '{{ template "a" 1001 }}')


def test_a_pattern_of_helmignore_takes_no_time() -> None:
    files = {"c/.helmignore": "*a" * 40 + "b\n", "c/" + "a" * 200: "x"}
    assert rendered("a: {{ .Files | len }}", **files).endswith("a: 2\n")


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not_fit"),
    [
        ("?.txt", "c.txt", "cd.txt"),
        ("n?te-*.md", "note-7.md", "nte-7.md"),
        ("[a-c]x?.txt", "bx1.txt", "dx1.txt"),
        ("[^a-c]x.txt", "dx.txt", "bx.txt"),
        ("a*b*.txt", "a-b-.txt", "b-a-.txt"),
        (r"a\*b.txt", "a*b.txt", "axb.txt"),
        ("docs/?.md", "docs/a.md", "docs/b/a.md"),
        ("*a*/b.md", "xa/b.md", "xa/y/b.md"),
        ("[.]b.txt", ".b.txt", "ab.txt"),
    ],
)
def test_a_pattern_of_helmignore_leaves_out_what_fits_and_nothing_else(
    pattern: str, fits: str, does_not_fit: str
) -> None:
    left_out = Ignored(pattern, "c/.helmignore").leaves_out
    assert left_out(fits, False)
    assert not left_out(does_not_fit, False)


def test_more_patterns_of_helmignore_than_a_chart_needs_are_refused() -> None:
    with pytest.raises(RenderError, match=r"c/\.helmignore: more than 2000 patterns"):
        rendered("a: 1", **{"c/.helmignore": "*a\n" * 3000})


def test_values_that_aliases_blow_up_are_refused() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{number}: &a{number} [{','.join([f'*a{number - 1}'] * 10)}]" for number in range(1, 12)]
    with pytest.raises(RenderError, match=r"c/values\.yaml:\d+: aliases blow the document up"):
        rendered("a: 1", **{"c/values.yaml": "\n".join(lines)})


@pytest.mark.parametrize(
    "schema",
    [
        *(
            '{"$ref": "other.json"}',
            '{"$ref": "file:///etc/passwd"}',
            '{"$schema": "http://127.0.0.1:9/x"}',
        ),
        *('{"not":' * 20000 + "{}" + "}" * 20000, '{"not":' * 900 + "{}" + "}" * 900, '{"type": 1}', "[", "3"),
    ],
    ids=lambda schema: schema[:40],
)
def test_a_schema_that_leads_elsewhere_or_too_deep_is_refused(schema: str) -> None:
    with pytest.raises(RenderError, match=r"c/values\.schema\.json: "):
        rendered("a: 1", **{"c/values.schema.json": schema})


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=a)(a+)+$", "^(a*)*(a*)*(a*)*\\1$", "^(?=(a+)+)(a|aa)+(a|aa)+$"])
def test_a_pattern_of_a_schema_takes_no_time(pattern: str) -> None:
    schema = json.dumps({"properties": {"a": {"pattern": pattern}}})
    with pytest.raises(RenderError, match=r"values don't meet the specifications"):
        rendered("a: 1", **{"c/values.schema.json": schema, "c/values.yaml": "a: " + "a" * 5000 + "b"})


def test_of_thousands_of_values_that_do_not_fit_the_first_are_told() -> None:
    schema = '{"properties": {"l": {"items": {"type": "string"}}}}'
    with pytest.raises(RenderError, match="- and more") as caught:
        rendered("a: 1", **{"c/values.schema.json": schema, "c/values.yaml": f"l: [{','.join(['1'] * 9999)}]"})
    assert len(str(caught.value)) < 20_000


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
