"""Files whose key only a key service has (cloud KMS, Vault), by the program `sops`: it asks the service.

It runs in the name of whom `variables` tell, so for nobody but the operator: which service is asked is written in the
file, and a stranger's would have the controller ask wherever it alone can reach, with what it alone may.
"""

from collections.abc import Mapping
from shutil import which
from typing import Final

from gitops.adapters.sops.child import run
from gitops.model.errors import RenderError

# Of the environment the program gets these, and what begins with those.
_KEPT: Final = {"PATH", "HOME", "USER", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"}
_KEPT_ALL: Final = ("AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_", "VAULT_", "HUAWEICLOUD_", "XDG_")
_PROXIES: Final = {"http_proxy", "https_proxy", "no_proxy"}


def decrypted(
    data: bytes, name: str, kind: str, variables: Mapping[str, str], vault_token: str, *, whole: bool = True
) -> bytes:
    """The file in the clear; `kind` is what it is: yaml, json, dotenv, ini, binary. Raises RenderError."""
    program = which("sops", path=variables.get("PATH"))
    if program is None:
        raise RenderError(
            f"{name}: is encrypted with a key of a cloud or of Vault; the program sops, which asks for it, is not "
            "installed here"
        )
    ignored = () if whole else ("--ignore-mac",)
    arguments = [program, "decrypt", *ignored, "--input-type", kind, "--output-type", kind, "/dev/stdin"]
    code, output, complaint = run(arguments, data, _environment(variables, vault_token))
    if code != 0:
        raise RenderError(f"{name}: sops cannot decrypt it: {_reason(complaint)}")
    return output


def _environment(variables: Mapping[str, str], vault_token: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in variables.items()
        if name in _KEPT or name.startswith(_KEPT_ALL) or name.lower() in _PROXIES
    }
    return {**kept, "LC_ALL": "C.UTF-8", **({"VAULT_TOKEN": vault_token} if vault_token else {})}


def _reason(complaint: bytes) -> str:
    """What it says, on one line; a value that it quotes is left out."""
    text = " ".join(complaint.decode("utf-8", "replace").split())
    before, found, _ = text.partition("Input string ")
    return (f"{before}{found}(hidden)" if found else text)[:500]
