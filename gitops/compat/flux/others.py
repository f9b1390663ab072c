"""Flux's notifications, webhooks and image automation: what they say is read, and what is not run is refused."""

from typing import Final

from gitops.compat.fields import Fields
from gitops.compat.flux.alerts import read_alert, read_provider
from gitops.compat.flux.answer import Answer, refused
from gitops.compat.flux.objects import GROUPS, ref_of
from gitops.manifests.key import Body

_HOOK: Final = "`gitops run --compat flux --listen` serves its path, and what it names is looked at"
_IMAGES: Final = "gitops writes no image tags to Git; Renovate does, for every kind of file"
_LOCAL: Final = ("name",)
_OBJECT: Final = ("apiVersion", "kind", "name", "namespace", "matchLabels", "filter")
# The fields of a kind: those that hold fields of their own with the names of these, the others with none.
_FIELDS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "Receiver": {
        **dict.fromkeys(("type", "interval", "events", "suspend", "resourceFilter", "resourceFilters"), ()),
        "resources": _OBJECT,
        "secretRef": _LOCAL,
    },
}


def read_other(body: Body) -> Answer:
    """What became of an object that no Application is made of."""
    told: dict[str, str] = {}
    ref = ref_of(body)
    if ref.kind in GROUPS["image.toolkit.fluxcd.io"]:
        told["spec"] = f"refused: {_IMAGES}"
        return refused(ref, told)
    if ref.kind == "Alert":
        return read_alert(body)[1]
    if ref.kind == "Provider":
        return read_provider(body)[1]
    spec = Fields(body["spec"] if isinstance(body.get("spec"), dict) else {}, "spec", told)
    for name, inner in _FIELDS[ref.kind].items():
        for part in spec.parts(name) if inner else ():
            for each in inner:
                part.note(each, _HOOK)
            part.end()
        if not inner:
            spec.note(name, _HOOK)
    spec.end()
    return refused(ref, told)
