"""Makes kustomizations: a base, an overlay, now and then a component, with every field in every combination.

Names come from small pools, so that patches, references and replacements often find what they look for, and often do
not: a build that must fail is as good a case as one that works.
"""

import json
import re
from typing import Any

from hypothesis import strategies as st

Files = dict[str, str]

NAMES = ("web", "db", "cfg", "job-a", "x1")
NAMESPACES = ("default", "prod", "kube-system", "")
KEYS = ("app", "tier", "example.com/k", "env")
PLAIN = ("a", "yes", "12", "0644", "1.10", "1e3", "null", "~", "true", "on", "2024-01-02", "x y", "a: b", "", "é", "-")
SCALARS = (
    *("v", "'q'", '"dq"', "12", "'12'", "0644", "1.50", "true", "'true'", "yes", "null", "~", "2024-01-02", "1e3"),
    *("|-\n{}  two\n{}  lines", ">\n{}  folded\n{}  text\n", "{{a: 1, b}}", "[x, 2]", "{{}}", "[]", "$(VAR)", "0x1F"),
)
IMAGES = ("nginx", "nginx:1.2", "reg.io:5000/team/web:v1@sha256:abcd", "redis@sha256:1234", "reg.io/db")


def _scalar(draw: Any, indent: int) -> str:
    margin = " " * (indent - 2)
    text: str = draw(st.sampled_from(SCALARS))
    return text.format(margin, margin)


def _entries(draw: Any, indent: int, keys: tuple[str, ...] = KEYS) -> str:
    chosen = draw(st.lists(st.sampled_from(keys), min_size=1, max_size=3, unique=True))
    return "".join(f"{' ' * indent}{key}: {_scalar(draw, indent + 2)}\n" for key in chosen)


def _metadata(draw: Any, name: str, namespaced: bool = True) -> str:
    text = f"metadata:\n  name: {name}\n"
    namespace = draw(st.sampled_from(("", "", "prod", "default"))) if namespaced else ""
    text += f"  namespace: {namespace}\n" if namespace else ""
    if draw(st.booleans()):
        text += "  labels:\n" + _entries(draw, 4)
    if draw(st.integers(0, 3)) == 0:
        text += "  annotations:\n" + _entries(draw, 4)
    if draw(st.integers(0, 9)) == 0:
        text += "  finalizers: [a/b, c/d]\n"
    return text


def _pod(draw: Any, indent: int) -> str:
    names = draw(st.lists(st.sampled_from(("main", "side", "log")), min_size=1, max_size=2, unique=True))
    lines = ["spec:", "  containers:"]
    for name in names:
        lines += [f"  - name: {name}", f"    image: {draw(st.sampled_from(IMAGES))}"]
        if draw(st.booleans()):
            source = draw(st.sampled_from(("configMapKeyRef", "secretKeyRef")))
            lines += [
                "    env:",
                "    - name: A",
                "      value: " + draw(st.sampled_from(("'1'", "x", "$(VAR)", '"$(VAR)-x"', "''"))),
                "    - name: B",
                f"      valueFrom: {{{source}: {{name: {draw(st.sampled_from(NAMES))}, key: k}}}}",
            ]
        if draw(st.integers(0, 2)) == 0:
            lines += ["    ports:", "    - containerPort: 80", "    - {containerPort: 81, protocol: UDP}"]
        if draw(st.integers(0, 2)) == 0:
            lines += ["    args: ['$(VAR)', b, '12']"]
        if draw(st.integers(0, 2)) == 0:
            lines += ["    volumeMounts: [{name: v, mountPath: /m}]"]
    if draw(st.booleans()):
        lines += ["  volumes:", "  - name: v", f"    configMap: {{name: {draw(st.sampled_from(NAMES))}}}"]
        lines += ["  - name: w", "    emptyDir: {}"]
    if draw(st.booleans()):
        lines += [f"  serviceAccountName: {draw(st.sampled_from(NAMES))}"]
    return "".join(f"{' ' * indent}{line}\n" for line in lines)


