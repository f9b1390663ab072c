"""What an object says about itself: wave, hook, pruning, recreation, health; ours first, then the tools' we replace.

Argo CD's, Flux's and Helm's annotations of the same meaning are honoured, so that repositories move over unchanged.
"""

from gitops.manifests.errors import ManifestError
from gitops.manifests.key import Body
from gitops.manifests.manifest import Manifest
from gitops.model.plan import HookDelete, Phase

PREFIX = "gitops.dev/"
ARGO = "argocd.argoproj.io/"
HELM = "helm.sh/"
FLUX = "kustomize.toolkit.fluxcd.io/"

_PHASES = {
    "pre-sync": Phase.PRE_SYNC,
    "PreSync": Phase.PRE_SYNC,
    "pre-install": Phase.PRE_SYNC,
    "pre-upgrade": Phase.PRE_SYNC,
    "crd-install": Phase.PRE_SYNC,
    "sync": Phase.SYNC,
    "Sync": Phase.SYNC,
    "post-sync": Phase.POST_SYNC,
    "PostSync": Phase.POST_SYNC,
    "post-install": Phase.POST_SYNC,
    "post-upgrade": Phase.POST_SYNC,
    "sync-fail": Phase.SYNC_FAIL,
    "SyncFail": Phase.SYNC_FAIL,
    "pre-rollback": Phase.PRE_ROLLBACK,
    "post-rollback": Phase.POST_ROLLBACK,
    "pre-delete": Phase.PRE_DELETE,
    "PreDelete": Phase.PRE_DELETE,
    "post-delete": Phase.POST_DELETE,
    "PostDelete": Phase.POST_DELETE,
    "test": Phase.TEST,
    "test-success": Phase.TEST,
}
# Argo CD's "Skip", and a test of Helm 2 that has to fail: such an object is not part of the desired state.
_NEVER = {"skip", "Skip", "test-failure"}
# What Helm runs when a release is installed, and when it is upgraded: an object may ask for both.
_OF_INSTALL = {"pre-install", "post-install", "crd-install"}
_OF_UPGRADE = {"pre-upgrade", "post-upgrade"}
_DELETES = {
    "before-hook-creation": HookDelete.BEFORE_CREATION,
    "BeforeHookCreation": HookDelete.BEFORE_CREATION,
    "hook-succeeded": HookDelete.SUCCEEDED,
    "HookSucceeded": HookDelete.SUCCEEDED,
    "hook-failed": HookDelete.FAILED,
    "HookFailed": HookDelete.FAILED,
}

_MARKS = {"tracking", "sync"}  # written by us, and there in what was read from a cluster
_EXEMPT = "exempt-"
# What our annotations may say; an empty one says nothing.
_WORDS: dict[str, set[str] | None] = {
    "wave": None,
    "hook": None,
    "adopt-from": None,
    "hook-delete-policy": {word for word in _DELETES if "-" in word},
    "prune": {"disabled", "confirm", "enabled"},
    "recreate": {"enabled", "disabled"},
    "apply": {"if-absent", "ignore"},
    "health": {"ignore"},
    "values": {"hidden"},
}


def check_words(manifest: Manifest) -> None:
    """Raise ManifestError for an annotation of ours that is not known, or says what is not: a slip guards nothing."""
    for name, text in annotations_of(manifest.body).items():
        if not name.startswith(PREFIX):
            continue
        where, word = f"{manifest.origin}: metadata.annotations[{name}]", name.removeprefix(PREFIX)
        if word in _MARKS or word.startswith(_EXEMPT):
            continue
        if word not in _WORDS:
            raise ManifestError(f"{where}: there is no such annotation (write one of {', '.join(sorted(_WORDS))})")
        known = _WORDS[word]
        said = [part.strip() for part in str(text or "").split(",")] if word == "hook-delete-policy" else [text or ""]
        unknown = [part for part in said if known is not None and part and part not in known]
        if known is not None and unknown:
            raise ManifestError(f"{where}: expected {' or '.join(sorted(known))}, got {unknown[0]!r}")


def annotations_of(body: Body) -> dict[str, str]:
    return (body.get("metadata") or {}).get("annotations") or {}


def labels_of(body: Body) -> dict[str, str]:
    return (body.get("metadata") or {}).get("labels") or {}


def wave_of(manifest: Manifest) -> int:
    """The wave (default 0); a Helm hook's weight counts as one. Raises ManifestError when it is not a whole number."""
    name, text = _wave_words(manifest.body)
    try:
        return int(text)
    except (TypeError, ValueError):
        raise ManifestError(
            f"{manifest.origin}: metadata.annotations[{name}]: expected a whole number in quotes, got {text!r}"
        ) from None


def live_wave_of(body: Body) -> int:
    """The wave that a live object was made in; 0 where that was edited beyond reading."""
    try:
        return int(_wave_words(body)[1])
    except (TypeError, ValueError):
        return 0


def _wave_words(body: Body) -> tuple[str, str]:
    annotations = annotations_of(body)
    names = (PREFIX + "wave", ARGO + "sync-wave", HELM + "hook-weight")
    return next(((name, annotations[name]) for name in names if name in annotations), ("", "0"))


