"""What each kind of destination is sent, and what is said where that goes wrong."""

import base64
import json
import subprocess
import sys
import time
from dataclasses import replace
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.adapters.http_get import basic
from gitops.adapters.notifiers import sender
from gitops.adapters.notifiers.finding import LoginFinder
from gitops.adapters.notifiers.login import Login, login_in, login_of
from gitops.adapters.notifiers.message import Message
from gitops.adapters.notifiers.sender import FORMATS, HttpNotifier, posts_of
from gitops.model.errors import ConfigError, NotificationError
from gitops.model.notification import COMMIT_TYPES, DestinationSpec, Notification, Place
from tests.scenarios.listener import Listener

SHA = "0123456789abcdef0123456789abcdef01234567"
NOTE = Notification(
    "id1",
    "failed",
    "2026-01-01T00:00:00.000Z",
    "team/shop",
    cluster="c.example.com",
    source="https://git.example.com/acme/shop.git",
    revision=SHA,
    actor="ada",
    reason="no room",
    url="https://gitops.example.com/applications/team/shop",
)


def message(kind, url="https://host.example.com/hook", note=NOTE, login=None, text="it failed", **given_):
    place = {name: given_.pop(name) for name in ("style", "uid", "metadata") if name in given_}
    login = (login or Login(token="t0ken")).with_address("" if kind in COMMIT_TYPES else url)
    return Message(Place(DestinationSpec("x", kind, url, **given_), **place), login, note, text)


def sent(kind, **given_):
    (post,) = posts_of(message(kind, **given_))
    return post, json.loads(post.data)


# ── rooms ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_slack_takes_an_attachment_with_a_colour_and_a_link():
    post, body = sent("slack", login=Login(), channel="#ops")
    assert post.url == "https://host.example.com/hook"
    assert "Authorization" not in post.headers
    assert body == {
        "channel": "#ops",
        "attachments": [
            {
                "color": "danger",
                "fallback": "it failed",
                "text": "it failed",
                "title": "team/shop",
                "title_link": NOTE.url,
            }
        ],
    }


def test_a_bot_of_slack_posts_by_its_api_and_its_answer_counts():
    post, _ = sent("slack", url="")
    assert (post.url, post.says_ok) == ("https://slack.com/api/chat.postMessage", True)
    assert post.headers["Authorization"] == "Bearer t0ken"


def test_teams_takes_a_card_of_the_kind_that_its_address_is_of():
    _, new = sent("msteams")
    assert new["attachments"][0]["content"]["body"][0] == {
        "type": "TextBlock",
        "text": "it failed",
        "wrap": True,
        "color": "attention",
    }
    _, old = sent("msteams", url="https://acme.webhook.office.com/x")
    assert (old["@type"], old["text"], old["themeColor"]) == ("MessageCard", "it failed", "FF0000")


def test_telegram_webex_and_matrix_have_their_own_places():
    post, body = sent("telegram", url="", channel="-100:7")
    assert post.url == "https://api.telegram.org/bott0ken/sendMessage"
    assert (body["chat_id"], body["message_thread_id"], "parse_mode" in body) == ("-100", "7", False)
    post, body = sent("webex", url="", channel="room")
    assert (post.url, body["roomId"]) == ("https://webexapis.com/v1/messages", "room")
    post, body = sent("matrix", channel="!a:b")
    assert post.url.endswith("/_matrix/client/v3/rooms/%21a%3Ab/send/m.room.message/id1")
    assert (post.method, body["msgtype"]) == ("PUT", "m.text")


@pytest.mark.parametrize("kind", ["slack", "discord", "googlechat"])
def test_text_of_a_stranger_mentions_nobody(kind):
    post, body = sent(kind, text="<!channel> @everyone <https://evil|here>")
    assert "<!" not in post.data.decode() or body["allowed_mentions"] == {"parse": []}


def test_a_link_of_a_stranger_is_none_in_teams():
    _, body = sent("msteams", text="[here](https://evil)")
    assert "](" not in body["attachments"][0]["content"]["body"][0]["text"]


# ── programs ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_cloudevents_are_structured():
    post, body = sent("cloudevents")
    assert post.headers["Content-Type"] == "application/cloudevents+json"
    assert {name: body[name] for name in ("specversion", "id", "source", "type", "subject", "time")} == {
        "specversion": "1.0",
        "id": "id1",
        "source": "/gitops/c.example.com",
        "type": "dev.gitops.application.failed",
        "subject": "team/shop",
        "time": NOTE.at,
    }
    assert body["data"]["reason"] == "no room"


