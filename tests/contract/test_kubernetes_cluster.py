"""The Kubernetes adapter: who we are there, and what it does when the server has a bad day."""

import asyncio
import json
import os
import resource
import stat
import sys
from pathlib import Path

import pytest

from gitops.adapters.kubernetes import connection, http
from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.adapters.kubernetes.connection import connect
from gitops.manifests.key import ResourceKey
from gitops.model.errors import ApiError, ConfigError, UnreachableError
from gitops.model.log_part import LogPart

KEY = ResourceKey("", "ConfigMap", "default", "x")
BODY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "default"}, "data": {"a": "1"}}


def kubeconfig(folder, sandbox, user):
    """The sandbox's kubeconfig with another user entry."""
    import yaml

    config = yaml.safe_load(sandbox.kubeconfig())
    config["users"][0]["user"] = user
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return str(path)


def with_cluster(path, work):
    async def run():
        cluster = KubernetesCluster(connect(path))
        try:
            return await work(cluster)
        finally:
            await cluster.close()

    return asyncio.run(run())


def plug_in(folder, script):
    path = folder / "plug-in"
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(path),
            "interactiveMode": "Never",
        }
    }


def test_a_credential_plug_in_is_asked_for_the_token(tmp_path, sandbox):
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": sandbox.token},
    }
    path = kubeconfig(tmp_path, sandbox, plug_in(tmp_path, f"print('''{json.dumps(answer)}''')"))
    assert with_cluster(path, lambda cluster: cluster.get(ResourceKey("", "Namespace", "", "default")))


def printing(path):
    """A plug-in that gives the token that a file holds, and fails without one."""
    status = f"{{'token': open({str(path)!r}).read()}}"
    answer = "{'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential', 'status': " + status + "}"
    return f"import json; print(json.dumps({answer}))"


def look(cluster):
    return cluster.get(ResourceKey("", "Namespace", "", "default"))


def test_a_credential_plug_in_is_asked_again_when_its_token_is_refused(tmp_path, sandbox):
    token = tmp_path / "token"
    token.write_text("old")

    async def renewed(cluster):
        token.write_text(sandbox.token)
        return await look(cluster)

    assert with_cluster(kubeconfig(tmp_path, sandbox, plug_in(tmp_path, printing(token))), renewed)


def test_a_credential_plug_in_that_fails_when_it_is_asked_again_is_told_with_the_kubeconfig(tmp_path, sandbox):
    token = tmp_path / "token"
    token.write_text("old")

    async def gone(cluster):
        token.unlink()
        await look(cluster)

    with pytest.raises(UnreachableError, match=r"kubeconfig .* the credential plug-in .* failed"):
        with_cluster(kubeconfig(tmp_path, sandbox, plug_in(tmp_path, printing(token))), gone)


def test_a_kubeconfig_that_cannot_be_read_when_its_token_is_refused_counts_as_it_was(tmp_path, sandbox):
    path = kubeconfig(tmp_path, sandbox, {"token": "old"})

    async def half_written(cluster):
        Path(path).write_text("users: [")
        with pytest.raises(UnreachableError, match="refused our credentials"):
            await look(cluster)
        kubeconfig(tmp_path, sandbox, {"token": sandbox.token})
        return await look(cluster)

    assert with_cluster(path, half_written)


def test_a_watch_whose_token_is_refused_and_stays_so_is_told(tmp_path, sandbox):
    async def watch(cluster):
        async with cluster.http.stream("/api/v1/namespaces", {"watch": "1"}) as events:
            return [event async for event in events]

    with pytest.raises(UnreachableError, match="refused our credentials"):
        with_cluster(kubeconfig(tmp_path, sandbox, {"token": "old"}), watch)


def test_a_credential_plug_in_that_hangs_is_an_error(tmp_path, sandbox, monkeypatch):
    monkeypatch.setattr(connection, "PLUGIN_SECONDS", 0.5)
    path = kubeconfig(tmp_path, sandbox, plug_in(tmp_path, "import time; time.sleep(60)"))
    with pytest.raises(ConfigError, match=r"plug-in did not answer within"):
        connect(path)