def _workload(draw: Any, kind: str, name: str) -> str:
    text = f"apiVersion: apps/v1\nkind: {kind}\n" + _metadata(draw, name) + "spec:\n"
    if draw(st.booleans()):
        text += f"  replicas: {draw(st.sampled_from(('1', '3', chr(39) + '2' + chr(39))))}\n"
    if draw(st.booleans()):
        text += "  selector:\n    matchLabels:\n" + _entries(draw, 6)
    if kind == "StatefulSet":
        text += f"  serviceName: {draw(st.sampled_from(NAMES))}\n"
        text += "  volumeClaimTemplates:\n  - metadata: {name: d}\n    spec: {storageClassName: fast}\n"
    text += "  template:\n"
    if draw(st.booleans()):
        text += "    metadata:\n      labels:\n" + _entries(draw, 8)
    return text + _pod(draw, 4)


def _service(draw: Any, name: str) -> str:
    text = "apiVersion: v1\nkind: Service\n" + _metadata(draw, name) + "spec:\n"
    text += "  ports:\n  - {port: 80, name: http}\n  - port: 443\n    targetPort: '$(VAR)'\n"
    return text + ("  selector:\n" + _entries(draw, 4) if draw(st.booleans()) else "")


def _config(draw: Any, name: str) -> str:
    kind = draw(st.sampled_from(("ConfigMap", "Secret")))
    text = f"apiVersion: v1\nkind: {kind}\n" + _metadata(draw, name)
    return text + ("data:\n" + _entries(draw, 2) if draw(st.booleans()) else "")


def _binding(draw: Any, name: str) -> str:
    kind = draw(st.sampled_from(("RoleBinding", "ClusterRoleBinding")))
    role = draw(st.sampled_from(("Role", "ClusterRole")))
    text = f"apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\n" + _metadata(draw, name, kind == "RoleBinding")
    text += f"roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {role}, name: {draw(st.sampled_from(NAMES))}}}\n"
    subject = draw(st.sampled_from(("default", *NAMES)))
    namespace = draw(st.sampled_from(("", ", namespace: prod", ", namespace: other")))
    return text + f"subjects:\n- {{kind: ServiceAccount, name: {subject}{namespace}}}\n"


def _other(draw: Any, name: str) -> str:
    which = draw(
        st.sampled_from(("Role", "ClusterRole", "ServiceAccount", "HPA", "Ingress", "Custom", "Namespace", "CronJob"))
    )
    rbac = "apiVersion: rbac.authorization.k8s.io/v1\nkind: {}\n"
    match which:
        case "Role" | "ClusterRole":
            rules = f"rules:\n- apiGroups: ['']\n  resources: [secrets]\n  resourceNames: [{name}, cfg]\n"
            return rbac.format(which) + _metadata(draw, name, which == "Role") + rules
        case "ServiceAccount":
            return (
                "apiVersion: v1\nkind: ServiceAccount\n" + _metadata(draw, name) + "imagePullSecrets: [{name: cfg}]\n"
            )
        case "HPA":
            text = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\n" + _metadata(draw, name)
            return text + f"spec:\n  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {name}}}\n"
        case "Ingress":
            text = "apiVersion: networking.k8s.io/v1\nkind: Ingress\n" + _metadata(draw, name) + "spec:\n"
            text += f"  defaultBackend: {{service: {{name: {draw(st.sampled_from(NAMES))}, port: {{number: 80}}}}}}\n"
            return text + f"  tls: [{{hosts: ['$(VAR)'], secretName: {draw(st.sampled_from(NAMES))}}}]\n"
        case "Custom":
            text = "apiVersion: example.com/v1\nkind: Widget\n" + _metadata(draw, name)
            body = f"  image: nginx\n  list: [1, 2]\n  ref: {{name: {draw(st.sampled_from(NAMES))}}}\n"
            return text + "spec:\n" + body + _entries(draw, 2)
        case "Namespace":
            return "apiVersion: v1\nkind: Namespace\n" + _metadata(draw, name, False)
    text = "apiVersion: batch/v1\nkind: CronJob\n" + _metadata(draw, name)
    return text + "spec:\n  jobTemplate:\n    spec:\n      template:\n" + _pod(draw, 8)