def test_alertmanager_gets_an_alert_and_its_end_under_the_same_labels():
    post, (alert,) = sent("alertmanager", url="http://alertmanager:9093", note=replace(NOTE, fact="degraded"))
    assert post.url == "http://alertmanager:9093/api/v2/alerts"
    assert alert["labels"]["alertname"] == "GitopsDegraded"
    assert (alert["startsAt"], alert["endsAt"]) == ("2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z")
    _, (over,) = sent("alertmanager", url="http://alertmanager:9093", note=replace(NOTE, fact="healthy"))
    assert (over["labels"], over["endsAt"]) == (alert["labels"], NOTE.at)
    assert posts_of(message("alertmanager", note=replace(NOTE, fact="started"))) == ()


def test_grafana_gets_an_annotation_in_milliseconds():
    post, body = sent("grafana", url="https://grafana.example.com")
    assert post.url == "https://grafana.example.com/api/annotations"
    assert (body["time"], body["text"]) == (1767225600000, "it failed")
    assert body["tags"] == ["gitops", "failed", "error", "application: team/shop"]


def test_an_object_of_flux_is_told_as_flux_tells_it():
    note = replace(NOTE, object="Kustomization/flux-system/apps")
    post, body = sent("webhook", note=note, style="flux", metadata={"env": "prod"})
    assert post.headers["Gotk-Component"] == "gitops"
    assert body["involvedObject"] == {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "namespace": "flux-system",
        "name": "apps",
    }
    assert (body["severity"], body["reason"], body["message"]) == ("error", "ReconciliationFailed", "it failed")
    assert body["metadata"] == {"revision": f"sha1:{SHA}", "env": "prod"}
    _, (alert,) = sent("alertmanager", note=note, style="flux", metadata={"summary": "all of it"})
    assert alert["labels"]["alertname"] == "FluxKustomizationReconciliationfailed"
    assert alert["annotations"] == {"message": "it failed", "summary": "all of it"}


def test_what_names_no_object_is_about_the_application_itself():
    assert message("webhook", note=replace(NOTE, object="")).object == ("Application", "team", "shop")
    release = message("webhook", note=replace(NOTE, object="HelmRelease/apps/web"))
    assert release.object == ("HelmRelease", "apps", "web")


# ── statuses of commits ──────────────────────────────────────────────────────────────────────────────────────────────


def status(kind, url, source, fact="failed", login=None, **given_):
    note = replace(NOTE, fact=fact, source=source)
    return posts_of(message(kind, url=url, note=note, login=login, **given_))


