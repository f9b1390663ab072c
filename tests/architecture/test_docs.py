"""The documentation is true: its commands run, its tables name what exists."""

import contextlib
import dataclasses
import re
import shlex
import subprocess
import sys
import time
import typing
from pathlib import Path

import click
import pytest
import yaml

from gitops.cli.main import main
from gitops.config import read_application
from gitops.engine.states import TRANSITIONS
from gitops.manifests.yaml_write import write_manifests
from gitops.model.application import Application, Destination, SourceSpec
from gitops.model.revision import Tree
from renderers.registry import render
from renderers.result import Context, Live, Look
from tests.scenarios.world import config_map

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def commands(text=README):
    """Each `gitops` or `kubectl` line of a page's indented blocks, in order."""
    return [line.strip() for line in text.splitlines() if re.match(r"    (gitops|kubectl) ", line)]


def test_every_command_of_the_readme_does_what_it_says(shell, fresh_sandbox):
    Path(shell.environment["KUBECONFIG"]).write_text(fresh_sandbox(speed=4.0).kubeconfig())
    (shell.folder / "sample-repo").symlink_to(ROOT / "sample-repo")
    (shell.folder / "k8s").mkdir()
    for name in ("config.yaml", "api.yaml"):
        text = (ROOT / "sample-repo/apps/shop" / name).read_text()
        shell.write(f"k8s/{name}", text)
        shell.write(f"repository/apps/shop/{name}", text)
    shell.git("init", "-q", "-b", "main", "repository")
    shell.git("-C", "repository", "add", "-A")
    shell.git("-C", "repository", "commit", "-qm", "first")
    block = re.search(r"```yaml\n(.*?)```", README, re.S)
    assert block
    url = (shell.folder / "repository").as_uri()
    application = block[1].replace("https://git.example.com/team/shop.git", url).replace("name: shop}", "name: other}")
    shell.write("application.yaml", application.replace("{namespace: shop}", "{namespace: other}"))
    # A second release, so that there is one to go back to.
    again = ["gitops sync ./k8s --name shop --namespace shop"]
    for command in commands():
        if command == "gitops rollback shop":
            web = shell.folder / "k8s/api.yaml"
            web.write_text(web.read_text().replace("replicas: 3", "replicas: 2"))
            for extra in again:
                assert run(shell, extra).returncode == 0
        if command.startswith("gitops run "):
            with controller(shell, command) as log:
                until_logged(log, "application.known")
            continue
        done = run(shell, command)
        expected = {0, 1} if " diff " in command else {0}
        assert done.returncode in expected, f"{command}\n{done.stdout}{done.stderr}"


def test_every_command_of_the_controllers_page_does_what_it_says(shell, fresh_sandbox):
    Path(shell.environment["KUBECONFIG"]).write_text(fresh_sandbox(speed=4.0).kubeconfig())
    shell.write("repository/settings.yaml", write_manifests([config_map("settings")]))
    shell.git("init", "-q", "-b", "main", "repository")
    shell.git("-C", "repository", "add", "-A")
    shell.git("-C", "repository", "commit", "-qm", "first")
    url = (shell.folder / "repository").as_uri()
    shell.write(
        "application.yaml",
        "apiVersion: gitops.dev/v1alpha1\nkind: Application\nmetadata: {name: shop}\nspec:\n"
        f"  source: {{repoURL: '{url}', targetRevision: main}}\n  destination: {{namespace: {shell.namespace}}}\n"
        "  sync: {automated: true, createNamespace: true}\n  interval: 1s\n",
    )
    sha = shell.git("-C", "repository", "rev-parse", "HEAD").strip()
    first, *others = commands((ROOT / "docs/running.md").read_text().replace("$SHA", sha))
    with controller(shell, first) as log:
        until_logged(log, "application.synced")
        for command in others:
            done = run(shell, command)
            # Nothing waits for an approval or is under way here, and what a controller runs is not deleted under it.
            expected = {"approve": 2, "delete": 3, "terminate": 4}.get(command.split()[1], 0)
            assert done.returncode == expected, f"{command}\n{done.stdout}{done.stderr}"


def test_every_command_of_the_pages_page_does_what_it_says(shell, fresh_sandbox):
    Path(shell.environment["KUBECONFIG"]).write_text(fresh_sandbox(speed=4.0).kubeconfig())
    shell.write("application.yaml", write_manifests([]))
    text = (ROOT / "docs/page.md").read_text()
    shell.write("policy.csv", text.partition("### Policies")[2].split("```")[1])
    run(shell, "kubectl create namespace shop")
    for command in commands(text.replace("\\\n     ", "").replace("127.0.0.1:8080", "127.0.0.1:0")):
        if command.startswith("gitops run "):
            with controller(shell, command) as log:
                until_logged(log, "http.listening")
        else:
            done = run(shell, command)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@contextlib.contextmanager
def controller(shell, command):
    """`gitops run …` while it runs; its log. SIGTERM ends it well, and in time."""
    log = shell.folder / "controller.log"
    with log.open("w") as file:
        words = [sys.executable, "-m", "gitops.cli", *shlex.split(command)[1:]]
        process = subprocess.Popen(words, cwd=shell.folder, env=shell.environment, stderr=file)
        try:
            yield log
        finally:
            process.terminate()
            code = process.wait(10)
    assert code == 0, log.read_text()


