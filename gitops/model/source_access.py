"""How a source is reached, whose signatures it has to bear, and what of other sources is put into it."""

from dataclasses import dataclass
from typing import Annotated, Literal

from gitops.manifests.names import LABEL_NAME, SUBDOMAIN_NAME
from gitops.model.patterns import PREFIX, REGION


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where the credentials of a repository are found; never the credentials themselves.

    What the Secrets `certSecretRef` (certificates) and `proxySecretRef` (a proxy) hold goes before what that of
    `secretRef` says of the same.
    """

    secretRef: Annotated[str, SUBDOMAIN_NAME] = ""
    certSecretRef: Annotated[str, SUBDOMAIN_NAME] = ""
    proxySecretRef: Annotated[str, SUBDOMAIN_NAME] = ""
    caFile: str = ""
    proxy: str = ""

    @property
    def refs(self) -> tuple[str, ...]:
        """The Secrets that it names."""
        return tuple(name for name in (self.secretRef, self.certSecretRef, self.proxySecretRef) if name)

    @property
    def secrets(self) -> str:
        """The same in a word that tells what each is for; "" for none."""
        uses = (("", self.secretRef), ("cert:", self.certSecretRef), ("proxy:", self.proxySecretRef))
        return "+".join(use + name for use, name in uses if name)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Which objects of a bucket are read, and how: with `insecure` over http, without TLS."""

    region: Annotated[str, REGION] = ""
    prefix: Annotated[str, PREFIX] = ""
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Verify:
    """Whose signatures what a registry gives has to bear: cosign's, by one of the public keys in a Secret (*.pub)."""

    provider: Literal["", "cosign"] = ""
    secretRef: Annotated[str, SUBDOMAIN_NAME] = ""

    @property
    def is_wanted(self) -> bool:
        return bool(self.provider or self.secretRef)


@dataclass(frozen=True, slots=True)
class Include:
    """The folder `fromPath` of the source that has this `ref` ("" = all of it), seen at `toPath` ("" = the ref)."""

    ref: Annotated[str, LABEL_NAME]
    fromPath: str = ""
    toPath: str = ""

    @property
    def place(self) -> str:
        return self.toPath or self.ref
