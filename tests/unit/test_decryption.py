"""Encrypted files in the source are decrypted wherever a renderer takes them in, and hidden from then on."""

import base64
from pathlib import Path

import pytest

from gitops.adapters.render_workers import RenderWorkers
from gitops.adapters.sealing import Sealer
from gitops.adapters.sops.decryptor import SopsDecryptor
from gitops.adapters.sops.keys import Keys
from gitops.controller.render_cache import RenderCache
from gitops.engine.desired import digest_of
from gitops.engine.diff import changes_between
from gitops.engine.encrypted import check_encrypted
from gitops.manifests.errors import ManifestError
from gitops.manifests.secrets import scrubbed
from gitops.model.application import Application, SourceSpec, TemplateOptions
from gitops.model.errors import RenderError, SourceError
from gitops.model.helm_options import HelmOptions
from gitops.model.revision import Tree
from gitops.model.transforms import Decryption
from renderers.registry import render
from renderers.result import Context, Live, Rendered

DATA = Path(__file__).parent.parent / "data/sops"
SOPS = Decryption("sops", "keys")
PASSWORD = "cAnaryDbPassword-äöü😀"


def read(name):
    return (DATA / name).read_bytes()


def rendered(files, *, by=render, key="one.agekey", **spec):
    decrypt = SopsDecryptor(lambda: Keys("Secret team/keys", ((DATA / key).read_text(),)))
    answer = by(Tree.of_files(files), SourceSpec(decryption=SOPS, **spec), Context(name="shop", decrypt=decrypt))
    return {(one.key.kind, one.key.name): one.body for one in answer.manifests}


def of_generator(text):
    return {"kustomization.yaml": f"generatorOptions: {{disableNameSuffixHash: true}}\n{text}"}


# ── every renderer ───────────────────────────────────────────────────────────────────────────────────────────────


def test_plain_manifests_are_decrypted():
    found = rendered({"s.yaml": read("secret.yaml")})
    assert found["Secret", "db"]["stringData"]["password"] == PASSWORD
    assert "sops" not in found["Secret", "db"]
    assert "annotations" not in found["Secret", "db"]["metadata"]


def test_resources_of_a_kustomization_are_decrypted_before_they_are_built():
    files = {
        "s.yaml": read("secret.yaml"),
        "c.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {password: x}\n",
        "kustomization.yaml": (
            "resources: [s.yaml, c.yaml]\nnamePrefix: my-\nreplacements:\n- source: {kind: Secret, fieldPath: "
            "stringData.password}\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.password]}]\n"
        ),
    }
    found = rendered(files)
    assert found["Secret", "my-db"]["stringData"]["password"] == PASSWORD
    assert found["ConfigMap", "my-c"]["data"]["password"] == PASSWORD


@pytest.mark.parametrize(
    ("source", "name", "wanted"),
    [
        ("files: [config.json]", "config.json", read("decrypted-config.json")),
        ("files: [other=blob.bin]", "other", read("decrypted-blob.bin")),
        ("files: [app.ini]", "app.ini", read("decrypted-app.ini")),
        ("envs: [app.env]", "PASSWORD", b"cAnaryEnv"),
    ],
)
def test_what_a_secret_generator_reads_is_decrypted_first(source, name, wanted):
    names = ("config.json", "blob.bin", "app.ini", "app.env")
    files = {each: read(each) for each in names} | of_generator(f"secretGenerator: [{{name: g, {source}}}]\n")
    data = rendered(files)["Secret", "g"]["data"]
    assert base64.b64decode(data[name]) == wanted
    assert not [key for key in data if key.startswith("sops")]


def test_what_a_config_map_generator_reads_is_not_decrypted_and_not_applied():
    files = {"app.env": read("app.env")} | of_generator("configMapGenerator: [{name: g, files: [app.env]}]\n")
    decrypt = SopsDecryptor(lambda: Keys("x", ((DATA / "one.agekey").read_text(),)))
    answer = render(Tree.of_files(files), SourceSpec(), Context(decrypt=decrypt))
    with pytest.raises(ManifestError, match=r"ConfigMap g: data\.app\.env: holds what SOPS encrypted"):
        check_encrypted(answer.manifests[0])


def test_an_encrypted_patch_is_decrypted_and_hides_what_it_is_for():
    files = {
        "s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {other: x}\n",
        "kustomization.yaml": "resources: [s.yaml]\npatches: [{path: p.yaml}]\n",
        "p.yaml": read("secret.yaml"),
    }
    assert rendered(files)["Secret", "db"]["stringData"] == {
        "other": "x",
        "password": PASSWORD,
        "lines": "first\n\"second\": 'x'\n",
        "empty": "",
    }


