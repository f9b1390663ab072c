"""The options of `gitops render CHART`, which are those of `helm template`, and a chart rendered with them.

Imports no option parser: the command's plain form does without (`gitops.cli.entry`).
"""

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from gitops.model.errors import ConfigError

if TYPE_CHECKING:
    from gitops.model.revision import Tree
    from renderers.helm.template import Output


class ChartOption(NamedTuple):
    """An option: how its value is called, whether it has one, or one each time that it is given, and its help."""

    name: str
    form: Literal["value", "values", "flag"]
    metavar: str
    help: str

    @property
    def key(self) -> str:
        """What its value is called where it goes."""
        return {"--version": "chart_version", "--set": "set_"}.get(self.name, self.name[2:].replace("-", "_"))


CHART_OPTIONS: Final = (
    ChartOption("--repo", "value", "URL", "the repository of the chart that PATH names."),
    ChartOption("--version", "value", "V", "of that, or of an oci:// PATH."),
    ChartOption("--release-name", "value", "NAME", "what the release is called."),
    ChartOption("--values", "values", "FILE", "a file of values."),
    ChartOption("--set", "values", "K=V", "values: a.b=x,c={1,2},d[0]=y."),
    ChartOption("--set-string", "values", "K=V", "values that stay text."),
    ChartOption("--set-json", "values", "K=JSON", "a value in JSON."),
    ChartOption("--set-file", "values", "K=FILE", "a value that a file holds."),
    ChartOption("--kube-version", "value", "V", "the cluster's version."),
    ChartOption("--api-versions", "values", "A", "more API versions of the cluster."),
    ChartOption("--include-crds", "flag", "", "print custom resource definitions too."),
    ChartOption("--skip-tests", "flag", "", "leave out hooks that are tests."),
    ChartOption("--skip-schema-validation", "flag", "", "do not check values against their schema."),
)


_UNSET: Final[dict[str, Any]] = {"value": "", "values": (), "flag": False}
_FETCHED: Final = ("repo", "chart_version")
_SHORT: Final = {"-f": "--file", "-n": "--namespace"}
_OTHERS: Final = (ChartOption("--file", "values", "", ""), ChartOption("--namespace", "value", "", ""))


def read_options(words: list[str]) -> dict[str, Any] | None:
    """The values of a chart's options by their keys; None where there are others, or one lacks its value."""
    options = {option.name: option for option in (*CHART_OPTIONS, *_OTHERS) if option.key not in _FETCHED}
    given: dict[str, Any] = {option.key: _UNSET[option.form] for option in (*CHART_OPTIONS, *_OTHERS)}
    following = iter(words)
    for word in following:
        name, equals, value = word.partition("=")
        option = options.get(_SHORT.get(name, name))
        if option is None or (equals and (option.form == "flag" or name in _SHORT)):
            return None
        if option.form == "flag":
            given[option.key] = True
            continue
        value = value if equals else next(following, "")
        if not value:
            return None
        given[option.key] = (*given[option.key], value) if option.form == "values" else value
    given["files"] = given.pop("file")
    return given


class ChartRequest(NamedTuple):
    """A chart in a folder, and what it is to be rendered with: values of the options by their keys."""

    tree: "Tree"
    path: str
    files: tuple[str, ...]
    given: dict[str, Any]

    def output(self) -> "Output":
        """What `helm template` prints. Raises GitopsError."""
        from gitops.model.helm_options import HelmOptions
        from gitops.rendering import render_chart
        from renderers.helm.render import check_release_name

        given = self.given
        if given["release_name"]:
            check_release_name(given["release_name"])
        options = HelmOptions(
            releaseName=given["release_name"],
            skipCRDs=not given["include_crds"],
            skipTests=given["skip_tests"],
            skipSchemaValidation=given["skip_schema_validation"],
            apiVersions=tuple(one for names in given["api_versions"] for one in names.split(",")),
            kubeVersion=given["kube_version"],
        )
        return render_chart(self.tree, self.path, options, given["namespace"], self._values())

    def _values(self) -> dict[str, Any]:
        from renderers.helm.chart_load import read_values
        from renderers.helm.chart_values import merge_maps
        from renderers.helm.set_values import set_file, set_json, set_text, set_typed

        values: dict[str, Any] = {}
        for file in (*self.files, *self.given["values"]):
            values = merge_maps(values, read_values(_read(file), file))
        for name, setting in (("set_json", set_json), ("set_", set_typed), ("set_string", set_text)):
            for text in self.given[name]:
                setting(text, values)
        for text in self.given["set_file"]:
            set_file(text, values, lambda file: _read(file).decode("utf-8", "surrogateescape"))
        return values


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
