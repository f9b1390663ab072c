"""`gitops sandbox up`: what it is told wrongly is said before a cluster starts."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from gitops.cli.main import main


@pytest.mark.parametrize("token", ["secret", "=admin", "secret=", "secret=,system:masters"])
def test_a_token_without_somebody_that_it_is_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("GITOPS_STATE", str(tmp_path))
    done = CliRunner().invoke(main, ["sandbox", "up", "--port", "0", "--token", token])
    assert (done.exit_code, f"--token '{token}': expected TOKEN=USER" in done.stderr) == (2, True), done.output
    assert list(tmp_path.rglob("connection.json")) == []
