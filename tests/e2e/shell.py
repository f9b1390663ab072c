"""The command line as people use it: a folder, a kubeconfig, a state folder, and the `gitops` program."""

import itertools
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import warm
from tests.scenarios.world import forget

_numbers = itertools.count(1)


@dataclass
class Shell:
    """Runs `gitops` in `folder` against the embedded cluster; `namespace` is this test's own."""

    folder: Path
    namespace: str
    environment: dict[str, str]

    def start(self, *arguments: str) -> "warm.Command | subprocess.Popen[str]":
        return warm.start(arguments, self.folder, self.environment)

    def gitops(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        began = time.monotonic()
        done = warm.run(arguments, self.folder, self.environment)
        self.seconds = time.monotonic() - began
        return done

    def kubectl(self, *arguments: str) -> str:
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def git(self, *arguments: str) -> str:
        options = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"]
        options += ["-c", "maintenance.auto=false"]
        command = ["git", *options, *arguments]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def shell(sandbox, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "kubeconfig").write_text(sandbox.kubeconfig())
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("GITOPS_", "KUBE", "XDG_"))}
    environment = {
        **plain,
        "HOME": str(tmp_path),
        # The kubectl of this machine, or the one that is installed beside us.
        "PATH": f"{os.environ.get('PATH', '')}:{Path(sys.executable).parent}",
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "GITOPS_STATE": str(tmp_path / "state"),
    }
    made = Shell(folder, f"e2e-{os.getpid()}-{next(_numbers)}", environment)
    yield made
    forget(sandbox, made.namespace)
