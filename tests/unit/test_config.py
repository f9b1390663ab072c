"""Reading an Application: what is taken, and how a mistake is told."""

import pytest

from gitops.config import read_application
from gitops.fields_reader import parse_duration
from gitops.model.application import IgnoreRule, PruneLimit
from gitops.model.errors import ConfigError

HEAD = """\
apiVersion: gitops.dev/v1alpha1
kind: Application
metadata: {name: shop, namespace: team}
spec:
  source: {repoURL: "https://git.example.com/shop.git", path: apps}
  destination: {namespace: shop}
"""


@pytest.fixture
def read(tmp_path):
    def reader(text):
        path = tmp_path / "app.yaml"
        path.write_text(text)
        return read_application(path)

    return reader


def test_what_is_left_out_has_the_promised_default(read):
    app = read(HEAD)
    assert app.identity == "team/shop"
    assert (app.sync.automated, app.sync.prune, app.sync.drift, app.sync.conflicts) == (False, False, "report", "hold")
    assert (app.sync.timeout, app.interval) == (600.0, 180.0)
    assert app.sync.pruneLimit == PruneLimit(50, 30)


def test_every_part_is_read(read):
    app = read(
        HEAD
        + """\
  sync: {prune: true, timeout: 1m30s, retry: {limit: 2, backoff: {duration: 500ms, factor: 3}}}
  ignoreDifferences:
    - {group: apps, kind: Deployment, jsonPointers: [/spec/replicas]}
  dependsOn: [database]
  interval: 1h
"""
    )
    assert app.sync.timeout == 90.0
    assert app.sync.retry.backoff.duration == 0.5
    assert app.sync.retry.backoff.factor == 3
    assert app.ignoreDifferences == (IgnoreRule(group="apps", kind="Deployment", jsonPointers=("/spec/replicas",)),)
    assert app.interval == 3600.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "  sync: {prun: true}\n", r"app\.yaml:7: spec\.sync\.prun: unknown field; did you mean prune\?"),
        (
            HEAD + '  windows: [{kind: deny, schedule: "0 9 * * 8", duration: 1h}]\n',
            r"app\.yaml:7: spec\.windows\[0\]\.schedule: schedule '0 9 \* \* 8': bad day-of-week",
        ),
        (
            HEAD + '  windows: [{kind: deny, schedule: "", duration: 1h}]\n',
            r"app\.yaml:7: spec\.windows\[0\]\.schedule: .*five fields",
        ),
        (
            HEAD.replace("path: apps", "renderer: Json net"),
            r"app\.yaml:5: spec\.source\.renderer: .*lower-case letters, digits and '-'",
        ),
        (HEAD + "  nonsense: 1\n", r"app\.yaml:7: spec\.nonsense: unknown field; known here: .*source"),
        (
            HEAD + "  sync:\n    prune: 'yes'\n",
            r"app\.yaml:8: spec\.sync\.prune: expected true or false, got text 'yes'",
        ),
        (HEAD + "  sync: {drift: fix}\n", r"spec\.sync\.drift: expected one of ignore, report, correct, got 'fix'"),
        (HEAD + "  sync: {timeout: 10}\n", r"spec\.sync\.timeout: expected text, got the number 10"),
        (HEAD + "  sync: {timeout: soon}\n", r"spec\.sync\.timeout: expected a duration such as 90s"),
        (
            HEAD + "  sync: {pruneLimit: {count: -1}}\n",
            r"app\.yaml:7: spec\.sync\.pruneLimit\.count: expected 0 or more",
        ),
        (
            HEAD + "  sync: {pruneLimit: {percent: -1}}\n",
            r"spec\.sync\.pruneLimit\.percent: expected 0 or more, got -1",
        ),
        (
            HEAD + "  sync: {retry: {backoff: {factor: -0.5}}}\n",
            r"spec\.sync\.retry\.backoff\.factor: expected 0 or more",
        ),
        (
            HEAD + "  ignoreDifferences:\n    - jqPathExpressions:\n        - .a\n        - .b | keys\n",
            r"app\.yaml:10: spec\.ignoreDifferences\[0\]\.jqPathExpressions\[1\]: not understood from '\| keys' on",
        ),
        (
            HEAD + "  ignoreDifferences: [{jsonPointers: [spec/replicas]}]\n",
            r"spec\.ignoreDifferences\[0\]\.jsonPointers\[0\]: expected a JSON pointer such as /spec/replicas",
        ),
        (
            f"{HEAD}  source: {{repoURL: /x, include: [{{ref: a}}]}}\n",
            r"spec\.source\.include: is among several sources",
        ),
        (
            f"{HEAD}  source: {{repoURL: https://x.y/z, verify: {{secretRef: a}}}}\n",
            r"spec\.source\.verify: signatures are those of a registry",
        ),
        (
            f"{HEAD}  source: {{repoURL: oci://x.y/z, verify: {{provider: cosign}}}}\n",
            r"spec\.source\.verify: secretRef is missing",
        ),
        (f"{HEAD}  source: {{repoURL: s3://x.y/z/a}}\n", r"spec\.source\.repoURL: a bucket is at s3://"),
        (f"{HEAD}  source: {{repoURL: s3://x.y/z, targetRevision: a}}\n", r"spec\.source\.targetRevision: a bucket is"),
        (f"{HEAD}  source: {{repoURL: /x, bucket: {{region: a}}}}\n", r"spec\.source\.bucket: is for a bucket"),
        (HEAD + "  readyExpr: {a: 'true'}\n", r"spec\.readyExpr\.a: is not among dependsOn"),
        (HEAD + "  dependsOn: [a]\n  readyExpr: {a: 'deps.x'}\n", r"spec\.readyExpr\.a: cannot be used: .*deps"),
        (HEAD + "  dependsOn: [1]\n", r"spec\.dependsOn\[0\]: expected text, got the number 1"),
        (
            HEAD + "  health: [{kind: X, healthy: 'status.'}]\n",
            r"app\.yaml:7: spec\.health\[0\]\.healthy: cannot be used as a rule: ",
        ),
        (
            HEAD + "  health: [{kind: X, healthy: 'status.a.map(b, b + b) == []'}]\n",
            r"spec\.health\[0\]\.healthy: cannot be used as a rule: map can make values of any size",
        ),
        (
            HEAD + "  dependsOn: [a/../../b]\n",
            r"spec\.dependsOn\[0\]: expected NAME or NAMESPACE/NAME of an Application",
        ),
        (
            HEAD.replace("path: apps", "credentials: {secretRef: ../../gitops/secrets/deploy-key}"),
            r"app\.yaml:5: spec\.source\.credentials\.secretRef: expected lower-case letters",
        ),
        (HEAD + "  sync: {serviceAccount: 'a:b'}\n", r"spec\.sync\.serviceAccount: expected lower-case letters"),
        (HEAD.replace("namespace: shop}", "namespace: ../x}"), r"spec\.destination\.namespace: expected lower-case"),
        (HEAD + f"  dependsOn: [{'a' * 1025}]\n", r"spec\.dependsOn\[0\]: expected at most 1024 characters, got 1025"),
        (HEAD + f"  dependsOn: [{'a, ' * 257}]\n", r"spec\.dependsOn: expected at most 256 items, got 257"),
        (HEAD.replace("shop, namespace: team", "Shop!"), r"app\.yaml:3: metadata\.name: expected lower-case"),
        (HEAD.replace("kind: Application", "kind: App"), r"expected gitops\.dev/v1alpha1 Application, got .* App"),
        (HEAD.replace("{namespace: shop}", "{}"), r"destination\.namespace is missing"),
        ("- 1\n", r"expected an Application, got a list"),
        (HEAD + "---\n" + HEAD, r"expected one Application, found 2 documents"),
        ("a: [\n", r"app\.yaml:\d+:"),
    ],
)
def test_a_mistake_names_the_file_the_line_and_the_field(read, text, message):
    with pytest.raises(ConfigError, match=message):
        read(text)


def test_a_file_that_is_not_there_is_one_clear_message(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file"):
        read_application(tmp_path / "none.yaml")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("1.5m", 90), ("250ms", 0.25)])
def test_durations_are_read_as_go_writes_them(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1d", "1s 2s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)
