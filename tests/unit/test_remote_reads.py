"""The audit log of a server, as a person's machine reads it page by page."""

import asyncio
import json

import pytest

from gitops.cli import settings as exits
from gitops.cli.remote import reads
from gitops.model.errors import HeldError

ALL = {"app": "", "namespace": "", "facts": (), "actor": "", "since": "", "limit": 0, "output": "json"}


class Server:
    """Gives so many entries, the newest first, one each second; a page ends where `limit` says."""

    def __init__(self, count):
        self.entries = [self.entry(number) for number in range(count, 0, -1)]
        self.asked = []

    @staticmethod
    def entry(number):
        who = {"actor": "ada", "application": f"{'shop' if number % 2 else 'bank'}/app", "cluster": "here"}
        what = {"fact": "synced", "revision": "a" * 40, "detail": {}, "hash": str(number)}
        return {"seq": number, "at": f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z", **who, **what}

    async def get(self, way, *, before="", limit=0, **query):
        self.asked.append((way, before, limit, query))
        first = int(before or 0)
        page = self.entries[first : first + limit]
        rest = first + limit
        return {"items": page, "next": str(rest) if rest < len(self.entries) else None}


def read(server, capsys, **given):
    asyncio.run(reads.audit_list(server, {**ALL, **given}))
    out, err = capsys.readouterr()
    return [one["seq"] for one in json.loads(out)], err


def test_every_page_is_read_and_shown_by_time(capsys):
    server = Server(450)
    assert read(server, capsys) == (list(range(1, 451)), "")
    assert [(before, limit) for _, before, limit, _ in server.asked] == [("", 200), ("200", 200), ("400", 200)]


def test_no_more_is_asked_for_than_is_wanted(capsys):
    server = Server(450)
    assert read(server, capsys, limit=3) == ([448, 449, 450], "")
    assert [limit for _, _, limit, _ in server.asked] == [3]


def test_one_fact_is_asked_for_and_several_are_sorted_out_here(capsys):
    one, several = Server(5), Server(5)
    read(one, capsys, facts=("synced",), actor="ada")
    assert (one.asked[0][3]["fact"], one.asked[0][3]["actor"]) == ("synced", "ada")
    assert read(several, capsys, facts=("held", "syn*"), limit=2)[0] == [4, 5]
    assert several.asked[0][3]["fact"] == ""
    assert several.asked[0][2] == 200, "the two newest may be of another fact"


def test_entries_of_one_namespace_are_shown_alone(capsys):
    assert read(Server(6), capsys, namespace="bank")[0] == [2, 4, 6]


@pytest.mark.parametrize(
    ("count", "said"), [(9, ""), (10, ""), (11, "note: the newest 10 entries; gitops audit export has all\n")]
)
def test_it_is_said_where_there_are_more_than_are_shown(capsys, monkeypatch, count, said):
    monkeypatch.setattr(reads, "_MOST_ENTRIES", 10)
    found, err = read(Server(count), capsys)
    assert (found, err) == (list(range(max(count - 9, 1), count + 1)), said)


def test_a_server_whose_pages_lead_on_and_on_is_not_followed(capsys):
    class Endless(Server):
        async def get(self, way, **query):
            self.asked.append(way)
            return {"items": [], "next": "0"}

    server = Endless(0)
    assert read(server, capsys)[0] == []
    assert len(server.asked) == 1


class Drifting:
    """Tells the drift of one of its two Applications, and cannot tell that of the other."""

    url = "https://gitops.example.com"

    async def get(self, way, **query):
        if way == "/applications":
            rows = [{"application": f"gitops/{name}", "namespace": "shop"} for name in ("held", "plain")]
            return {"items": [row for row in rows if query.get("q", "") in row["application"]], "total": 2}
        if way == "/applications/gitops/held/drift":
            raise HeldError("another owner")
        return {"drift": [], "underWay": ""}


def test_of_one_whose_drift_cannot_be_told_the_reason_ends_the_command(capsys):
    with pytest.raises(HeldError, match="another owner"):
        asyncio.run(reads.drift(Drifting(), {"app": "gitops/held", "namespace": "", "output": "json"}))
    assert capsys.readouterr().out == ""


def test_of_several_the_drift_of_the_others_is_told_all_the_same(capsys):
    with pytest.raises(SystemExit) as ended:
        asyncio.run(reads.drift(Drifting(), {"app": "", "namespace": "", "output": "json"}))
    told = {one["application"]: (one["drift"], one.get("reason")) for one in json.loads(capsys.readouterr().out)}
    assert told == {"gitops/held": (None, "another owner"), "gitops/plain": ([], None)}
    assert ended.value.code == exits.FAILED