def test_a_credential_plug_in_that_prints_without_end_is_an_error(tmp_path, sandbox):
    path = kubeconfig(tmp_path, sandbox, plug_in(tmp_path, "while True: print('x' * 1_000_000)"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ConfigError, match=r"the credential plug-in .* of user .* failed"):
        connect(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_a_credential_plug_in_that_fails_is_an_error_that_names_the_kubeconfig(tmp_path, sandbox):
    path = kubeconfig(tmp_path, sandbox, plug_in(tmp_path, "raise SystemExit(1)"))
    with pytest.raises(ConfigError, match=r"the credential plug-in .* of user .* failed"):
        connect(path)


def test_a_wrong_token_is_told_as_refused_credentials(tmp_path, sandbox):
    path = kubeconfig(tmp_path, sandbox, {"token": "wrong"})
    with pytest.raises(UnreachableError, match="refused our credentials"):
        with_cluster(path, lambda cluster: cluster.kinds())


def test_a_certificate_of_another_authority_is_refused(tmp_path, sandbox, fresh_sandbox):
    other = fresh_sandbox(controllers="none")
    path = tmp_path / "kubeconfig"
    path.write_text(sandbox.kubeconfig().replace(sandbox.url, other.url))
    with pytest.raises(UnreachableError, match="certificate verify failed"):
        with_cluster(str(path), lambda cluster: cluster.kinds())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "kubeconfig"),
        ("kind: Config\n", "kubeconfig"),
        ("kind: Config\ncurrent-context: none\ncontexts: []\nclusters: []\nusers: []\n", "none"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_one_clear_error(tmp_path, text, message):
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        connect(str(path))
    assert "\n" not in str(caught.value)


def test_a_kubeconfig_of_endless_size_is_one_error(tmp_path):
    path = tmp_path / "kubeconfig"
    path.touch()
    os.truncate(path, 2**40)
    with pytest.raises(ConfigError, match=r"kubeconfig .*: it holds more than the 16 MiB that are read"):
        connect(str(path))


def test_an_unknown_context_is_named(tmp_path, sandbox):
    path = tmp_path / "kubeconfig"
    path.write_text(sandbox.kubeconfig())
    with pytest.raises(ConfigError, match="production"):
        connect(str(path), "production")


def test_a_create_is_tried_again_only_where_nothing_was_done(fresh_sandbox, tmp_path):
    """A busy API server turns requests away; that is no reason to end a sync, nor for a second object."""
    busy = fresh_sandbox(controllers="none", faults="error=429:20%")
    path = tmp_path / "kubeconfig"
    path.write_text(busy.kubeconfig())
    body = {**BODY, "metadata": {"generateName": "made-", "namespace": "default", "labels": {"made": "yes"}}}

    async def work(cluster):
        await asyncio.gather(*(cluster.create(ResourceKey("", "ConfigMap", "default", ""), body) for _ in range(10)))
        return await cluster.list("", "ConfigMap", "default", "made=yes")

    assert len(with_cluster(str(path), work).items) == 10


def test_a_create_that_is_only_tried_out_is_tried_again_whatever_went_wrong(fresh_sandbox, tmp_path):
    shaky = fresh_sandbox(controllers="none", faults="error=500:8%,reset:8%")
    path = tmp_path / "kubeconfig"
    path.write_text(shaky.kubeconfig())
    body = {**BODY, "metadata": {"generateName": "made-", "namespace": "default"}}
    key = ResourceKey("", "ConfigMap", "default", "")

    async def work(cluster):
        return await asyncio.gather(*(cluster.create(key, body, dry_run=True) for _ in range(12)))

    assert len(with_cluster(str(path), work)) == 12


def test_broken_answers_are_tried_again_until_they_are_good(tmp_path, fresh_sandbox):
    shaky = fresh_sandbox(controllers="none", faults="error=429:10%,500:5%,reset:5%")
    path = tmp_path / "kubeconfig"
    path.write_text(shaky.kubeconfig())

    async def work(cluster):
        for number in range(12):
            body = {**BODY, "data": {"a": str(number)}}
            await cluster.apply(KEY, body)
        return await cluster.get(KEY)

    assert with_cluster(str(path), work)["data"] == {"a": "11"}


def test_an_apply_of_a_kind_that_went_says_so_and_what_there_is_is_known_again(tmp_path, sandbox):
    path = tmp_path / "kubeconfig"
    path.write_text(sandbox.kubeconfig())
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    definition = {
        "metadata": {"name": "goers.going.example.com"},
        "spec": {
            "group": "going.example.com",
            "scope": "Namespaced",
            "names": {"kind": "Goer", "plural": "goers", "singular": "goer"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    key = ResourceKey("going.example.com", "Goer", "default", "x")
    body = {"apiVersion": "going.example.com/v1", "kind": "Goer", "metadata": {"name": "x", "namespace": "default"}}

    async def gone(cluster):
        await cluster.http.request("POST", definitions, body=definition)
        await cluster.kinds(refresh=True)
        await cluster.http.request("DELETE", f"{definitions}/goers.going.example.com")
        with pytest.raises(ApiError, match=r"does not serve Goer in going.example.com/v1 any more"):
            await cluster.apply(key, body)
        return (await cluster.kinds()).find("going.example.com", "Goer")

    assert with_cluster(str(path), gone) is None


def test_a_conflict_is_told_with_its_causes(tmp_path, sandbox):
    path = tmp_path / "kubeconfig"
    path.write_text(sandbox.kubeconfig())
    key = ResourceKey("", "ConfigMap", "default", "conflict")
    body = {**BODY, "metadata": {"name": "conflict", "namespace": "default"}}

    async def work(cluster):
        url = "/api/v1/namespaces/default/configmaps"
        await cluster.http.request("POST", url, query={"fieldManager": "other"}, body=body)
        with pytest.raises(ApiError) as caught:
            await cluster.apply(key, {**body, "data": {"a": "2"}})
        return caught.value, cluster.http.counts["PATCH", 409]

    error, times = with_cluster(str(path), work)
    assert (error.code, error.causes[0]["field"], times) == (409, ".data.a", 1)


def test_an_apply_to_an_object_as_it_was_is_not_sent_again_once_that_has_changed(tmp_path, sandbox):
    path = tmp_path / "kubeconfig"
    path.write_text(sandbox.kubeconfig())
    key = ResourceKey("", "ConfigMap", "default", "changed")
    body = {**BODY, "metadata": {"name": "changed", "namespace": "default"}}

    async def work(cluster):
        before = (await cluster.apply(key, body))["metadata"]["resourceVersion"]
        await cluster.apply(key, {**body, "data": {"a": "2"}})
        late = {**body, "metadata": {**body["metadata"], "resourceVersion": before}}
        with pytest.raises(ApiError) as caught:
            await cluster.apply(key, {**late, "data": {"a": "3"}})
        return caught.value, cluster.http.counts["PATCH", 409], await cluster.get(key)

    error, times, live = with_cluster(str(path), work)
    assert (error.code, error.causes, times, live["data"]) == (409, [], 1, {"a": "2"})


def test_a_list_of_many_pages_is_whole(tmp_path, sandbox, monkeypatch):
    monkeypatch.setattr("gitops.adapters.kubernetes.cluster._PAGES", ("3",))
    path = tmp_path / "kubeconfig"
    path.write_text(sandbox.kubeconfig())

    async def work(cluster):
        for number in range(10):
            name = f"page-{number}"
            body = {**BODY, "metadata": {"name": name, "namespace": "default", "labels": {"paged": "yes"}}}
            await cluster.apply(ResourceKey("", "ConfigMap", "default", name), body)
        return await cluster.list("", "ConfigMap", "default", "paged=yes")

    listing = with_cluster(str(path), work)
    assert sorted(item["metadata"]["name"] for item in listing.items) == [f"page-{number}" for number in range(10)]
    assert listing.items[0]["kind"] == "ConfigMap"


def test_a_client_certificate_is_shown_to_the_server_and_its_key_leaves_no_file(tmp_path, sandbox):
    import base64
    import tempfile
    from datetime import UTC, datetime, timedelta
    from pathlib import Path

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ada")])
    today = datetime.now(UTC).replace(tzinfo=None)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1).not_valid_before(today)
    made = builder.not_valid_after(today + timedelta(days=1)).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    user = {
        "token": sandbox.token,
        "client-certificate-data": base64.b64encode(made.public_bytes(pem)).decode(),
        "client-key-data": base64.b64encode(private).decode(),
    }
    before = set(Path(tempfile.gettempdir()).glob("gitops-*"))
    path = kubeconfig(tmp_path, sandbox, user)
    assert with_cluster(path, lambda cluster: cluster.get(ResourceKey("", "Namespace", "", "default")))
    kept = set(Path(tempfile.gettempdir()).glob("gitops-*")) - before
    assert not [file for file in kept if file.is_file()]


def test_a_plain_kubeconfig_does_not_import_the_client_library(tmp_path, sandbox):
    import subprocess

    path = tmp_path / "kubeconfig"
    path.write_text(sandbox.kubeconfig())
    script = (
        "import sys; from gitops.adapters.kubernetes.connection import connect;"
        f"connect({str(path)!r}); sys.exit('kubernetes' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_watch_that_breaks_before_it_begins_is_told_as_an_unreachable_server(tmp_path, fresh_sandbox):
    server = fresh_sandbox()

    async def watch(cluster):
        await cluster.kinds()
        server.set_faults("reset:100%")
        async with cluster.watch("", "ConfigMap", "default", ""):
            pass

    path = tmp_path / "kubeconfig"
    path.write_text(server.kubeconfig())
    with pytest.raises(UnreachableError):
        with_cluster(str(path), watch)


def test_a_watch_on_a_connection_that_went_silent_ends(tmp_path, sandbox, monkeypatch):
    monkeypatch.setattr(http, "_SILENT_SECONDS", 0.2)

    async def watch(cluster):
        async with cluster.watch("", "Node", "", "") as events:
            async with asyncio.timeout(10):
                return [event async for event in events]

    path = tmp_path / "kubeconfig"
    path.write_text(sandbox.kubeconfig())
    assert isinstance(with_cluster(str(path), watch), list)


def test_an_integer_beyond_64_bits_reaches_the_server_that_judges_it(tmp_path, sandbox):
    path = tmp_path / "kubeconfig"
    path.write_text(sandbox.kubeconfig())
    key = ResourceKey("", "Service", "default", "large")
    ports = [{"port": 2**70}]
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "large"}, "spec": {"ports": ports}}
    with pytest.raises(ApiError) as caught:
        with_cluster(str(path), lambda cluster: cluster.apply(key, body))
    assert caught.value.code in (400, 422, 500)


@pytest.mark.parametrize(
    ("status", "message"), [(200, "does not answer as a Kubernetes API"), (302, "sends us elsewhere")]
)
def test_what_is_no_kubernetes_api_is_told_as_that(tmp_path, status, message):
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Location", "/login")
            self.end_headers()
            self.wfile.write(b"<html>log in</html>")

        def log_message(self, *_):
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    with pytest.raises(UnreachableError, match=message):
        with_cluster(str(path), lambda cluster: cluster.kinds())
    server.shutdown()


def test_an_api_server_that_tells_its_kinds_group_by_group_has_the_same_ones(tmp_path, sandbox, monkeypatch):
    path = tmp_path / "kubeconfig"
    path.write_text(sandbox.kubeconfig())

    async def kinds(cluster):
        found = await cluster.kinds()
        return set(found), [found.find(group, kind) for group, kind in (("apps", "Deployment"), ("", "Pod"))]

    at_once = with_cluster(str(path), kinds)
    monkeypatch.setattr("gitops.adapters.kubernetes.discovery._ACCEPT", "application/json")
    by_group = with_cluster(str(path), kinds)
    assert by_group == at_once
    assert all({"list", "watch", "patch"} <= one.verbs for one in by_group[1])


@pytest.mark.parametrize("code", [429, 502, 503])
def test_a_group_whose_own_server_does_not_answer_is_named(tmp_path, sandbox, code):
    path = kubeconfig(tmp_path, sandbox, {"token": "t"})

    async def work(cluster):
        return cluster.http._error("/apis/metrics.k8s.io/v1beta1/nodes", code, b"no backend")

    found = with_cluster(path, work)
    assert (found.code, str(found)) == (code, f"metrics.k8s.io does not answer now (HTTP {code}): no backend")


def test_of_a_log_only_what_was_written_since_is_given(tmp_path, sandbox):
    key = ResourceKey("", "Pod", "default", "talks")
    spec = {"containers": [{"name": "c", "image": "talks:1"}]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": key.name, "namespace": "default"}, "spec": spec}

    async def work(cluster):
        await cluster.apply(key, body)
        while True:
            try:
                whole = await cluster.log(key, "c", LogPart(10))
                break
            except ApiError:  # while it is waiting to start
                await asyncio.sleep(0.05)
        since = [LogPart(10, since=f"{year}-01-01T00:00:00Z") for year in (1970, 2999)]
        return whole, *[await cluster.log(key, "c", part) for part in since]

    path = tmp_path / "kubeconfig"
    path.write_text(sandbox.kubeconfig())
    whole, since_long, since_later = with_cluster(str(path), work)
    assert "talks:1: started" in whole
    assert (since_long, since_later) == (whole, "")


HOSTILE_NAMES = ["../../gitops/secrets/deploy-key", "..", ".", "a/b", "%2e%2e", "x?dryRun=All", "x#", "x\nHost: y", ""]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("part", ["name", "namespace"])
def test_no_name_leads_to_another_objects_path(tmp_path, sandbox, name, part):
    key = ResourceKey("", "Secret", name, "x") if part == "namespace" else ResourceKey("", "Secret", "default", name)
    if part == "namespace" and not name:
        return  # that is a cluster-wide path, and no Secret has one
    asked = []

    async def work(cluster):
        await cluster.kinds()
        once = cluster.http._once

        async def noting(call):
            asked.append(call.path)
            return await once(call)

        cluster.http._once = noting
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
        for call in (
            lambda: cluster.get(key),
            lambda: cluster.delete(key, uid="x"),
            lambda: cluster.apply(key, body),
            lambda: cluster.logs(ResourceKey("", "Pod", key.namespace, key.name), "c", lines=1),
            lambda: cluster.log(ResourceKey("", "Pod", key.namespace, key.name), "c", LogPart(1)),
            lambda: cluster.replace_finalizers(key, [], "1"),
        ):
            try:
                await call()
            except ApiError as exc:
                assert exc.code in (400, 404, 422)  # noqa: PT017 - each call may or may not be sent

    path = tmp_path / "kubeconfig"
    path.write_text(sandbox.kubeconfig())
    with_cluster(str(path), work)
    assert all(len([part for part in found.split("/") if part not in (".", "..")]) in (7, 8) for found in asked), asked
