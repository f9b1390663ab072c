"""Tokens: what a line of the file says, and that nothing else lets anybody in."""

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from gitops.cli.token import token
from gitops.model.errors import ConfigError
from gitops.server.auth.tokens import Scope, TokenFile, new_token, read_tokens

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_new_token_is_found_by_its_line_which_does_not_hold_it(tmp_path):
    made, line = new_token("ada", Scope.OPERATOR, NOW + timedelta(days=1))
    (tmp_path / "tokens").write_text(f"# ours\n\n{line}\n")
    found = TokenFile(tmp_path / "tokens").find(made, NOW)
    assert (found.name, found.scope, made in line) == ("ada", Scope.OPERATOR, False)


def test_a_token_is_good_for_the_applications_that_its_line_names(tmp_path):
    path = tmp_path / "tokens"
    done = CliRunner().invoke(token, ["ada", "--only", "shop/*", "--only", "bank/a?", "--tokens", str(path)])
    assert TokenFile(path).find(done.stdout.strip(), datetime.now(UTC)).only == ("shop/*", "bank/a?")
    for wrong in ("shop", "a/b c", "a/[", "a/#"):
        with pytest.raises(ConfigError, match="--only"):
            new_token("ada", Scope.VIEWER, None, (wrong,))


def test_a_token_ends_when_it_expires(tmp_path):
    made, line = new_token("ada", Scope.VIEWER, NOW)
    (tmp_path / "tokens").write_text(line)
    assert TokenFile(tmp_path / "tokens").find(made, NOW) is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("ada operator never", "expected NAME SCOPE EXPIRES"),
        ("ada root never sha256:" + "a" * 64, "the scope is viewer or operator or admin"),
        ("ada viewer never sha256:" + "a" * 64 + " shop/*", "[only=GLOB]"),
        ("ada viewer never sha256:" + "a" * 64 + " only=shop", "a glob of NAMESPACE/NAME"),
        ("ada viewer never sha256:" + "a" * 64 + " only=shop/{a", "a brace is not closed"),
        ("ada viewer never gitops_abc", "not the token itself"),
        ("ada viewer 2026-01-01T00:00:00 sha256:" + "a" * 64, "no time zone"),
        ("ada viewer soon sha256:" + "a" * 64, "soon"),
        ("<b> viewer never sha256:" + "a" * 64, "the name"),
    ],
)
def test_a_wrong_line_lets_nobody_in_and_is_named(line, why):
    found, wrong = read_tokens(f"\n{line}\n")
    assert (found, len(wrong)) == ({}, 1)
    assert wrong[0].startswith("line 2: ")
    assert why in wrong[0]


def test_one_wrong_line_shuts_nobody_else_out():
    _, line = new_token("ada", Scope.VIEWER, None)
    found, wrong = read_tokens(f"nonsense\n{line}\n")
    assert ([one.name for one in found.values()], len(wrong)) == (["ada"], 1)


def test_a_file_that_cannot_be_read_any_more_lets_nobody_in(tmp_path):
    made, line = new_token("ada", Scope.VIEWER, None)
    path = tmp_path / "tokens"
    path.write_text(line)
    file = TokenFile(path)
    assert file.find(made, NOW)
    path.unlink()
    assert file.find(made, NOW) is None
    with pytest.raises(ConfigError, match="No such file"):
        file.check()


def test_a_file_that_goes_wrong_is_told_of_once_each_time(tmp_path):
    made, line = new_token("ada", Scope.VIEWER, None)
    path = tmp_path / "tokens"
    file = TokenFile(path)
    with capture_logs() as lines:
        for text in (line, "nonsense", "nonsense\n", line + "\n", "nonsense"):
            path.write_text(text)
            for _ in range(3):
                assert (file.find(made, NOW) is None) is (text.strip() == "nonsense")
    assert [line["event"] for line in lines] == ["tokens.wrong", "tokens.wrong"]


@pytest.mark.parametrize("name", ["", "a b", "a\nb operator never", "<script>", "x" * 64])
def test_a_name_that_would_make_another_line_is_refused(name):
    with pytest.raises(ConfigError, match="expected a name"):
        new_token(name, Scope.VIEWER, None)


def test_the_command_prints_the_token_alone_and_adds_its_line_for_nobody_else_to_read(tmp_path):
    path = tmp_path / "tokens"
    path.write_text("# ours")
    for name in ("ada", "grace"):
        done = CliRunner().invoke(token, [name, "--scope", "operator", "--expires", "30d", "--tokens", str(path)])
        assert done.exit_code == 0
        found = TokenFile(path).find(done.stdout.strip(), datetime.now(UTC))
        assert (found.name, found.scope) == (name, Scope.OPERATOR)
    other = tmp_path / "other"
    CliRunner().invoke(token, ["ada", "--tokens", str(other)])
    assert other.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("expires", ["soon", "0d", "99999d", "-3d", "3h"])
def test_the_command_refuses_a_time_that_is_none(expires, tmp_path):
    done = CliRunner().invoke(token, ["ada", "--expires", expires, "--tokens", str(tmp_path / "tokens")])
    assert (done.exit_code, (tmp_path / "tokens").exists()) == (2, False)