def hook_phases_of(manifest: Manifest, *, is_upgrade: bool | None = None) -> tuple[Phase, ...]:
    """The phases that a hook runs in, in order; () for an ordinary object. Raises ManifestError for an unknown word.

    With `is_upgrade` those of Helm's hooks that are for such a sync alone: the first one installs, later ones upgrade.
    """
    words = _hook_words(manifest.body)
    unknown = [word for word in words if word not in _PHASES and word not in _NEVER]
    if unknown:
        raise ManifestError(
            f"{manifest.origin}: metadata.annotations: unknown hook {unknown[0]!r} "
            "(write one of pre-sync, sync, post-sync, sync-fail, pre-rollback, post-rollback, pre-delete, "
            "post-delete, test, skip)"
        )
    others = frozenset[str]() if is_upgrade is None else _OF_INSTALL if is_upgrade else _OF_UPGRADE
    return tuple(sorted({_PHASES[word] for word in words if word in _PHASES and word not in others}))


def is_hook(body: Body) -> bool:
    """True for an object that says so in any tool's words."""
    return bool(_hook_words(body))


def is_skipped(manifest: Manifest) -> bool:
    """True for a hook that nothing ever runs, and for objects that ask to be left alone."""
    words = _hook_words(manifest.body)
    if words and all(word in _NEVER for word in words):
        return True
    return is_left_alone(manifest.body)


def is_left_alone(body: Body) -> bool:
    """True for an object that asks to be neither written nor pruned; the live one may say so too, as with Flux."""
    is_ignored = annotations_of(body).get(PREFIX + "apply") == "ignore"
    return is_ignored or _flux_word(body, "ssa") == "ignore" or _flux_word(body, "reconcile") == "disabled"


def is_if_absent(body: Body) -> bool:
    """True when the object is created once and never updated."""
    return annotations_of(body).get(PREFIX + "apply") == "if-absent" or _flux_word(body, "ssa") == "ifnotpresent"


def hook_deletes_of(body: Body) -> frozenset[HookDelete]:
    annotations = annotations_of(body)
    for name in (PREFIX + "hook-delete-policy", ARGO + "hook-delete-policy", HELM + "hook-delete-policy"):
        if annotations.get(name):
            words = (word.strip() for word in annotations[name].split(","))
            return frozenset(_DELETES[word] for word in words if word in _DELETES)
    return frozenset({HookDelete.BEFORE_CREATION})


def prune_word_of(body: Body, *, leaving: bool = False) -> str:
    """ "", "disabled" or "confirm": what the object says about being deleted when it leaves Git.

    With `leaving`, when its Application is deleted: what only Argo CD tells apart from the other.
    """
    word = annotations_of(body).get(PREFIX + "prune", "")
    if word in ("disabled", "confirm"):
        return word
    said = _others_prune_word(body, leaving)
    # What is not understood, on a live object, is asked about.
    return said or ("confirm" if word not in ("", "enabled") else "")


def _others_prune_word(body: Body, leaving: bool) -> str:
    options = _sync_options(body)
    kept = str(annotations_of(body).get(HELM + "resource-policy") or "").strip().lower() == "keep"
    if kept or "Prune=false" in options or (leaving and "Delete=false" in options):
        return "disabled"
    if _flux_word(body, "prune") == "disabled" or is_left_alone(body):
        return "disabled"
    return "confirm" if "Prune=confirm" in options or (leaving and "Delete=confirm" in options) else ""


def may_recreate(body: Body) -> bool:
    """True when the object may be deleted and created again to change an immutable field."""
    annotations = annotations_of(body)
    options = _sync_options(body)
    return (
        annotations.get(PREFIX + "recreate") == "enabled"
        or _flux_word(body, "force") == "enabled"
        or {"Replace=true", "Force=true"} <= options
    )


def may_lack_kind(body: Body) -> bool:
    """True when the object's kind may come later: an operator defines it, say, that the same sync brings."""
    return "SkipDryRunOnMissingResource=true" in _sync_options(body)


def is_extraneous(body: Body) -> bool:
    """True when the object may be there though no source holds it: that alone is no reason for a sync."""
    options = {option.strip() for option in (annotations_of(body).get(ARGO + "compare-options") or "").split(",")}
    return "IgnoreExtraneous" in options


def adopts_from(body: Body) -> str:
    """The Application (NAMESPACE/NAME) that hands this object over to whose manifest says so, or ""."""
    return str(annotations_of(body).get(PREFIX + "adopt-from") or "")


def ignores_health(body: Body) -> bool:
    annotations = annotations_of(body)
    return annotations.get(PREFIX + "health") == "ignore" or annotations.get(ARGO + "ignore-healthcheck") == "true"


def is_apart(body: Body) -> bool:
    """True when how the object is says nothing of its Application: it asks for that, or is the last run of a test."""
    words = _hook_words(body)
    return ignores_health(body) or (bool(words) and all(_PHASES.get(word) is Phase.TEST for word in words))


def _sync_options(body: Body) -> set[str]:
    return {option.strip() for option in (annotations_of(body).get(ARGO + "sync-options") or "").split(",")}


def _flux_word(body: Body, name: str) -> str:
    """Flux reads its words from labels too, in whatever case."""
    found = annotations_of(body).get(FLUX + name) or labels_of(body).get(FLUX + name)
    return str(found or "").lower()


def _hook_words(body: Body) -> list[str]:
    annotations = annotations_of(body)
    for name in (PREFIX + "hook", ARGO + "hook", HELM + "hook"):
        if annotations.get(name):
            return [word.strip() for word in annotations[name].split(",")]
    return []