HOSTS = [
    (
        "github",
        "https://github.com",
        f"https://api.github.com/repos/acme/shop/statuses/{SHA}",
        {"state": "failure", "context": "gitops/team/shop", "description": "it failed", "target_url": NOTE.url},
        {
            "Authorization": "Bearer t0ken",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    ),
    (
        "github",
        "https://github.example.com",
        f"https://github.example.com/api/v3/repos/acme/shop/statuses/{SHA}",
        {"state": "failure", "context": "gitops/team/shop", "description": "it failed", "target_url": NOTE.url},
        {"Authorization": "Bearer t0ken"},
    ),
    (
        "gitlab",
        "https://gitlab.com",
        f"https://gitlab.com/api/v4/projects/acme%2Fshop/statuses/{SHA}",
        {"state": "failed", "name": "gitops/team/shop", "description": "it failed", "target_url": NOTE.url},
        {"PRIVATE-TOKEN": "t0ken"},
    ),
    (
        "gitea",
        "https://codeberg.org",
        f"https://codeberg.org/api/v1/repos/acme/shop/statuses/{SHA}",
        {"state": "failure", "context": "gitops/team/shop", "description": "it failed", "target_url": NOTE.url},
        {"Authorization": "token t0ken"},
    ),
    (
        "bitbucket",
        "https://bitbucket.org",
        f"https://api.bitbucket.org/2.0/repositories/acme/shop/commit/{SHA}/statuses/build",
        {"state": "FAILED", "name": "gitops/team/shop", "description": "it failed", "url": NOTE.url},
        {"Authorization": "Bearer t0ken"},
    ),
]


@pytest.mark.parametrize(("kind", "url", "place", "body", "headers"), HOSTS)
def test_a_status_has_the_form_of_its_host(kind, url, place, body, headers):
    (post,) = status(kind, url, f"{url}/acme/shop.git")
    said = json.loads(post.data)
    key = said.pop("key", "")
    assert (post.method, post.url, said) == ("POST", place, body)
    assert len(key) <= 40
    assert headers.items() <= post.headers.items()


def test_bitbucket_server_and_azure_devops_have_paths_of_their_own():
    (post,) = status("bitbucket-server", "https://bb.example.com", "https://bb.example.com/scm/ACME/shop.git")
    assert post.url == f"https://bb.example.com/rest/api/latest/projects/ACME/repos/shop/commits/{SHA}/builds"
    url = "https://dev.azure.com/acme/web%20team/_git/shop"
    (post,) = status("azure-devops", "https://dev.azure.com/acme", url)
    expected = f"https://dev.azure.com/acme/web%20team/_apis/git/repositories/shop/commits/{SHA}/statuses"
    assert unquote(post.url) == unquote(f"{expected}?api-version=7.1")
    body = json.loads(post.data)
    assert (body["state"], body["context"]) == ("failed", {"genre": "gitops", "name": "team/shop"})
    assert post.headers["Authorization"] == basic("", "t0ken")
    (by_ssh,) = status("azure-devops", "https://dev.azure.com/acme", "git@ssh.dev.azure.com:v3/acme/web/shop")
    assert "/acme/web/_apis/git/repositories/shop/" in by_ssh.url


def test_a_user_with_an_app_password_logs_in_at_bitbucket():
    (post,) = status("bitbucket", "https://bitbucket.org", "https://bitbucket.org/a/b", login=Login(token="me:pass"))
    assert base64.b64decode(post.headers["Authorization"].removeprefix("Basic ")) == b"me:pass"


@pytest.mark.parametrize(
    ("fact", "state"),
    [
        ("started", "pending"),
        ("held", "pending"),
        ("synced", "success"),
        ("unchanged", "success"),
        ("error", "failure"),
    ],
)
def test_a_fact_is_pending_success_or_failure(fact, state):
    (post,) = status("github", "https://github.com", "git@github.com:acme/shop.git", fact)
    assert json.loads(post.data)["state"] == state


@pytest.mark.parametrize("fact", ["rolled-back", "degraded", "drifted", "deleted"])
def test_what_is_not_about_a_commit_is_no_status(fact):
    assert status("github", "https://github.com", "https://github.com/acme/shop", fact) == ()


@pytest.mark.parametrize(
    ("opened", "source"),
    [
        ("https://github.com/acme", "https://evil.example.com/acme/shop"),
        ("https://github.com/acme", "https://github.com/acme-evil/shop"),
        ("https://github.com/acme/shop", "https://github.com/acme/other"),
        ("https://github.com", "https://github.com.evil.example.com/acme/shop"),
        ("https://github.com/acme", "https://github.com/acme/../other/shop"),
        ("https://github.com/acme", "https://github.com/acme/%2e%2e/other/shop"),
        ("https://github.com", "https://github.com@evil.example.com/acme/shop"),
    ],
)
def test_a_status_goes_to_no_other_host_owner_or_repository(opened, source):
    assert status("github", opened, source) == ()


def test_what_is_no_commit_has_no_status_and_several_sources_have_one_each():
    assert posts_of(message("github", url="https://github.com", note=replace(NOTE, revision="1.2.3"))) == ()
    note = replace(NOTE, source="https://github.com/a/one + https://elsewhere/b", revision=f"{SHA}+{SHA}")
    (post,) = posts_of(message("github", url="https://github.com", note=note))
    assert "/repos/a/one/" in post.url


def test_a_status_for_flux_is_at_the_address_and_called_as_flux_calls_it():
    note = replace(NOTE, object="Kustomization/flux-system/apps", source="ssh://git@mirror/x")
    place = {"style": "flux", "uid": "0c9c2e41-d2f9"}
    (post,) = posts_of(message("github", url="https://github.com/acme/fleet", note=note, **place))
    assert post.url == f"https://api.github.com/repos/acme/fleet/statuses/{SHA}"
    assert json.loads(post.data)["context"] == "kustomization/apps/0c9c2e41"


def test_a_description_is_as_long_as_the_host_takes_it():
    (post,) = status("github", "https://github.com", "https://github.com/a/b", text="x" * 900)
    assert len(json.loads(post.data)["description"]) == 140


@given(st.sampled_from(sorted(FORMATS)), st.text(), st.text())
def test_no_name_or_reason_gets_into_a_header_or_a_path(kind, name, reason):
    url = "https://github.com"
    source = f"https://github.com/acme/{name}"
    note = replace(NOTE, application=f"team/{name}", reason=reason, source=source, cluster=name)
    for post in posts_of(message(kind, url=url, note=note, text=reason, channel="room")):
        for value in post.headers.values():
            assert value.isprintable()
            assert value.isascii()
        assert urlsplit(post.url).hostname in ("github.com", "api.github.com")
        assert not set(post.url) & set(" \r\n\t#?") or post.url.endswith("?api-version=7.1")


# ── credentials ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_environment_holds_an_address_a_token_or_entries():
    assert login_in("x", "https://h/secret\n").address == "https://h/secret"
    assert login_in("x", "t0ken").token == "t0ken"
    assert login_in("x", "{username: me, password: pass, headers: {X-A: b}}") == Login(
        username="me", password="pass", headers={"X-A": "b"}
    )
    assert login_of("x", {"headers": b"A: b", "caFile": b"PEM", "other": b"\xff"}) == Login(
        ca="PEM", headers={"A": "b"}
    )
    with pytest.raises(ConfigError, match="headers: expected a map"):
        login_of("x", {"headers": b"[1]"})


def test_nothing_of_a_login_is_printed():
    shown = [{"X-A": "s3cret"} if name == "headers" else "s3cret" for name in Login.__dataclass_fields__]
    assert repr(Login(*shown)) == "Login()"


def test_a_tenants_credentials_are_never_the_environments():
    asked = []

    def entries(namespace, name):
        asked.append((namespace, name))
        return {"token": b"tenants"}

    finder = LoginFinder(lambda _: "operators", entries, "gitops")
    spec = DestinationSpec("x", "webhook", "https://h", secretRef="ref")
    assert finder(Place(spec)).token == "operators"
    assert finder(Place(spec, secrets_in="team", style="flux")).token == "tenants"
    assert asked == [("team", "ref")]


def test_a_proxy_of_a_secret_keeps_its_user():
    entries = {"p": {"address": b"http://proxy:3128", "username": b"me", "password": b"a@b"}, "c": {"ca.crt": b"PEM"}}
    finder = LoginFinder(lambda _: "", lambda _, name: entries[name], "")
    place = Place(DestinationSpec("x", "webhook", "https://h"), "team", "flux", trust_ref="c", proxy_ref="p")
    login = finder(place)
    assert (login.proxy, login.ca, login.address) == ("http://me:a%40b@proxy:3128", "PEM", "https://h")


# ── over HTTP ────────────────────────────────────────────────────────────────────────────────────────────────────────


def deliver(listener, login=None, style="own", kind="webhook", path="/s3cret-path?key=s3cret-query"):
    place = Place(DestinationSpec("x", kind, f"{listener.url}{path}"), style=style)
    login = (login or Login(token="s3cret-token")).with_address(place.spec.url)
    return HttpNotifier(lambda _: login)._send(place, NOTE, "text")


@pytest.mark.parametrize("status_", [302, 400, 403, 404, 429, 500, 503])
def test_no_error_tells_an_address_or_a_token(status_):
    with Listener() as listener:
        listener.status, listener.answer = status_, b"you sent s3cret-token to /s3cret-path?key=s3cret-query \x1b[2J"
        listener.answer_headers = {"Retry-After": "17", "Location": "http://127.0.0.1:1/s3cret-path"}
        with pytest.raises(NotificationError) as caught:
            deliver(listener)
        assert len(listener.requests) == 1
    assert "s3cret" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert f"answered {status_}" in str(caught.value)
    assert (caught.value.is_final, caught.value.after) == (status_ in (302, 400, 403, 404), 17.0)


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:1/s3cret", "https://no.invalid/s3cret", "ftp://h/s3cret", "http://[s3cret", "file:///s3cret"],
)
def test_an_address_that_leads_nowhere_is_an_error_without_it(address):
    place = Place(DestinationSpec("x", "webhook", address))
    with pytest.raises(NotificationError) as caught:
        HttpNotifier(lambda _: Login(address=address))._send(place, NOTE, "text")
    assert "s3cret" not in str(caught.value)


