"""The audit log as JSON lines: whole, checkable by whoever has the file, and of no more than somebody may see."""

import http.client
import json
import sqlite3

import pytest

from gitops.model.errors import AuditError
from gitops.server.auth.tokens import Scope, new_token
from gitops.views.audit_export import ExportCheck
from tests.scenarios.running import Running
from tests.scenarios.world import config_map

ONE = "/applications/gitops/app"


def checked(body):
    check = ExportCheck()
    for line in body.splitlines(keepends=True):
        check.take(line)
    return check.chains


def test_an_export_over_http_has_every_entry_as_it_is_stored(web, world, tmp_path):
    web.post(f"{ONE}/suspend", reason="the night, with ü")
    answer = web.ask("/api/v1/audit/export", token=web.tokens["grace"])
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/jsonl")
    stored = [event.hash for event in world.audit()]
    assert [json.loads(line)["hash"] for line in answer.body.splitlines()] == stored
    ((chain, numbers),) = checked(answer.body).items()
    assert (chain[0], numbers) == ("gitops/app", (1, len(stored)))
    file = tmp_path / "audit.jsonl"
    file.write_bytes(answer.body)
    done = world.gitops("audit", "verify", "--file", str(file))
    assert (done.returncode, f"{len(stored)} entries, whole\n" in done.stdout) == (0, True)


def test_it_is_of_no_application_that_may_not_be_seen(web, tmp_path):
    made, line = new_token("lin", Scope.VIEWER, None, ("gitops/other",))
    with (tmp_path / "tokens").open("a") as file:
        file.write(line + "\n")
    for query in ("", "?application=gitops/app"):
        assert web.ask(f"/api/v1/audit/export{query}", token=made).body == b""
    assert web.ask("/api/v1/audit/export").status == 401
    assert web.ask("/api/v1/audit/export?colour=red", token=made).status == 400
    assert checked(web.ask("/api/v1/audit/export?application=gitops/app", token=web.tokens["grace"]).body)


def test_one_that_is_cut_short_does_not_end_as_if_it_were_whole(web, running, monkeypatch):
    monkeypatch.setattr("gitops.views.audit_export.AT_ONCE", 1)
    store, asked = running.controller.store, []
    part = store.events_after

    async def failing(*given):
        asked.append(given)
        if len(asked) == 3:
            raise AuditError("the disk is gone")
        return await part(*given)

    monkeypatch.setattr(store, "events_after", failing)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        web.ask("/api/v1/audit/export", token=web.tokens["grace"])
    assert {given[3] for given in asked} == {1}  # so many at once, and no more


def test_the_page_links_to_it(web):
    assert 'href="/api/v1/audit/export"' in web.ask("/audit", token=web.tokens["grace"]).text
    of_one = web.ask("/audit?application=gitops/app", token=web.tokens["grace"]).text
    assert 'href="/api/v1/audit/export?application=gitops/app"' in of_one


def test_the_command_prints_what_its_own_check_takes(world):
    with Running(world) as running:
        running.until_synced(world.commit(settings=config_map("settings")))
    done = world.gitops("audit", "export", "app")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == len(world.audit())
    assert world.gitops("audit", "export", "appl").returncode == 2
    with sqlite3.connect(world.state / "gitops.db") as database:
        database.execute("UPDATE audit SET actor = 'mallory' WHERE seq = 2")
    (world.folder / "audit.jsonl").write_text(world.gitops("audit", "export").stdout)
    done = world.gitops("audit", "verify", "--file", str(world.folder / "audit.jsonl"))
    assert (done.returncode, "was changed after it was written" in done.stderr) == (4, True)


LINE = (
    b'{"seq":1,"at":"2026","actor":"a","application":"x/y","cluster":"c","fact":"f","revision":"","detail":%s,'
    b'"previous_hash":"0","hash":"0"}\n'
)


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"[]\n",
        b"\xff\n",
        b'{"seq":1}\n',
        LINE % b"[]",
        LINE % b'{"a":"\\ud800"}',
        LINE % (b"[" * 100_000),
        LINE % (b'{"a":' * 900 + b"{}" + b"}" * 900),
    ],
)
def test_what_is_no_entry_is_named_by_its_line(line):
    with pytest.raises(AuditError):
        ExportCheck().take(line)


def test_a_file_whose_tail_is_cut_within_a_line_is_not_whole(world, tmp_path):
    with Running(world) as running:
        running.until_synced(world.commit(settings=config_map("settings")))
    text = world.gitops("audit", "export").stdout
    for name, content in (("cut", text[:-10]), ("empty", "")):
        (tmp_path / name).write_text(content)
        assert world.gitops("audit", "verify", "--file", str(tmp_path / name)).returncode == 4
    assert world.gitops("audit", "verify", "--file", str(tmp_path / "none")).returncode == 2
    lines = text.splitlines(keepends=True)
    (tmp_path / "missing").write_text("".join(lines[:1] + lines[2:]))
    done = world.gitops("audit", "verify", "--file", str(tmp_path / "missing"))
    assert (done.returncode, "does not follow entry 1" in done.stderr) == (4, True)
    for name, made in (("turned", [lines[1], lines[0]]), ("twice", [*lines, *lines]), ("again", [*lines, lines[-1]])):
        (tmp_path / name).write_text("".join(made))
        done = world.gitops("audit", "verify", "--file", str(tmp_path / name))
        assert (done.returncode, "does not follow entry" in done.stderr) == (4, True)
    (tmp_path / "later").write_text("".join(lines[2:]))
    done = world.gitops("audit", "verify", "--file", str(tmp_path / "later"))
    assert (done.returncode, "from entry 3 on: the 2 before it are not in this file" in done.stdout) == (0, True)
