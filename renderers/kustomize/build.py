"""A build: a kustomization's resources gathered, those of its bases first, and changed as its fields say.

    resources (files and bases) → configurations, crds → generators → components → transformers → validators → vars

and, for the top kustomization only: hashes → name references → vars → local objects dropped. The order is Kustomize's.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from gitops.manifests.errors import GitopsError
from gitops.manifests.manifest import Origin as Place
from gitops.model.errors import RenderError
from renderers.kustomize.config import EMPTY, Config, load_config
from renderers.kustomize.crds import load_crds
from renderers.kustomize.generators import add_hashes, make_config_map, make_secret, merge_options
from renderers.kustomize.images import change_images, set_replicas
from renderers.kustomize.kustomization import Kustomization, read_kustomization
from renderers.kustomize.labels import add_entries, label_specs
from renderers.kustomize.loader import Loader
from renderers.kustomize.names import add_prefix, add_suffix, set_namespace
from renderers.kustomize.nodes import value_of
from renderers.kustomize.origins import Origin, add_transformation, annotate_all, annotate_new, origin_of_plugin
from renderers.kustomize.patches import JsonPatch, Patch, apply_strategic_merges
from renderers.kustomize.read import Malformed, checked_object, placed_objects
from renderers.kustomize.references import fix_references
from renderers.kustomize.remote import is_http_file
from renderers.kustomize.resource import Resource
from renderers.kustomize.resources import Resources
from renderers.kustomize.schema import BUILT_IN, VERSION, Schemas, custom, version_error

if TYPE_CHECKING:
    from renderers.kustomize.charts import Inflate
    from renderers.kustomize.variables import Variable

LOCAL: Final = "config.kubernetes.io/local-config"
VALIDATED_BY: Final = "validated-by"

Transform = Callable[[Resources], None]


class Gathered:
    """What one kustomization and its bases have gathered so far."""

    __slots__ = ("config", "resources", "variables")

    def __init__(
        self,
        resources: Resources | None = None,
        config: Config = EMPTY,
        variables: "dict[str, Variable] | None" = None,
    ) -> None:
        self.resources = Resources() if resources is None else resources
        self.config = config
        self.variables: dict[str, Variable] = {} if variables is None else variables

    def absorb(self, other: "Gathered") -> None:
        """Add what a base has gathered."""
        self.resources.append_all(other.resources.items)
        self.config = self.config.merge(other.config)
        for variable in other.variables.values():
            from renderers.kustomize.variables import add_variable

            add_variable(self.variables, variable)


class Session:
    """What all kustomizations of one build share: the schemas, which the first `openapi` field chooses."""

    def __init__(self, helm: "Inflate | None", version: str) -> None:
        self.helm = helm
        self.is_old = version == "5.5"
        self.schemas: Schemas = BUILT_IN
        self._chosen = False

    def choose_schemas(self, openapi: dict[str, str], loader: Loader) -> None:
        """Take the schemas that a kustomization names, unless one above it has named some."""
        path, version = openapi.get("path"), openapi.get("version", "")
        data = loader.load(path) if path is not None else None
        if self._chosen:
            return
        if data is not None:
            if "version" in openapi:
                raise RenderError("openapi: expected either path or version")
            self.schemas, self._chosen = custom(data, loader.name(path or "")), True
        elif version:
            if version != VERSION:
                raise version_error(version)
            self._chosen = True


def build(
    loader: Loader, top: Kustomization, helm: "Inflate | None", overlay: dict[str, Any], version: str
) -> Resources:
    """The resources of the kustomization `top`, before they are sorted and cleaned of notes.

    `helm` renders charts, None where that is not allowed. `overlay` holds fields of a kustomization that would have
    this one as its only resource; `version` is whose rules hold: 5.5, or 5.8.
    """
    session = Session(helm, version)
    session.choose_schemas(top.openapi, loader)
    origin = Origin() if top.build_metadata else None
    gathered = Gathered()
    _Target(session, loader, top, origin).gather(gathered)
    if overlay:
        _Target(session, loader, Kustomization("the Application", overlay), origin).gather(gathered)
    resources = gathered.resources
    add_hashes(resources)
    if gathered.config.nameReference:
        fix_references(resources, gathered.config.nameReference)
    if gathered.variables:
        from renderers.kustomize.variables import substitute

        substitute(resources, gathered.variables, gathered.config.varReference)
    for each in resources.items:
        if not each.is_empty:
            checked_object(each.node)
    resources.items = [
        each for each in resources.items if not each.is_empty and each.annotations.get(LOCAL, "false") == "false"
    ]
    return resources


class _Target:
    """One kustomization under way."""

    def __init__(
        self,
        session: Session,
        loader: Loader,
        kustomization: Kustomization,
        origin: Origin | None,
        namespace: str = "",
    ) -> None:
        """`namespace` is the one that the kustomization which led here puts things into."""
        self._namespace = kustomization.fields.get("namespace") or namespace
        self._session = session
        self._loader = loader
        self._file = kustomization
        self._origin = origin

    def gather(self, into: Gathered) -> None:
        """Add this kustomization's resources to `into` (a component's: to those of its parent) and change them."""
        file = self._file
        self._gather_resources(into, file.texts("resources"))
        paths, is_old = file.texts("configurations"), self._session.is_old
        into.config = into.config.merge(load_config(self._loader.load, paths, is_old))
        into.config = into.config.merge(load_crds(self._loader.load, file.texts("crds")))
        self._generate(into.resources)
        self._gather_components(into)
        for transform, origin in self._transformers(into.config):
            transform(into.resources)
            add_transformation(into.resources, origin)
            into.resources.drop_empty()
        self._validate(into.resources)
        if file.items("vars"):
            from renderers.kustomize.variables import register

            register(into.resources, file.variables, into.variables)

    # ── resources ────────────────────────────────────────────────────────────────────────────────────────────────

    def _gather_resources(self, into: Gathered, paths: Iterable[str]) -> None:
        """Files are read as objects; what is no such file is a base."""
        for path in paths:
            try:
                self._gather_file(into, path)
            except GitopsError as problem:
                self._gather_base(into, path, problem)

    def _gather_file(self, into: Gathered, path: str) -> None:
        found = self._read(self._loader.load_manifests(path), path)
        if self._origin is not None:
            annotate_all(found, self._origin.below(path))
        Resources().append_all(found)
        into.resources.append_all(found)

    def _read(self, data: bytes, path: str) -> list[Resource]:
        name = self._loader.name(path)
        try:
            place = self._loader.place(path)
            return [Resource(node, Place(place, line)) for node, line in placed_objects(data)]
        except Malformed as error:
            raise Malformed(f"{name}: {error}") from error
        except RenderError as error:
            raise RenderError(f"{name}: {error}") from error

    def _gather_base(self, into: Gathered, path: str, problem: GitopsError) -> None:
        """A folder or repository; when it is neither, what is wrong with it as a file is the likelier reason."""
        try:
            loader = self._loader.enter(path)
        except GitopsError as error:
            raise (problem if is_http_file(path) or self._is_file(path) else error) from problem
        into.absorb(self._enter(loader, path, Gathered(), "Kustomization"))

    def _is_file(self, path: str) -> bool:
        try:
            return self._loader.tree.kind(self._loader.name(path)) == "file"
        except GitopsError:
            return False

    def _gather_components(self, into: Gathered) -> None:
        """Components change what has been gathered so far."""
        for path in self._file.texts("components"):
            own = Gathered(into.resources, into.config, into.variables)
            result = self._enter(self._loader.enter(path), path, own, "Component")
            into.resources, into.config, into.variables = result.resources, EMPTY.merge(result.config), result.variables
            Resources().append_all(into.resources.items)

    def _enter(self, loader: Loader, path: str, into: Gathered, kind: str) -> Gathered:
        kustomization = read_kustomization(loader)
        if kustomization.kind != kind:
            where = "components" if kind == "Component" else "resources"
            raise RenderError(f"{loader.name(kustomization.name)}: {where} takes a {kind}, not a {kustomization.kind}")
        self._session.choose_schemas(kustomization.openapi, loader)
        origin = self._origin.below(path) if self._origin is not None else None
        _Target(self._session, loader, kustomization, origin, self._namespace).gather(into)
        return into

    # ── generators ───────────────────────────────────────────────────────────────────────────────────────────────

    def _generate(self, resources: Resources) -> None:
        file, loader = self._file, self._loader
        for name, make, kind, load in (
            ("configMapGenerator", make_config_map, "ConfigMapGenerator", loader.load),
            ("secretGenerator", make_secret, "SecretGenerator", loader.load_secret),
        ):
            for arguments in file.items(name):
                options = merge_options(arguments.get("options"), file.fields.get("generatorOptions"))
                try:
                    made = [make(arguments, options, load)]
                    made[0].origin = Place(self._loader.place(file.name), 0)
                    annotate_new(made, self._built_in(kind))
                    resources.absorb_all(made)
                except RenderError as error:
                    raise RenderError(f"{name}: {arguments.get('name', '')}: {error}") from error
        if file.items("helmCharts") or file.items("helmChartInflationGenerator"):
            self._inflate(resources)
        for plugin in self._plugins(file.texts("generators")):
            from renderers.kustomize.plugins import generator_of

            generate = generator_of(plugin, self._loader)
            made = generate()
            annotate_new(made, origin_of_plugin(plugin) if self._origin is not None else None)
            resources.absorb_all(made)

    def _inflate(self, resources: Resources) -> None:
        """The charts of `helmCharts`, in order."""
        file, helm = self._file, self._session.helm
        if helm is None:
            raise RenderError(_NO_HELM)
        if file.items("helmChartInflationGenerator"):
            raise RenderError("helmChartInflationGenerator: is of old; write the chart under helmCharts")
        for chart in file.items("helmCharts"):
            try:
                of_58 = {"namespace": self._namespace, **{k: v for k, v in chart.items() if v}}
                output = helm(
                    chart if self._session.is_old else of_58, file.fields.get("helmGlobals") or {}, self._loader
                )
                hooks = () if chart.get("skipHooks") else output.hooks
                for part in (*output.crds, *output.manifests, *hooks):
                    found = [
                        Resource(node, Place(part.path, line))
                        for node, line in placed_objects(part.text.encode("utf-8", "surrogateescape"))
                    ]
                    for resource in found:
                        resource.is_of_helm = not self._session.is_old
                    annotate_new(found, self._built_in("HelmChartInflationGenerator"))
                    resources.absorb_all(found)
            except GitopsError as error:
                raise RenderError(f"helmCharts: {chart.get('name', '')}: {error}") from error

    def _plugins(self, entries: Iterable[str]) -> list[Resource]:
        """Objects that configure plug-ins: inline, in files, or from a kustomization of them."""
        gathered = Gathered()
        paths: list[str] = []
        for entry in entries:
            try:
                found = self._read(entry.encode(), self._file.name)
            except RenderError:
                paths.append(entry)
                continue
            if self._origin is not None:
                annotate_all(found, self._origin.below(self._file.name))
            gathered.resources.append_all(found)
        self._gather_resources(gathered, paths)
        return gathered.resources.items

    def _built_in(self, kind: str) -> Origin | None:
        return self._origin.of(self._file.name, kind) if self._origin is not None else None

    # ── transformers ─────────────────────────────────────────────────────────────────────────────────────────────

    def _transformers(self, config: Config) -> list[tuple[Transform, Origin | None]]:
        """All in Kustomize's order, read before the first one runs."""
        found: list[tuple[Transform, Origin | None]] = []
        for kind, make in self._built_in_transformers(config):
            found += [(transform, self._built_in(kind)) for transform in make]
        for plugin in self._plugins(self._file.texts("transformers")):
            from renderers.kustomize.plugins import transformer_of

            transform = transformer_of(plugin, self._loader, self._session.schemas, self._session.is_old)
            found.append((transform, origin_of_plugin(plugin) if self._origin is not None else None))
        return found

    def _built_in_transformers(self, config: Config) -> list[tuple[str, list[Transform]]]:
        file, load = self._file, self._loader.load_manifests
        schemas, is_old = self._session.schemas, self._session.is_old
        return [
            ("PatchStrategicMergeTransformer", self._strategic_merges()),
            ("PatchTransformer", [Patch(item, load, schemas, is_old).apply for item in file.items("patches")]),
            ("NamespaceTransformer", self._named("namespace", set_namespace, config.namespace)),
            ("PrefixTransformer", self._named("namePrefix", add_prefix, config.namePrefix)),
            ("SuffixTransformer", self._named("nameSuffix", add_suffix, config.nameSuffix)),
            ("LabelTransformer", self._labels(config)),
            ("AnnotationsTransformer", self._annotations(config)),
            ("PatchJson6902Transformer", self._json_patches()),
            ("ReplicaCountTransformer", [self._replica(item, config) for item in file.items("replicas")]),
            ("ImageTagTransformer", self._images(config)),
            ("ReplacementTransformer", self._replacements()),
        ]

    def _json_patches(self) -> list[Transform]:
        load, is_old = self._loader.load, self._session.is_old
        return [JsonPatch(item, load, is_old).apply for item in self._file.items("patchesJson6902")]

    def _strategic_merges(self) -> list[Transform]:
        paths, schemas = self._file.texts("patchesStrategicMerge"), self._session.schemas
        load = self._loader.load_manifests
        return [lambda resources: apply_strategic_merges(resources, paths, load, schemas)] if paths else []

    def _named(self, name: str, function: Callable[..., None], specs: Any) -> list[Transform]:
        text = self._file.fields.get(name)
        return [lambda resources: function(resources, text, specs)] if text else []

    def _labels(self, config: Config) -> list[Transform]:
        common = self._file.fields.get("commonLabels") or {}
        found: list[Transform] = []
        for label in self._file.items("labels"):
            found.append(_entries(label.get("pairs", {}), label_specs(label, config)))
        if common or self._file.items("labels"):
            found.append(_entries(common, config.commonLabels))
        return found

    def _annotations(self, config: Config) -> list[Transform]:
        annotations = self._file.fields.get("commonAnnotations")
        return [_entries(annotations, config.commonAnnotations)] if annotations else []

    def _replica(self, item: dict[str, Any], config: Config) -> Transform:
        return lambda resources: set_replicas(resources, item.get("name", ""), item.get("count", 0), config.replicas)

    def _images(self, config: Config) -> list[Transform]:
        images = self._file.items("images")
        if self._origin is None:
            return [lambda resources: change_images(resources, images, config.images)] if images else []
        return [_one_image(image, config) for image in images]

    def _replacements(self) -> list[Transform]:
        if not self._file.items("replacements"):
            return []
        from renderers.kustomize.replacements import load_replacements, replace_all

        items, is_old = load_replacements(self._file.items("replacements"), self._loader), self._session.is_old
        return [lambda resources: replace_all(resources, items, is_old)] if items else []

    # ── validators ───────────────────────────────────────────────────────────────────────────────────────────────

    def _validate(self, resources: Resources) -> None:
        """Validators are transformers that must change nothing but a label of their own."""
        for plugin in self._plugins(self._file.texts("validators")):
            from renderers.kustomize.plugins import transformer_of

            before = [value_of(resource.node) for resource in resources.items]
            transformer_of(plugin, self._loader, self._session.schemas, self._session.is_old)(resources)
            after: list[Any] = []
            for resource in resources.items:
                copy = resource.copy()
                labels = copy.labels
                if VALIDATED_BY in labels:
                    copy.set_labels({key: value for key, value in labels.items() if key != VALIDATED_BY})
                after.append(value_of(copy.node))
            if before != after:
                raise RenderError(f"validators: {plugin.name} changed a resource")


def _entries(entries: dict[str, str], specs: Any) -> Transform:
    return lambda resources: add_entries(resources, entries, specs)


def _one_image(image: dict[str, str], config: Config) -> Transform:
    return lambda resources: change_images(resources, [image], config.images)


_NO_HELM: Final = "helmCharts: charts are inflated only where Helm is enabled (--enable-helm)"
