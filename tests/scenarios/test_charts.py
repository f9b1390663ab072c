"""A Helm chart in a repository, delivered as everything else is: by a controller, with drift, and the way back."""

import shutil
from dataclasses import replace

import pytest

from gitops.manifests.errors import GitopsError
from gitops.model.helm_options import HelmOptions
from gitops.model.result import Outcome
from tests.scenarios.running import Running
from tests.scenarios.test_controller import application
from tests.scenarios.test_rollback import DONE, by_hand

CHART = "apiVersion: v2\nname: shop\nversion: 0.1.0\n"
SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-settings
  namespace: {{ .Release.Namespace }}
  labels: {app.kubernetes.io/managed-by: {{ .Release.Service }}}
data:
  colour: {{ .Values.colour | quote }}
"""


def chart(world, folder="", **files):
    (world.repository / folder / "templates").mkdir(parents=True, exist_ok=True)
    start = f"{folder}/" if folder else ""
    written = {"Chart": CHART, "values": "colour: red\n", "templates/settings": SETTINGS, **files}
    return world.commit(**{f"{start}{name}": content for name, content in written.items()})


def colour(world, name="app-settings"):
    found = world.get("ConfigMap", name)
    return found and found["data"]["colour"]


def with_helm(app, **options):
    return replace(app, source=replace(app.source, helm=HelmOptions(**options)))


def test_a_controller_follows_a_chart_and_undoes_what_is_changed_by_hand(world):
    sha = chart(world)
    with Running(world) as running:
        running.until_synced(sha)
        assert colour(world) == "red"
        running.until_synced(world.commit(values="colour: blue\n"))
        assert colour(world) == "blue"
        world.edit("core/configmaps/app-settings", {"data": {"colour": "by hand"}}, manager="kubectl-edit")
        running.until(lambda: colour(world) == "blue")


def test_values_of_the_application_win_and_are_no_part_of_what_the_cluster_remembers(world):
    chart(world)
    app = with_helm(world.app, values={"colour": "hunter2"})
    assert world.sync(app).outcome is Outcome.SYNCED
    assert colour(world) == "hunter2"
    assert "hunter2" not in str(world.get("ConfigMap", "gitops-app"))
    assert world.sync(app).outcome is Outcome.IN_SYNC


def test_a_release_of_a_chart_is_gone_back_to_with_the_store_and_without_it(world):
    chart(world)
    world.sync()
    world.commit(values="colour: blue\n")
    world.sync()
    assert by_hand(world, "1")[0] == DONE
    assert colour(world) == "red"
    shutil.rmtree(world.state)
    code, said = by_hand(world, "2", "--confirm")
    assert (code, colour(world)) == (DONE, "blue"), said


def test_a_release_whose_values_nobody_knows_any_more_is_refused(world):
    chart(world)
    for value in ("green", "blue"):
        world.sync(with_helm(world.app, values={"colour": value}))
    shutil.rmtree(world.state)
    code, said = by_hand(world, "1", "--confirm")
    assert code == 2
    assert "renders to something else now" in said
    assert colour(world) == "blue"


def test_a_chart_that_never_ends_is_its_own_applications_trouble(world):
    endless = '{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}'
    chart(world, "good")
    sha = chart(world, "bad", **{"templates/x": endless})
    apps = [application(world, name, path=name) for name in ("good", "bad")]
    with Running(world, *apps) as running:
        running.until_synced(sha, "gitops/good")
        running.until(lambda: running.tracked("gitops/bad").last.error)
        error = running.tracked("gitops/bad").last.error
        assert ("shop/templates/x.yaml" in error, len(error) < 5000) == (True, True)
        running.until_synced(world.commit(**{"good/values": "colour: blue\n"}), "gitops/good")
        assert colour(world, "good-settings") == "blue"


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ .Values.a.b }}", "templates/x.yaml"),
        ("{{ fail `choose a colour` }}", "choose a colour"),
        ("{{ if }}", "templates/x.yaml"),
        ("a: b: c", "templates/x.yaml"),
    ],
)
def test_a_wrong_template_is_told_by_its_file_and_nothing_is_changed(world, template, told):
    chart(world, **{"templates/x": template})
    with pytest.raises(GitopsError, match=told.replace(".", r"\.")):
        world.sync()
    assert colour(world) is None


def test_a_chart_reads_nothing_outside_of_its_folder(world):
    (world.folder / "secret").write_text("hunter2")
    reads = "data: {a: {{ .Files.Get `../../secret` | quote }}, b: {{ .Files.Get `link` | quote }}}\n"
    body = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\n{reads}"
    (world.repository / "c").mkdir()
    (world.repository / "c/link").symlink_to("../../secret")
    chart(world, "c", **{"templates/x": body})
    app = replace(world.app, source=replace(world.app.source, path="c"))
    with pytest.raises(GitopsError, match="out of the") as refused:
        world.sync(app)
    assert "hunter2" not in str(refused.value)
    (world.repository / "c/link").unlink()
    world.commit()
    world.sync(app)
    assert world.get("ConfigMap", "x")["data"] == {"a": "", "b": ""}


def test_the_hooks_of_a_chart_run_in_their_order_and_once(world):
    hook = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: before\n"
        "  annotations: {helm.sh/hook: pre-install, helm.sh/hook-weight: '-5'}\n"
    )
    chart(world, **{"templates/hook": hook})
    assert world.sync().outcome is Outcome.SYNCED
    ran = [event.detail for event in world.check_audit() if event.fact == "step.started"]
    assert "before" in str(ran[0])
    assert "before" not in str(ran[1:])
    assert world.sync().outcome is Outcome.IN_SYNC
