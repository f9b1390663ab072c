"""The objects that templates see beside values: `.Chart`, `.Files` and what they are made of."""

import base64
from typing import Any, ClassVar, Final

from renderers.helm.chart import Chart, File
from renderers.helm.encoders import to_yaml
from renderers.helm.files_glob import glob_matcher
from renderers.helm.gotemplate.printf import print_value
from renderers.helm.gotemplate.values import Bytes, Function, Struct, TypedList, TypedMap, as_text, function

_GO_NAMES: Final = {
    "apiVersion": "APIVersion", "appVersion": "AppVersion", "kubeVersion": "KubeVersion", "url": "URL",
    "import-values": "ImportValues",
}  # fmt: skip
_MAINTAINER: Final = ("name", "email", "url")
_DEPENDENCY: Final = ("name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias")
_LISTS: Final = {"tags", "import-values"}


class Values(TypedMap):
    """`.Values` and `.Template`: a map of its own type."""

    go_type: ClassVar[str] = "chartutil.Values"
    zero: ClassVar[Any] = None


def _go_name(name: str) -> str:
    return _GO_NAMES.get(name) or name[0].upper() + name[1:]


class _JsonStruct(Struct):
    """A struct that JSON and YAML write under its JSON names, leaving out what is empty."""

    def __init__(self, go_type: str, data: dict[str, Any], kind: str = "struct") -> None:
        super().__init__(go_type, {_go_name(name): value for name, value in data.items()}, kind)
        self._data = data

    def as_data(self) -> Any:
        """The fields that are not empty."""
        return {name: value for name, value in self._data.items() if value not in ("", None, [], {}, False)}


class ChartObject(_JsonStruct):
    """`.Chart`."""

    def __init__(self, chart: Chart) -> None:
        data = dict(chart.metadata.fields)
        data["name"] = chart.name
        data["sources"] = TypedList.of_text(data["sources"])
        data["keywords"] = TypedList.of_text(data["keywords"])
        maintainers = [_part("*chart.Maintainer", item, _MAINTAINER) for item in data["maintainers"]]
        data["maintainers"] = TypedList("*chart.Maintainer", maintainers)
        dependencies = [_part("*chart.Dependency", item, _DEPENDENCY) for item in data["dependencies"]]
        data["dependencies"] = TypedList("*chart.Dependency", dependencies)
        data["annotations"] = TypedMap(data["annotations"])
        super().__init__("struct { chart.Metadata; IsRoot bool }", data)
        self.fields["IsRoot"] = chart.parent is None

    def field(self, name: str) -> Any:
        return self if name == "Metadata" else self.fields[name]

    def go_print(self, verb: str) -> str:
        *fields, root = self.fields.values()
        return "{{" + " ".join(print_value(value) for value in fields) + "} " + print_value(root) + "}"


def _part(go_type: str, item: dict[str, Any], names: tuple[str, ...]) -> _JsonStruct:
    data = {name: _plain(item.get(name), name in _LISTS) for name in names}
    if "enabled" in data:
        data["enabled"] = True
    return _JsonStruct(go_type, data, "ptr")


def _plain(value: Any, is_list: bool) -> Any:
    if is_list:
        return TypedList.of_text(value or [])
    return "" if value is None else print_value(value)


class Files(TypedMap):
    """`.Files`: the chart's files that are no templates; each is read when it is asked for."""

    go_type: ClassVar[str] = "engine.files"
    zero: ClassVar[Any] = Bytes(b"")

    def __init__(self, files: list[File]) -> None:
        super().__init__({file.name: file for file in files})

    def __getitem__(self, name: str) -> Any:
        return Bytes(super().__getitem__(name).read())

    def get(self, name: str, default: Any = None) -> Any:
        return self.get(name, default)

    def copied(self, item: Any) -> "Files":
        return self

    def bytes_of(self, name: str) -> bytes:
        """The content, nothing for a file that is not there."""
        return self[name].data if name in self else b""

    def _chosen(self, names: list[str]) -> "Files":
        return Files([super(Files, self).__getitem__(name) for name in names])

    def _glob(self, pattern: str) -> "Files":
        fits = glob_matcher(pattern)
        return self._chosen([name for name in self if fits(name)])

    def _lines(self, name: str) -> TypedList:
        text = as_text(self.bytes_of(name))
        return TypedList.of_text(text.removesuffix("\n").split("\n") if name in self else [])

    def _flat(self, form: Any) -> str:
        return to_yaml({name.rpartition("/")[2]: form(self.bytes_of(name)) for name in sorted(self)})

    methods: ClassVar[dict[str, Function]] = {
        "Get": function("string", lambda self, name: as_text(self.bytes_of(name))),
        "GetBytes": function("string", lambda self, name: Bytes(self.bytes_of(name))),
        "Glob": function("string", lambda self, pattern: self._glob(pattern)),
        "Lines": function("string", lambda self, name: self._lines(name)),
        "AsConfig": function("", lambda self: self._flat(as_text)),
        "AsSecrets": function("", lambda self: self._flat(lambda data: base64.b64encode(data).decode())),
    }