def test_files_of_values_are_decrypted_for_charts():
    chart = {
        "Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n",
        "templates/s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: {{ .Values.text }}}\n",
        "enc.yaml": read("values.yaml"),
    }
    helm = HelmOptions(valueFiles=("enc.yaml",))
    assert rendered(chart, helm=helm)["Secret", "s"]["stringData"] == {"a": "cAnaryText"}
    with pytest.raises(RenderError, match=r"enc.yaml: is encrypted by SOPS: set source.decryption"):
        render(Tree.of_files(chart), SourceSpec(helm=helm), Context())


def test_files_of_values_are_decrypted_for_templates():
    files = {
        "s.yaml.j2": "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: {{ values.text }}}\n",
        "enc.yaml": read("values.yaml"),
    }
    found = rendered(files, template=TemplateOptions(valueFiles=("enc.yaml",)))
    assert found["Secret", "s"]["stringData"] == {"a": "cAnaryText"}


def test_what_a_chart_makes_of_an_encrypted_file_is_decrypted_in_a_secret():
    chart = {
        "Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n",
        "templates/s.yaml": (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n"
            '  conf: {{ .Files.Get "conf.yaml" | b64enc }}\n---\n{{ .Files.Get "obj.yaml" }}'
        ),
        "conf.yaml": read("values.yaml"),
        "obj.yaml": read("secret.yaml"),
    }
    found = rendered(chart)
    assert b'text: "cAnaryText"' in base64.b64decode(found["Secret", "s"]["data"]["conf"])
    assert found["Secret", "db"]["stringData"]["password"] == PASSWORD


def test_a_process_of_its_own_has_no_key_and_asks():
    workers = RenderWorkers()
    try:
        files = {"s.yaml": read("secret.yaml"), "t/x": ""}
        assert rendered(files, by=workers.render) == rendered(files)
        with pytest.raises(RenderError, match=r"no key of Secret team/keys can decrypt it$"):
            rendered(files, by=workers.render, key="two.agekey")
    finally:
        workers.close()


def test_an_error_of_a_process_of_its_own_is_the_one_of_here():
    files = {"s.yaml": read("secret.yaml"), "kustomization.yaml": "resources: [s.yaml]\n"}
    with pytest.raises((RenderError, SourceError), match=r"s.yaml: is encrypted by SOPS for age age1.*no key of"):
        rendered(files, key="two.agekey")


# ── what was decrypted is hidden ─────────────────────────────────────────────────────────────────────────────────


def config(text):
    body = rendered({"t.yaml": read("two.yaml")})["ConfigMap", "b"]
    return {**body, "data": {"password": text}}


def test_an_object_of_another_kind_that_was_encrypted_hides_its_values():
    body = rendered({"t.yaml": read("two.yaml")})["ConfigMap", "b"]
    assert body["data"] == {"password": "cAnarySecond"}
    assert body["metadata"]["annotations"] == {"gitops.dev/values": "hidden"}
    plain = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}, "data": {"password": "cAnaryBefore"}}
    for live, desired in ((plain, config("x1")), (config("cAnaryOne"), config("cAnaryTwo")), (config("a"), plain)):
        found = [change for change in changes_between(live, desired) if "annotations" not in change.path]
        assert [change.path for change in found] == ["data.password"]
        assert "cAnary" not in str(found)
    assert scrubbed("cAnaryOne is wrong", config("cAnaryOne")) == "(hidden) is wrong"


def test_it_is_sealed_where_it_is_stored(tmp_path):
    sealer = Sealer("", tmp_path / "key")
    body = {**config("cAnaryStored"), "spec": [1, {"a": None}]}
    sealed = sealer.sealed(body)
    assert "cAnary" not in str(sealed)
    assert sealer.opened(sealed) == body


def test_its_digest_is_not_one_that_passwords_can_be_tried_by_fast():
    assert digest_of([config("a")]) != digest_of([config("b")])
    assert digest_of([config("a")]) == digest_of([config("a")])


def test_what_the_operators_keys_decrypted_is_for_no_other_application_of_that_name():
    trusted, renders = {"is": True}, []

    def counted(tree, app, *, live):
        renders.append(trusted["is"])
        return Rendered("plain", ())

    cache = RenderCache(counted, is_trusted=lambda _: trusted["is"])
    tree, app = Tree.of_files({}), Application("a")
    for is_trusted in (True, True, False, False):
        trusted["is"] = is_trusted
        cache(tree, app, live=Live())
    assert renders == [True, False]