_HEAD = re.compile(r"apiVersion: (\S+)\nkind: (\S+)\nmetadata:\n  name: (\S+)")

Known = list[tuple[str, str, str]]


def known_in(files: Files) -> Known:
    """apiVersion, kind and name of the objects in the files."""
    return [found for path, text in sorted(files.items()) if "patch" not in path for found in _HEAD.findall(text)]


def manifest(draw: Any) -> str:
    """One object, or now and then a List, with comments, or with an anchor."""
    text = _manifest(draw)
    how = draw(st.integers(0, 15))
    if how == 0:
        indented = "".join(f"  {line}\n" for line in text.splitlines())
        return "apiVersion: v1\nkind: List\nitems:\n-" + indented[1:]
    if how == 1:
        return "# head\n" + text.replace("\nkind:", " # why\nkind:", 1) + "# foot\n"
    if how == 2:
        return text.replace("  name: ", "  name: &n ", 1) + "extra: {same: *n, <<: {a: 1}}\n"
    return text


def _manifest(draw: Any) -> str:
    name = draw(st.sampled_from(NAMES))
    which = draw(st.integers(0, 9))
    if which < 3:
        return _workload(draw, draw(st.sampled_from(("Deployment", "StatefulSet", "DaemonSet"))), name)
    makers = (_service, _config, _config, _binding, _other, _other, _other)
    return str(makers[which - 3](draw, name))


# ── fields ───────────────────────────────────────────────────────────────────────────────────────────────────────