def test_a_token_that_no_header_may_hold_is_an_error_without_it():
    with Listener() as listener, pytest.raises(NotificationError) as caught:
        deliver(listener, Login(token="s3cret\r\nX-Evil: 1"), kind="cloudevents")
    assert "s3cret" not in str(caught.value)
    assert listener.requests == []


def test_a_header_of_a_secret_that_would_begin_another_one_is_refused():
    with Listener() as listener, pytest.raises(NotificationError):
        deliver(listener, Login(headers={"X-A": "b\r\nX-B: c"}))
    assert listener.requests == []


def test_a_tenants_destination_is_not_on_the_controllers_machine():
    with Listener() as listener:
        with pytest.raises(NotificationError):
            deliver(listener, style="flux")
        assert listener.requests == []


def test_a_tenant_is_not_told_what_an_address_answers(monkeypatch):
    monkeypatch.setattr(sender, "_reader", lambda place, login: sender.HttpReader("anywhere", seconds=5.0))
    with Listener() as listener:
        listener.status, listener.answer = 400, b"an inner page"
        with pytest.raises(NotificationError) as caught:
            deliver(listener, style="flux")
    assert "inner" not in str(caught.value)


def test_an_answer_that_is_no_ok_counts_where_it_says_so(monkeypatch):
    with Listener() as listener:
        listener.answer = b'{"ok": false, "error": "channel_not_found"}'
        with pytest.raises(NotificationError, match="channel_not_found"):
            deliver(listener, kind="telegram", path="")


