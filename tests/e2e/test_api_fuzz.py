"""The API under requests that Schemathesis makes of `/openapi.json`: every answer is as the document says.

Skipped where it is not installed; `make api-fuzz` installs it, and has it try for longer.
"""

import itertools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.scenarios.http import Web
from tests.scenarios.running import Running
from tests.scenarios.world import World, config_map, deployment, forget

_APART = Path(__file__).resolve().parents[2] / "build/schemathesis/bin/schemathesis"  # its libraries are not ours
PROGRAM = str(_APART) if _APART.exists() else shutil.which("schemathesis")
SECONDS = os.environ.get("API_FUZZ_SECONDS", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="needs Schemathesis: make api-fuzz installs it"),
]
ENDLESS = "/stream$|/audit/export$"
SETTINGS = """\
[parameters]
"path.namespace" = "gitops"
"path.name" = "app"
"""
_numbers = itertools.count(1)


@pytest.fixture
def web(sandbox, tmp_path):
    world = World(tmp_path, sandbox.kubeconfig(), f"fuzzed-{next(_numbers)}")
    sha = world.commit(settings=config_map("settings", a="1"), web=deployment("web"))
    with Running(world) as running, Web(running, tmp_path) as found:
        running.until_synced(sha)
        yield found
    forget(sandbox, world.namespace)


@pytest.mark.parametrize(("who", "seconds"), [("ada", "8"), ("grace", "3"), ("", "2")])
def test_no_request_gets_an_answer_that_the_document_does_not_have(web, tmp_path, who, seconds):
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(SETTINGS)
    command = [PROGRAM, "--config-file", settings, "run", f"http://127.0.0.1:{web.port}/openapi.json"]
    command += [
        "--checks",
        "all",
        "--exclude-path-regex",
        ENDLESS,
        "--continue-on-failure",
        "--no-shrink",
        "--no-color",
    ]
    command += ["--max-time", SECONDS or seconds, *(() if SECONDS else ("--seed", "1"))]
    command += ["--header", f"Authorization: Bearer {web.tokens[who]}"] if who else []
    done = subprocess.run(
        command, capture_output=True, check=False, text=True, timeout=int(SECONDS or 60) + 60, cwd=tmp_path
    )
    assert done.returncode == 0, "\n".join(line[:300] for line in done.stdout.splitlines())
    assert "generated" in done.stdout
