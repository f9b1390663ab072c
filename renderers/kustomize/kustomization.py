"""kustomization.yaml: its fields read and checked, old names for things made new ones."""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gitops.model.errors import RenderError
from renderers.kustomize.decode import KUSTOMIZATION, STRICT, Mode, decode, load_yaml
from renderers.kustomize.loader import Loader

if TYPE_CHECKING:
    from renderers.kustomize.variables import Variable

_VERSIONS: Final = {
    "Kustomization": "kustomize.config.k8s.io/v1beta1",
    "Component": "kustomize.config.k8s.io/v1alpha1",
}


class Kustomization(NamedTuple):
    """The decoded fields of one file; those that were left out are not there."""

    name: str
    fields: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.fields.get("kind") or "Kustomization"

    @property
    def openapi(self) -> dict[str, str]:
        return self.fields.get("openapi") or {}

    @property
    def build_metadata(self) -> list[str]:
        return self.texts("buildMetadata")

    @property
    def variables(self) -> "list[Variable]":
        from renderers.kustomize.variables import variable_of

        return [variable_of(item) for item in self.items("vars")]

    def texts(self, name: str) -> list[str]:
        """A field that is a list of text."""
        found: list[str] = self.fields.get(name) or []
        return found

    def items(self, name: str) -> list[dict[str, Any]]:
        """A field that is a list of maps."""
        found: list[dict[str, Any]] = self.fields.get(name) or []
        return found


def read_kustomization(loader: Loader) -> Kustomization:
    """The kustomization of a folder; raises RenderError when it is missing, empty, or wrong."""
    name, fields = read_fields(loader, STRICT)
    where = loader.name(name)
    if not any(_is_set(found) for key, found in fields.items() if key not in ("apiVersion", "kind")):
        raise RenderError(f"{where}: the kustomization is empty (name some resources)")
    return checked(name, fields, where)


def read_fields(loader: Loader, mode: Mode) -> tuple[str, dict[str, Any]]:
    """The name of a folder's kustomization file, and its fields as they stand there. Raises RenderError."""
    name, data = loader.kustomization()
    where = loader.name(name)
    value = load_yaml(data, where)
    return name, decode(value if value is not None else {}, KUSTOMIZATION, where, mode)


def checked(name: str, fields: dict[str, Any], where: str) -> Kustomization:
    """The kustomization of these fields, those with old names under their new ones. Raises RenderError."""
    fields = dict(fields)
    fields["resources"] = [*fields.get("resources", ()), *fields.pop("bases", ())]
    fields["images"] = [*fields.get("images", ()), *fields.pop("imageTags", ())]
    kind = fields.get("kind") or "Kustomization"
    if kind not in _VERSIONS:
        raise RenderError(f"{where}: kind: expected Kustomization or Component, got {kind}")
    version = fields.get("apiVersion")
    if version and version != _VERSIONS[kind]:
        raise RenderError(f"{where}: apiVersion: expected {_VERSIONS[kind]}, got {version}")
    return Kustomization(name, fields)


def _is_set(value: Any) -> bool:
    """Whether a field counts: even an empty list does, empty text does not."""
    return value != "" or isinstance(value, list | dict)