KINDS = ("Deployment", "Service", "ConfigMap", "StatefulSet", "Secret", "Widget", "RoleBinding", "Namespace")
TARGETS = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from((*KINDS, "Deploy.*|Service", ".*")),
        "name": st.sampled_from((*NAMES, "w.*", ".*b", "pre-.*")),
        "namespace": st.sampled_from(("prod", "default", "p.*")),
        "labelSelector": st.sampled_from(("app=v", "app", "!app", "tier in (v, 12)", "app!=v")),
        "annotationSelector": st.sampled_from(("env", "env=12")),
        "version": st.sampled_from(("v1", "v2")),
        "group": st.sampled_from(("apps", "")),
    },
)
VALUES = st.sampled_from((1, "1", "x", True, None, 1.5, {"a": 1}, ["b"], "yes", 12345678, {}))
PATHS = st.sampled_from(
    (
        *(
            "/metadata/labels/app",
            "/metadata/annotations/new",
            "/spec/replicas",
            "/spec/template/spec/containers/0/image",
        ),
        *("/spec/template/spec/containers/-", "/data/app", "/spec/x", "/metadata/name", "/spec/ports/0/port", "/kind"),
    )
)
OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(("add", "replace", "remove", "test", "copy", "move", "bad")), "path": PATHS},
        optional={"value": VALUES, "from": PATHS},
    ),
    min_size=1,
    max_size=2,
)
FIELD_SPECS = st.lists(
    st.fixed_dictionaries(
        {
            "path": st.sampled_from(
                ("metadata/labels", "spec/x/labels", "spec/ref/labels", "spec/template/metadata/labels")
            )
        },
        optional={"kind": st.sampled_from(KINDS), "create": st.booleans(), "group": st.sampled_from(("apps", "x"))},
    ),
    max_size=2,
)
PAIRS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(PLAIN), min_size=1, max_size=2)
FIELD_PATHS = st.sampled_from(
    (
        *("metadata.name", "metadata.labels.app", "spec.replicas", "spec.template.spec.containers.0.image", "data.app"),
        *("spec.template.spec.containers.[name=main].image", "spec.template.spec.containers.*.name", "spec.ref.name"),
        *("metadata.annotations.[example.com/k]", "metadata.namespace", "spec.ports.0.port", "spec.x", "spec.ref"),
        *("spec.template.spec.containers.[name=m.*].env.[name=A].value", "spec.template.spec.volumes.0"),
    )
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "delimiter": st.sampled_from((":", "/", "-", "")),
        "index": st.integers(-1, 2),
        "create": st.booleans(),
    },
)
SOURCES = st.fixed_dictionaries(
    {"kind": st.sampled_from(KINDS)},
    optional={
        "name": st.sampled_from(NAMES),
        "namespace": st.sampled_from(("prod", "default")),
        "fieldPath": FIELD_PATHS,
        "options": OPTIONS,
    },
)
REPLACEMENTS = st.lists(
    st.fixed_dictionaries(
        {
            "source": SOURCES,
            "targets": st.lists(
                st.fixed_dictionaries(
                    {"select": TARGETS, "fieldPaths": st.lists(FIELD_PATHS, min_size=1, max_size=2)},
                    optional={"options": OPTIONS, "reject": st.lists(TARGETS, min_size=1, max_size=1)},
                ),
                min_size=1,
                max_size=2,
            ),
        }
    ),
    min_size=1,
    max_size=1,
)
GENERATOR_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "labels": PAIRS,
        "annotations": PAIRS,
        "disableNameSuffixHash": st.booleans(),
        "immutable": st.booleans(),
    },
)
GENERATORS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(NAMES)},
        optional={
            "namespace": st.sampled_from(("prod", "default")),
            "behavior": st.sampled_from(("create", "create", "merge", "replace", "other")),
            "literals": st.lists(
                st.sampled_from(("a=1", "b='x'", 'c="', "d=a=b", "e=<&>\n", "f=")), max_size=3, unique=True
            ),
            "files": st.lists(st.sampled_from(("data.txt", "k=data.bin")), max_size=2, unique=True),
            "envs": st.just(["app.env"]),
            "options": GENERATOR_OPTIONS,
        },
    ),
    min_size=1,
    max_size=2,
)
IMAGE_CHANGES = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(("nginx", "reg.io/db", "redis", "reg.io:5000/team/web", "n.*"))},
        optional={
            "newName": st.sampled_from(("other", "reg.io/nginx")),
            "newTag": st.sampled_from(("v2", "1.10", "")),
            "digest": st.just("sha256:ffff"),
            "tagSuffix": st.just("-alpine"),
        },
    ),
    min_size=1,
    max_size=2,
)
LABELS = st.lists(
    st.fixed_dictionaries(
        {"pairs": PAIRS},
        optional={"includeSelectors": st.booleans(), "includeTemplates": st.booleans(), "fields": FIELD_SPECS},
    ),
    min_size=1,
    max_size=2,
)
VARS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.just("VAR"),
            "objref": st.fixed_dictionaries(
                {
                    "kind": st.sampled_from(KINDS),
                    "name": st.sampled_from(NAMES),
                    "apiVersion": st.sampled_from(("v1", "apps/v1")),
                }
            ),
        },
        optional={"fieldref": st.fixed_dictionaries({"fieldPath": FIELD_PATHS})},
    ),
    min_size=1,
    max_size=1,
)
CONFIGURATION = st.fixed_dictionaries(
    {},
    optional={
        "commonLabels": FIELD_SPECS,
        "labels": FIELD_SPECS,
        "namePrefix": st.just([{"path": "metadata/name"}, {"path": "spec/x", "kind": "Widget"}]),
        "images": st.just([{"path": "spec/image", "kind": "Widget"}]),
        "namespace": st.just([{"path": "spec/ref/namespace", "kind": "Widget", "create": True}]),
        "varReference": st.just([{"path": "data"}, {"path": "spec/x"}]),
        "nameReference": st.just(
            [{"kind": "ConfigMap", "version": "v1", "fieldSpecs": [{"path": "spec/ref/name", "kind": "Widget"}]}]
        ),
    },
)
SIMPLE = {
    "namePrefix": st.sampled_from(("pre-", "1", "a-")),
    "nameSuffix": st.sampled_from(("-suf", "2")),
    "namespace": st.sampled_from(("prod", "default", "other")),
    "commonLabels": PAIRS,
    "labels": LABELS,
    "commonAnnotations": PAIRS,
    "images": IMAGE_CHANGES,
    "replicas": st.lists(
        st.fixed_dictionaries({"name": st.sampled_from(NAMES), "count": st.integers(0, 3)}), min_size=1, max_size=1
    ),
    "configMapGenerator": GENERATORS,
    "secretGenerator": GENERATORS,
    "generatorOptions": GENERATOR_OPTIONS,
    "replacements": REPLACEMENTS,
    "vars": VARS,
    "sortOptions": st.sampled_from(({"order": "fifo"}, {"order": "legacy"})),
    "buildMetadata": st.lists(
        st.sampled_from(("originAnnotations", "transformerAnnotations", "managedByLabel")), unique=True, max_size=3
    ),
}


