"""Flux's notifications, webhooks and image automation: what they say is read, and what is not run is refused."""

from typing import Final

from gitops.compat.fields import Fields
from gitops.compat.flux.answer import Answer, refused
from gitops.compat.flux.objects import GROUPS, ref_of
from gitops.manifests.key import Body

_LATER: Final = "it is read; gitops sends no notification yet"
_NO_HOOK: Final = "it is read; gitops looks at its sources by itself and takes no webhook yet"
_IMAGES: Final = "gitops writes no image tags to Git; Renovate does, for every kind of file"
_NOTED: Final = {
    "Receiver": (_NO_HOOK, ("type", "interval", "events", "resources", "secretRef", "suspend", "resourceFilter")),
    "Alert": (
        _LATER,
        (
            "providerRef",
            "eventSeverity",
            "eventSources",
            "eventMetadata",
            "inclusionList",
            "exclusionList",
            "summary",
            "suspend",
        ),
    ),
    "Provider": (
        _LATER,
        (
            "type",
            "address",
            "channel",
            "username",
            "interval",
            "timeout",
            "secretRef",
            "certSecretRef",
            "proxy",
            "proxySecretRef",
            "serviceAccountName",
            "commitStatusExpr",
            "suspend",
        ),
    ),
}


def read_other(body: Body) -> Answer:
    """What became of an object that no Application is made of."""
    told: dict[str, str] = {}
    ref = ref_of(body)
    if ref.kind in GROUPS["image.toolkit.fluxcd.io"]:
        told["spec"] = f"refused: {_IMAGES}"
        return refused(ref, told)
    spec = Fields(body["spec"] if isinstance(body.get("spec"), dict) else {}, "spec", told)
    why, known = _NOTED[ref.kind]
    for name in known:
        spec.note(name, why)
    spec.end()
    return refused(ref, told)