def test_a_status_that_was_there_already_is_no_failure():
    with Listener() as listener:
        listener.status, listener.answer = 400, b'{"message": "Cannot transition status via :run from :running"}'
        place = Place(DestinationSpec("x", "gitlab", listener.url))
        note = replace(NOTE, source=f"{listener.url}/acme/shop", fact="started")
        assert HttpNotifier(lambda _: Login(token="t"))._send(place, note, "text")


def test_an_answer_without_an_end_counts_by_its_status():
    with Listener() as listener:
        listener.answer = b"x" * 1_000_000
        assert deliver(listener)


def test_a_silent_host_keeps_nobody_from_ending():
    """The time limit of a request is longer than this program lives."""
    program = (
        "import asyncio, socket\n"
        "from gitops.adapters.notifiers.sender import HttpNotifier\n"
        "from gitops.adapters.notifiers.login import Login\n"
        "from gitops.model.notification import DestinationSpec, Notification, Place\n"
        "async def main():\n"
        "    silent = socket.create_server(('127.0.0.1', 0))\n"
        "    place = Place(DestinationSpec('x', 'webhook', f'http://127.0.0.1:{silent.getsockname()[1]}/'))\n"
        "    notifier = HttpNotifier(lambda _: Login(address=place.spec.url))\n"
        "    note = Notification('1', 'failed', '2026-01-01T00:00:00Z', 'a/b')\n"
        "    task = asyncio.create_task(notifier.send(place, note, 'text'))\n"
        "    await asyncio.sleep(0.3)\n"
        "    task.cancel()\n"
        "asyncio.run(main())\n"
    )
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
    assert time.monotonic() - began < 8


def test_a_place_without_an_address_says_so():
    with pytest.raises(NotificationError, match="has no address"):
        HttpNotifier(lambda _: Login())._send(Place(DestinationSpec("x", "webhook")), NOTE, "text")


# ── Apprise ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def through_apprise(address):
    place = Place(DestinationSpec("x", "apprise", secretRef="x"))
    return HttpNotifier(lambda _: Login(address=address))._send(place, NOTE, "text")


def test_apprise_tells_a_service_by_its_address():
    pytest.importorskip("apprise")
    with Listener() as listener:
        assert through_apprise(f"{listener.url.replace('http', 'json')}/s3cret-path")
        assert listener.requests[0].json["message"] == f"text\n{NOTE.url}"
        listener.status = 500
        with pytest.raises(NotificationError) as caught:
            through_apprise(f"{listener.url.replace('http', 'json')}/s3cret-path")
    assert str(caught.value) == "the service (json) did not take it"


@pytest.mark.parametrize("address", ["syslog://", "dbus://", "file:///etc/passwd", "https://example.com/s3cret", "x"])
def test_apprise_is_asked_for_nothing_on_this_machine(address):
    pytest.importorskip("apprise")
    with pytest.raises(NotificationError, match="none of a service that Apprise knows"):
        through_apprise(address)


def test_without_apprise_it_is_told_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(NotificationError, match="pip install 'gitops-controller"):
        through_apprise("mailto://user:s3cret@example.com")