def _merge_patch(draw: Any, known: Known) -> str:
    """A part of an object, mostly of one that is there, often with a directive."""
    api_version, kind, name = draw(st.sampled_from([*known * 3, ("apps/v1", "Deployment", "web")]))
    text = f"apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: {name}\n"
    if draw(st.integers(0, 3)) == 0:
        text += "  labels:\n" + _entries(draw, 4)
    if draw(st.integers(0, 4)) == 0:
        text += f"  namespace: {draw(st.sampled_from(('prod', 'default')))}\n"
    bodies = (
        "spec:\n  replicas: 5\n",
        "spec:\n  template:\n" + _pod(draw, 4),
        "spec:\n  template:\n    spec:\n      containers:\n      - name: main\n        $patch: delete\n",
        "spec:\n  template:\n    spec:\n      containers:\n      - $patch: replace\n      - {name: new, image: i}\n",
        "spec:\n  template:\n    spec:\n      volumes:\n      - {name: w, emptyDir: null, hostPath: {path: /x}}\n",
        "$patch: delete\n",
        "$patch: replace\nspec: {a: 1}\n",
        "spec:\n  $patch: replace\n  x: 1\n",
        "spec:\n  ports:\n  - {port: 80, protocol: TCP}\n  - {port: 90}\n",
        "spec:\n  list: [3]\n  ref: null\n  more:\n    deep: {a: null, b: [1]}\n",
        "data:\n" + _entries(draw, 2),
        "data: null\n",
        "",
    )
    return text + draw(st.sampled_from(bodies))


def _patches(draw: Any, files: Files, folder: str, known: Known) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 2))):
        item: dict[str, Any] = {}
        if draw(st.booleans()):
            text = _merge_patch(draw, known)
            if draw(st.integers(0, 4)) == 0:
                text += "---\n" + _merge_patch(draw, known)
            if draw(st.booleans()):
                item["target"] = draw(TARGETS)
            if draw(st.integers(0, 5)) == 0:
                item["options"] = {"allowNameChange": draw(st.booleans()), "allowKindChange": draw(st.booleans())}
        else:
            text = json.dumps(draw(OPERATIONS))
            item["target"] = draw(TARGETS)
        if draw(st.booleans()):
            path = f"patch{number}.yaml"
            files[f"{folder}/{path}"] = text
            item["path"] = path
        else:
            item["patch"] = text
        found.append(item)
    return found


