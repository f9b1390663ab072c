"""Which rules there are, and what they find: built in, or from the entry points of the group `gitops.policies`.

A breach can be excused on the object itself, for a reason and until a day:
`gitops.dev/exempt-<rule>: "2027-01-31 the vendor's image runs as root"`.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.metadata import entry_points

from gitops.manifests.manifest import Manifest
from gitops.model.application import PolicyOptions
from gitops.model.errors import ConfigError
from gitops.model.finding import Finding, Severity
from policies.rule import Rule, Target

BUILT_IN = (
    "cluster_admin",
    "literal_secrets",
    "pinned_images",
    "pod_security",
    "probes",
    "removed_apis",
    "requests_and_limits",
)
EXEMPT = "gitops.dev/exempt-"
ALIASES = {"no-latest-tag": "pinned-images"}


def all_rules() -> dict[str, Rule]:
    """Every rule by name. Raises ConfigError when an entry point cannot be loaded."""
    rules = [import_module(f"policies.builtin.{name}").RULE for name in BUILT_IN]
    for entry in entry_points(group="gitops.policies"):
        try:
            rules.append(entry.load())
        except Exception as exc:
            raise ConfigError(f"policy {entry.name} ({entry.value}) cannot be loaded: {exc}") from exc
    return {rule.name: rule for rule in rules}


def check(manifests: Iterable[Manifest], options: PolicyOptions, target: Target, today: date) -> tuple[Finding, ...]:
    """What the chosen rules find, sorted by place. Raises ConfigError for a rule that does not exist."""
    rules = all_rules()
    _check_names(options, rules)
    found = [
        finding
        for manifest in manifests
        for name, severity in _levels(options, manifest).items()
        for finding in _findings(rules[name], severity, manifest, target, today)
    ]
    return tuple(sorted(found, key=lambda item: (item.origin.path, item.origin.line, item.rule, item.field)))


def _check_names(options: PolicyOptions, rules: dict[str, Rule]) -> None:
    named = [*options.enforce, *options.warn]
    for scope in options.scopes:
        named += [*scope.enforce, *scope.warn, *scope.off]
    for name in named:
        if _own_name(name) not in rules:
            raise ConfigError(f"policies: there is no rule {name} (there are {', '.join(sorted(rules))})")


def _levels(options: PolicyOptions, manifest: Manifest) -> dict[str, Severity]:
    """Rule → severity for one manifest: the Application's, changed by each scope that fits, in order."""
    levels = _as_levels(options.enforce, options.warn)
    for scope in options.scopes:
        fits = fnmatchcase(manifest.origin.path, scope.path) and fnmatchcase(manifest.key.namespace, scope.namespace)
        if fits:
            off = {_own_name(name) for name in scope.off}
            levels = {name: level for name, level in levels.items() if name not in off}
            levels |= _as_levels(scope.enforce, scope.warn)
    return levels


def _as_levels(enforce: tuple[str, ...], warn: tuple[str, ...]) -> dict[str, Severity]:
    warnings: dict[str, Severity] = {_own_name(name): "warning" for name in warn}
    return warnings | {_own_name(name): "error" for name in enforce}


def _own_name(name: str) -> str:
    return ALIASES.get(name, name)


def _findings(rule: Rule, severity: Severity, manifest: Manifest, target: Target, today: date) -> Iterator[Finding]:
    try:
        breaches = list(rule.check(manifest.body, target))
    except (AttributeError, KeyError, TypeError, ValueError):
        breaches = [("", "cannot be judged: a field holds another type than its kind has", "mend the manifest")]
    if not breaches:
        return
    excuse = ((manifest.body.get("metadata") or {}).get("annotations") or {}).get(EXEMPT + rule.name)
    if excuse is not None:
        wrong = _expired(str(excuse), today)
        if not wrong:
            return
        field = f"metadata.annotations[{EXEMPT}{rule.name}]"
        breaches.append((field, wrong, 'write "YYYY-MM-DD reason", or mend what it excuses'))
    for field, message, fix in breaches:
        yield Finding(rule.name, severity, manifest.key, manifest.origin, field, message, fix)


def _expired(excuse: str, today: date) -> str:
    """Why an exemption does not count, or "" when it does."""
    day, _, reason = excuse.partition(" ")
    try:
        until = date.fromisoformat(day)
    except ValueError:
        return "the exemption has no day on which it ends"
    if not reason.strip():
        return "the exemption has no reason"
    return f"the exemption ended on {day}" if until < today else ""