def until_logged(log, event):
    deadline = time.monotonic() + 30
    while event not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def run(shell, command):
    command = command.replace("sandbox up --detach", "sandbox up --detach --port 0")
    command, _, target = command.partition(" > ")
    words = shlex.split(command)
    if words[0] == "gitops":
        words = [sys.executable, "-m", "gitops.cli", *words[1:]]
    done = subprocess.run(
        words, cwd=shell.folder, env=shell.environment, capture_output=True, text=True, check=False, timeout=100
    )
    if target:
        shell.write(target, done.stdout)
    return done


@pytest.mark.parametrize("page", ["docs/architecture.md", "README.md"])
def test_every_file_that_a_page_names_exists(page):
    text = (ROOT / page).read_text()
    named = re.findall(r"`((?:gitops|renderers|policies|deploy|docs|sample-repo)/[\w/.-]+)`|\]\(([\w/.-]+)\)", text)
    missing = [path for pair in named for path in pair if path and not (ROOT / path).exists()]
    assert missing == []


def test_every_proof_of_the_security_page_is_a_test():
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / "docs/security.md").read_text())
    missing = [(path, name) for path, name in named if f"def {name}(" not in (ROOT / "tests" / path).read_text()]
    assert (len(named) > 30, missing) == (True, [])


def test_the_reference_names_every_command_and_option():
    text = (ROOT / "docs/reference.md").read_text().partition("## Commands")[2].partition("\n## ")[0]
    missing = []
    for path, command in every_command(main, ()):
        line = next((line for line in text.splitlines() if line.startswith(f"| `{' '.join(path)}`")), "")
        options = [max(option.opts, key=len) for option in command.params if isinstance(option, click.Option)]
        missing += [(*path, option) for option in options if option not in _EVERYWHERE and f"`{option}" not in line]
        missing += [] if line else [path]
    assert missing == []


# What the text above the table says of all commands.
_EVERYWHERE = {"--help", "--namespace", "--output", "--file"}


def every_command(command, path):
    """Each command that does something, with the words that call it."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from every_command(command.get_command(context, name), (*path, name))


REFERENCE = re.search(r"```yaml\n(.*?)```", (ROOT / "docs/reference.md").read_text(), re.S)


def test_the_application_of_the_reference_is_read_with_the_defaults_that_it_shows(tmp_path):
    path = tmp_path / "app.yaml"
    path.write_text(REFERENCE[1])
    app = read_application(path)
    source, destination = SourceSpec(app.source.repoURL), Destination(namespace="shop")
    assert app == Application("shop", source=source, destination=destination)


def test_the_reference_shows_every_field_of_an_application():
    shown = yaml.safe_load(REFERENCE[1])["spec"]
    assert list(missing_fields(Application, {"name": "", "namespace": "", "labels": {}, **shown}, ("spec",))) == []


def test_the_variables_of_the_reference_give_what_it_says(tmp_path):
    section = (ROOT / "docs/reference.md").read_text().partition("## Variables and common metadata")[2]
    example = re.search(r"```yaml\n(.*?)```", section, re.S)[1]
    source = yaml.safe_load(example) | {"repoURL": "https://git.example.com/shop.git"}
    spec = {"source": source, "destination": {"namespace": "shop"}}
    head = {"apiVersion": "gitops.dev/v1alpha1", "kind": "Application", "metadata": {"name": "shop"}}
    (tmp_path / "app.yaml").write_text(write_manifests([head | {"spec": spec}]))
    app = read_application(tmp_path / "app.yaml")
    quoted = config_map("a", cluster="${cluster}", text="${quote}${port}${quote}", escaped="$${port}", port="${port}")
    held = {"ConfigMap": {"data": {"port": "5", "cluster": "dev"}}, "Secret": None}
    looks = [Look("v1", one.kind, "gitops", one.name) for one in app.source.postBuild.substituteFrom]
    live = Live({look: held[look.kind] for look in looks})
    answer = render(Tree.of_files({"a.yaml": write_manifests([quoted])}), app.source, Context(home="gitops", live=live))
    assert answer.manifests[0].body["metadata"]["labels"] == {"team": "shop"}
    assert answer.manifests[0].body["data"] == {"cluster": "prod", "text": "5", "escaped": "${port}", "port": 5}


def missing_fields(kind, shown, place):
    """The fields of a dataclass that the reference leaves out; those of a list's items are in its comment."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        here = (*place, field.name)
        if field.name not in shown:
            yield ".".join(here)
        elif dataclasses.is_dataclass(hints[field.name]):
            yield from missing_fields(hints[field.name], shown[field.name], here)
        elif typing.get_origin(hints[field.name]) is tuple:
            item = typing.get_args(hints[field.name])[0]
            line = next(line for line in REFERENCE[1].splitlines() if f"{field.name}: []" in line)
            is_shown = field.name == "sources" and "of the same form" in line  # those of `source`
            for inner in dataclasses.fields(item) if dataclasses.is_dataclass(item) and not is_shown else ():
                if not re.search(rf"\b{inner.name}\b", line):
                    yield ".".join((*here, inner.name))


def test_the_page_of_states_tells_the_table_that_the_code_goes_by() -> None:
    rows = re.findall(r"^\| (.+) \| (\w+) \|$", (ROOT / "docs" / "states.md").read_text(), re.M)
    assert rows[: len(TRANSITIONS) + 1] == [("when", "then"), *((row.when, row.to.value) for row in TRANSITIONS)]