def _transformer(draw: Any) -> str:
    """A built-in plug-in, inline."""
    body = draw(
        st.sampled_from(
            (
                {"kind": "PrefixTransformer", "prefix": "t-", "fieldSpecs": [{"path": "metadata/name"}]},
                {
                    "kind": "LabelTransformer",
                    "labels": {"t": "1"},
                    "fieldSpecs": [{"path": "metadata/labels", "create": True}],
                },
                {"kind": "NamespaceTransformer", "unsetOnly": True, "setRoleBindingSubjects": "allServiceAccounts"},
                {
                    "kind": "AnnotationsTransformer",
                    "annotations": {"t": "x"},
                    "fieldSpecs": [{"path": "metadata/annotations", "create": True}],
                },
                {
                    "kind": "ImageTagTransformer",
                    "imageTag": {"name": "nginx", "newTag": "t"},
                    "fieldSpecs": [{"path": "spec/image"}],
                },
            )
        )
    )
    return json.dumps({"apiVersion": "builtin", "metadata": {"name": "t", "namespace": "tns"}, **body})


def kustomization(draw: Any, files: Files, folder: str, resources: list[str], extra: dict[str, Any]) -> None:
    """Write one kustomization with a few fields."""
    known = known_in(files)
    names = draw(
        st.lists(
            st.sampled_from((*SIMPLE, "patches", "patches", "patchesStrategicMerge", "transformers", "configurations")),
            max_size=3,
            unique=True,
        )
    )
    fields: dict[str, Any] = {**extra, "resources": resources}
    for name in names:
        if name == "patches":
            fields[name] = _patches(draw, files, folder, known)
        elif name == "patchesStrategicMerge":
            fields[name] = [_merge_patch(draw, known)]
        elif name == "transformers":
            fields[name] = [_transformer(draw)]
        elif name == "configurations":
            files[f"{folder}/config.yaml"] = json.dumps(draw(CONFIGURATION))
            fields[name] = ["config.yaml"]
        else:
            fields[name] = draw(SIMPLE[name])
    _aim(draw, fields, known)
    if "configMapGenerator" in fields or "secretGenerator" in fields:
        files[f"{folder}/data.txt"] = draw(st.sampled_from(("x\n", "", "two\nlines", "tab\there \n")))
        files[f"{folder}/data.bin"] = "é"
        files[f"{folder}/app.env"] = "# c\nA=1\n B=x=y\nC\n"
    files[f"{folder}/kustomization.yaml"] = json.dumps(fields, indent=1, ensure_ascii=False)


def _aim(draw: Any, fields: dict[str, Any], known: Known) -> None:
    """Let most names of objects be names of objects that are there."""
    if not known or draw(st.integers(0, 7)) == 0:
        return
    scaled = [name for _, kind, name in known if kind in ("Deployment", "StatefulSet")]
    for item in fields.get("replicas", ()):
        item["name"] = draw(st.sampled_from(scaled or ["web"]))
    for item in fields.get("vars", ()):
        api_version, kind, name = draw(st.sampled_from(known))
        item["objref"] = {"apiVersion": api_version, "kind": kind, "name": name}
    for item in fields.get("replacements", ()):
        _, kind, name = draw(st.sampled_from(known))
        item["source"] |= {"kind": kind, "name": name}


@st.composite
def projects(draw: Any) -> Files:
    """A project whose top is the folder `overlay`."""
    files: Files = {}
    paths = []
    for number in range(draw(st.integers(1, 3))):
        documents = [manifest(draw) for _ in range(draw(st.integers(1, 2)))]
        files[f"base/r{number}.yaml"] = "---\n".join(documents)
        paths.append(f"r{number}.yaml")
    kustomization(draw, files, "base", paths, {})
    extra: dict[str, Any] = {}
    if draw(st.integers(0, 3)) == 0:
        kind = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
        kustomization(draw, files, "part", [], kind)
        extra = {"components": ["../part"]}
    own = ["../base"]
    if draw(st.booleans()):
        files["overlay/own.yaml"] = manifest(draw)
        own.append("own.yaml")
    kustomization(draw, files, "overlay", own, extra)
    return files
