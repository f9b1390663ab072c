"""`gitops demo`: a repository, an embedded cluster and the controller, and the story of a delivery told by them.

Every line that begins with `$` is a command that is run as it stands; the lines with a bar are what the controller
logs meanwhile. Only the commits and the hand edit are made from here.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click

from gitops.cli import settings as exits
from gitops.cli.settings import Settings, fail, set_up_logging
from gitops.model.errors import ClusterError, ConfigError, GitopsError

_LONGEST_WAIT = 90.0
_APPLICATION = """\
apiVersion: gitops.dev/v1alpha1
kind: Application
metadata:
  name: shop
spec:
  source: {{repoURL: "{url}", targetRevision: main, path: apps/shop}}
  destination: {{namespace: shop}}
  sync: {{automated: true, drift: correct, createNamespace: true, prune: true, timeout: 10s}}
  interval: 1s
"""
# What the controller logs that belongs to the story.
_FACTS = {
    "commit.seen": "commit {revision:.12} seen",
    "drift.detected": "drift detected: {reason}",
    "sync.started": "sync to {revision} started",
    "sync.finished": "sync to {revision} finished",
    "sync.failed": "sync to {revision} failed",
    "rollback.started": "rolling back to {revision}",
}


@click.command()
@click.option("--keep", is_flag=True, help="Keep the folder and leave the embedded cluster running.")
@click.pass_obj
def demo(settings: Settings, keep: bool) -> None:
    """Push to a repository, watch an embedded cluster follow: rollout, prune, drift, rollback, the audit proof."""
    set_up_logging(settings)
    folder = Path(tempfile.mkdtemp(prefix="gitops-demo-"))
    story = Story(folder)
    try:
        story.tell()
    except GitopsError as exc:
        fail(exc)
    finally:
        if keep:
            click.echo(f"\nkept: export KUBECONFIG={folder}/kubeconfig GITOPS_STATE={folder}/state")
            click.echo(f"the page: {story.address}")
        else:
            story.clean_up()


class Story:
    """One run of the demo in a folder of its own; `run` fails when a command ends otherwise than the story says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._repository = folder / "shop"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GITOPS_", "KUBE"))},
            "GITOPS_STATE": str(folder / "state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "KUBECONFIG": str(folder / "kubeconfig"),
        }
        self._began = time.monotonic()
        self._controller: subprocess.Popen[bytes] | None = None
        self._log = folder / "controller.log"
        self.address = f"http://127.0.0.1:{free_port()}"
        self._read = 0

    def tell(self) -> None:
        """The whole story, in about a minute."""
        self._say("A Git repository, made from sample-repo/, and an embedded Kubernetes cluster.")
        self._make_repository()
        self._run("sandbox", "up", "--detach", "--port", "0")
        (self._folder / "kubeconfig").write_text(self._output("sandbox", "kubeconfig"))

        self._say("The controller. It reads the repository, and makes the cluster follow: in order, and healthy.")
        self._start_controller()
        self._until("sync.finished")
        self._run("status", "shop")

        self._say("Somebody pushes a newer image for the web server. Nobody does anything else.")
        self._edit("web.yaml", "nginx:1.26-alpine", "nginx:1.27-alpine", "Serve the shop with nginx 1.27")
        self._until("sync.finished")

        self._say("Somebody removes the worker from the repository: it is pruned.")
        self._remove("worker.yaml", "Retire the worker")
        self._until("sync.finished")

        self._tell_of_drift()

        self._say("A commit names an image that cannot be pulled. The rollout fails, and is rolled back.")
        self._edit("api.yaml", "hashicorp/http-echo:0.2.3", "hashicorp/http-echo:broken", "Try the new API")
        self._until("rollback.started")
        self._until("sync.finished")

        self._say("The bad commit is quarantined: it is not tried again until somebody pushes a fix, or says so.")
        self._run("explain", "shop")
        self._run("drift", "shop")
        self._run("history", "shop")

        self._say("Who changed what, when and why; and the proof that nobody rewrote it.")
        self._run("audit", "list", "shop", "--limit", "6")
        self._run("audit", "verify")
        self._say(f"That took {time.monotonic() - self._began:.0f} seconds. Next: README.md, for your own cluster.")

    def _tell_of_drift(self) -> None:
        self._say("At 3 a.m. somebody runs `kubectl scale deployment/api --replicas=5`. It is found and undone.")
        began = time.monotonic()
        self._scale_by_hand("api", 5)
        self._until("drift.detected")
        self._until("sync.finished")
        click.echo(f"undone {time.monotonic() - began:.1f} s after the hand edit")

    def clean_up(self) -> None:
        if self._controller is not None:
            self._controller.terminate()
            self._controller.wait(15)
        subprocess.run(self._command("sandbox", "down"), env=self._environment, check=False, capture_output=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start_controller(self) -> None:
        click.echo(click.style("$ gitops run -f shop.yaml --listen 127.0.0.1:… --tokens tokens &", bold=True))
        token = self._output("token", "you", "--scope", "operator", "--tokens", str(self._folder / "tokens")).strip()
        page = ["--listen", self.address.removeprefix("http://"), "--tokens", "tokens", "--anyone-reads"]
        command = self._command("--log-format=json", "run", "-f", "shop.yaml", *page)
        with self._log.open("wb") as log:
            self._controller = subprocess.Popen(command, env=self._environment, cwd=self._folder, stderr=log)
        click.echo(f"watch it in a browser: {self.address} (to act, sign in with {token})")

    def _until(self, event: str) -> None:
        """Show what the controller logs until it tells of `event`."""
        deadline = time.monotonic() + _LONGEST_WAIT
        while time.monotonic() < deadline:
            for fact in self._new_facts():
                text = _FACTS.get(fact["event"])
                if text is not None:
                    click.echo(click.style("  | ", dim=True) + text.format(**fact))
                if fact["event"] == event:
                    return
            assert self._controller is not None
            if self._controller.poll() is not None:
                raise ClusterError(f"the controller ended: {self._log.read_text()[-1000:]}")
            time.sleep(0.05)
        raise ClusterError(f"the controller did not tell of {event} within {_LONGEST_WAIT:.0f} s; see {self._log}")

    def _new_facts(self) -> Iterator[dict[str, str]]:
        """Each line that was logged since the last look; one that is not whole yet is left for the next."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                yield json.loads(line)

    def _make_repository(self) -> None:
        from git import Repo

        shutil.copytree(sample_repository(), self._repository)
        repository = Repo.init(self._repository, initial_branch="main")
        with repository.config_writer() as config:
            config.set_value("user", "name", "Ada")
            config.set_value("user", "email", "ada@shop.example.com")
            config.set_value("commit", "gpgsign", "false")
        self._commit("Open the shop")
        (self._folder / "shop.yaml").write_text(_APPLICATION.format(url=self._repository.as_uri()))

    def _commit(self, message: str) -> None:
        from git import Repo

        repository = Repo(self._repository)
        repository.git.add(all=True)
        commit = repository.index.commit(message)
        click.echo(click.style(f"commit {commit.hexsha[:12]}  {message}", fg="magenta"))

    def _edit(self, name: str, old: str, new: str, message: str) -> None:
        path = self._repository / "apps/shop" / name
        text = path.read_text()
        if old not in text:
            raise ConfigError(f"{path}: expected {old} in it")
        path.write_text(text.replace(old, new))
        self._commit(message)

    def _remove(self, name: str, message: str) -> None:
        (self._repository / "apps/shop" / name).unlink()
        self._commit(message)

    def _scale_by_hand(self, name: str, replicas: int) -> None:
        """The request that `kubectl scale` sends, so that the demo needs no kubectl."""
        import asyncio

        from gitops.adapters.kubernetes.connection import connect
        from gitops.adapters.kubernetes.http import Http

        async def scale() -> None:
            http = Http(connect(self._environment["KUBECONFIG"]))
            try:
                await http.request(
                    "PATCH",
                    f"/apis/apps/v1/namespaces/shop/deployments/{name}/scale",
                    query={"fieldManager": "kubectl"},
                    body={"spec": {"replicas": replicas}},
                    content_type="application/merge-patch+json",
                )
            finally:
                await http.close()

        asyncio.run(scale())

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "gitops.cli", *arguments]

    def _run(self, *arguments: str, expect: int = exits.DONE) -> None:
        click.echo(click.style(f"$ gitops {' '.join(arguments)}", bold=True))
        ended = subprocess.run(self._command(*arguments), env=self._environment, cwd=self._folder, check=False)
        if ended.returncode != expect:
            raise ClusterError(f"gitops {' '.join(arguments)} ended with {ended.returncode}; the story needs {expect}")

    def _output(self, *arguments: str) -> str:
        command = self._command(*arguments)
        ended = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise ConfigError(ended.stderr.strip())
        return ended.stdout

    def _say(self, text: str) -> None:
        click.echo("\n" + click.style(text, fg="cyan", bold=True))


def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def sample_repository() -> Path:
    """The sample repository: beside the package in a checkout, inside it when installed from a wheel."""
    package = Path(__file__).resolve().parents[1]
    beside = package.parent / "sample-repo"
    return beside if beside.is_dir() else package / "sample_repo"
