"""A controller's Applications that are Flux's custom resources: Kustomizations and HelmReleases with their sources.

What each comes to is a pure question (`gitops.compat.flux`); here its answers are kept as the objects change. A source
that changes has those looked at again that asked for it, no others.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import structlog

from gitops.compat.flux.answer import Answer
from gitops.compat.flux.objects import (
    ARTIFACT,
    DELIVERED,
    GENERATOR,
    GROUP_OF,
    SOURCES,
    FluxObjects,
    Ref,
    artifacts_of,
    is_of_flux,
    ref_of,
)
from gitops.compat.flux.reading import read, read_leaving
from gitops.compat.flux.tree import application_name
from gitops.controller.crd_source import FINALIZER, MEANT
from gitops.controller.origin import delete_resource
from gitops.controller.registry import ApplicationRegistry, Registration
from gitops.controller.resource_follower import Heard, ResourceFollower
from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import Application
from gitops.model.errors import ApiError, ClusterError, ConfigError
from gitops.ports import Clock, Cluster

log = structlog.get_logger()
FLUX_FINALIZER: Final = "finalizers.fluxcd.io"
REQUESTED: Final = "reconcile.fluxcd.io/requestedAt"
_SOURCE = "Flux's objects in the cluster"
_NEEDED: Final = ("GitRepository", "OCIRepository", "HelmRepository", "HelmChart", GENERATOR, *DELIVERED)
# Where these may not be read, all else is run.
_TOLD: Final = ("Alert", "Provider")
_KINDS: Final = (*_NEEDED, "Bucket", "Receiver", *_TOLD)
_FINALIZER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class FluxSettings:
    """`cross_namespace`: whether a source of another namespace may be named."""

    namespace: str = ""
    cross_namespace: bool = True


class FluxResources:
    """Keeps a registry at what Flux's objects of the cluster say.

    `wrong` is told of one that cannot be run with the reason, `source_read` of each source, why it cannot be used ("")
    and what was last asked of it in Flux's way, `source_gone` of one that is deleted, `gone` of each object that is,
    `receivers` of all Receivers, `alerts` of all Alerts and Providers, `asked` of an Application that somebody wants
    looked at again, in Flux's way, `seen` of each whose object was changed.
    """

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        settings: FluxSettings,
        read_body: Callable[[Body], Application],
        registry: ApplicationRegistry,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._settings = settings
        self._read = read_body
        self._registry = registry
        self.wrong: Callable[[ResourceKey, int, str], None] = lambda key, generation, reason: None
        self.receivers: Callable[[list[Body]], None] = lambda bodies: None
        self.alerts: Callable[[list[Body]], None] = lambda bodies: None
        self.source_read: Callable[[Body, str, str], None] = lambda body, reason, requested_at: None
        self.source_gone: Callable[[Ref], None] = lambda ref: None
        self.gone: Callable[[ResourceKey], None] = lambda key: None
        self.asked: Callable[[str], Awaitable[None]] = _nobody
        self.seen: Callable[[str], None] = lambda identity: None
        self._objects = FluxObjects()
        self._askers: dict[Ref, set[Ref]] = {}  # a source → who was made with a look at it
        self._unlisted = set(_NEEDED)
        # What finalizers an object shall have, at which version; None when it has changed and will be seen as it is.
        self._finalizers: dict[ResourceKey, tuple[list[str], str] | None] = {}
        self._requested: dict[Ref, str] = {}
        self._made_from: dict[str, tuple[Ref, ...]] = {}  # an Application → whose revision it has
        self._due: list[str] = []

    @property
    def crosses_namespaces(self) -> bool:
        """Whether an object of another namespace may be named."""
        return self._settings.cross_namespace

    def before(self, identity: str) -> tuple[str, Body]:
        """What was last asked for in Flux's way, which its status repeats; and the status as it was last seen."""
        entry = self._registry.entry(identity)
        if entry is None or entry.key is None:
            return "", {}
        body = self._objects.find(*_ref(entry.key)) or {}
        status = body.get("status")
        return self._requested.get(_ref(entry.key), ""), status if isinstance(status, dict) else {}

    def followers(self) -> list[tuple[str, Awaitable[None]]]:
        """What has to run, with names."""
        parts: list[tuple[str, Awaitable[None]]] = [("flux finalizers", self._keep_finalizers())]
        for kind in _KINDS:
            listed = partial(self._listed, kind)
            heard = Heard(listed, self._changed, self._gone, partial(listed, []))
            group = (GROUP_OF[kind], kind)
            follower = ResourceFollower(self._cluster, self._clock, group, self._settings.namespace, heard)
            parts.append((f"flux {kind}", follower.run()))
        return parts

    def revision_of(self, identity: str) -> tuple[Ref, ...]:
        """The sources whose revision is that of an Application."""
        return self._made_from.get(identity, ())

    def sources_of(self, identity: str) -> frozenset[Ref]:
        """The sources that an Application is made from."""
        return frozenset(
            source
            for source, askers in self._askers.items()
            if any(asker.kind in DELIVERED and application_name(asker) == identity for asker in askers)
        )

    def made_from(self, ref: Ref) -> set[str]:
        """The Applications that an object is, or is a source of; its name `*` is that of all in its namespace."""
        refs = [ref] if ref.name != "*" else [each for each in map(ref_of, self._objects) if each[:2] == ref[:2]]
        found: set[str] = set()
        for each in refs:
            askers = {each} if each.kind in DELIVERED else self._askers.get(each, set())
            found |= {application_name(asker) for asker in askers if asker.kind in DELIVERED}
        return found

    async def let_finish(self, identity: str) -> None:
        """Take the finalizers off the object of an Application whose objects are gone. Raises ClusterError."""
        entry = self._registry.entry(identity)
        if entry is not None and entry.key is not None:
            body = await self._cluster.get(entry.key)
            if body is not None and body["metadata"].get("deletionTimestamp"):
                await self._replace_finalizers(entry.key, body, [])

    async def delete(self, identity: str, *, prunes: bool, dry_run: bool = False) -> None:
        """Delete the object; our finalizer says whether what it owns goes first. Raises ClusterError."""
        entry = self._registry.entry(identity)
        if entry is not None and entry.key is not None:
            await delete_resource(self._cluster, entry.key, FINALIZER, prunes=prunes, dry_run=dry_run)

    def reason_to_keep(self, body: Body) -> str:
        """Why what an object owns stays when it is deleted, by its own spec; "" where it goes."""
        if read(body, self._objects).prunes:
            return ""
        return "its spec says that what it owns stays when it is deleted (spec.prune, spec.deletionPolicy)"

    async def resource(self, identity: str) -> Body | None:
        """The object of an Application as it is now. Raises ClusterError."""
        entry = self._registry.entry(identity)
        return await self._cluster.get(entry.key, fresh=True) if entry is not None and entry.key is not None else None

    async def reason_to_stay(self, identity: str) -> str:
        """Why what a deleted one owns stays for now: it goes since its kind does. "" for no reason.

        `flux uninstall` deletes the definitions, and means what was deployed no harm. Raises ClusterError.
        """
        entry = self._registry.entry(identity)
        if entry is None or entry.key is None:
            return ""
        plural = f"{entry.key.kind.lower()}s.{entry.key.group}"
        definition = await self._cluster.get(
            ResourceKey("apiextensions.k8s.io", "CustomResourceDefinition", "", plural)
        )
        if definition is None or not definition["metadata"].get("deletionTimestamp"):
            return ""
        return f"its deletion waits: every {entry.key.kind} is being deleted, since {plural} is"

    # ── objects come, change and go ──────────────────────────────────────────────────────────────────────────────

    def _listed(self, kind: str, bodies: list[Body]) -> None:
        present = {ref_of(body) for body in bodies if is_of_flux(body)}
        for body in list(self._objects):
            if body["kind"] == kind and ref_of(body) not in present:
                self._objects.drop(ref_of(body))
                self.gone(_key(ref_of(body)))
        for body in bodies:
            self._objects.put(body)
        self._unlisted.discard(kind)
        if not self._unlisted:
            self._take_all()

    def _changed(self, body: Body) -> None:
        if not is_of_flux(body):
            return
        ref = ref_of(body)
        before = self._objects.find(*ref)
        self._objects.put(body)
        if self._unlisted:
            return
        if not _is_same(before, body) or not (ref.kind in SOURCES or self._is_taken(ref)):
            self._take(ref)
        elif ref.kind in DELIVERED:  # most changes are of a status that we write ourselves
            self.seen(application_name(ref))

    def _gone(self, body: Body) -> None:
        if not is_of_flux(body):
            return
        ref = ref_of(body)
        self._objects.drop(ref)
        self._requested.pop(ref, None)
        self._finalizers.pop(_key(ref), None)
        self.gone(_key(ref))
        if ref.kind in DELIVERED:
            self._registry.drop(_SOURCE, application_name(ref))
            self._made_from.pop(application_name(ref), None)
        if ref.kind in SOURCES:
            self.source_gone(ref)
        if ref.kind in ("Receiver", *_TOLD):
            self._tell_source(body)
        if not self._unlisted:
            self._take_askers(ref)

    def _take_all(self) -> None:
        for body in list(self._objects):
            if body["kind"] not in DELIVERED:
                self._tell_source(body)
        present = {self._take_one(body) for body in list(self._objects) if body["kind"] in DELIVERED}
        self._registry.keep_only(_SOURCE, present)

    def _take(self, ref: Ref) -> None:
        body = self._objects.find(*ref)
        if body is None:
            return
        if ref.kind in DELIVERED:
            self.seen(self._take_one(body))
        else:
            self._tell_source(body)
        self._take_askers(ref)

    def _is_taken(self, ref: Ref) -> bool:
        """Whether the registry has an object as it is, and its finalizers are as they shall be."""
        key = _key(ref)
        entry = self._registry.entry(application_name(ref)) if ref.kind in DELIVERED else None
        return entry is not None and entry.key == key and not entry.wrong and key not in self._finalizers

    def _take_askers(self, source: Ref) -> None:
        body = self._objects.find(*source) if source.kind == GENERATOR else None
        made = {Ref(ARTIFACT, source.namespace, name) for name in artifacts_of(body)} if body is not None else set()
        for ref in sorted(set[Ref]().union(*(self._askers.get(each, ()) for each in (source, *made)))):
            body = self._objects.find(*ref)
            if body is not None:
                self._take_one(body)

    # ── what one comes to ────────────────────────────────────────────────────────────────────────────────────────

    def _take_one(self, body: Body) -> str:
        """Have the registry know it; its Application's identity."""
        ref, metadata = ref_of(body), body["metadata"]
        identity, key = application_name(ref), _key(ref)
        generation, finalizers = int(metadata.get("generation") or 0), metadata.get("finalizers") or []
        leaving = bool(metadata.get("deletionTimestamp"))
        try:
            app, answer = self._application(body)
        except ConfigError as exc:
            self.wrong(key, generation, str(exc))
            self._registry.spoil(_SOURCE, identity, str(exc))
            return identity
        self._finalizers.pop(key, None)
        if leaving and (FINALIZER not in finalizers or not answer.prunes):
            self._finalizers[key] = ([], metadata.get("resourceVersion") or "")
            self._registry.drop(_SOURCE, identity)
            return identity
        if (FINALIZER in finalizers) != answer.prunes:
            kept = [name for name in finalizers if name != FINALIZER]
            self._finalizers[key] = (kept + [FINALIZER] * answer.prunes, metadata.get("resourceVersion") or "")
        uid, secrets_in = str(metadata.get("uid") or ""), answer.secrets_in
        app = replace(app, labels=dict(metadata.get("labels") or {}))
        holder = self._registry.put(
            _SOURCE, Registration(app, key, generation, leaving, uid=uid, secrets_in=secrets_in)
        )
        if holder != _SOURCE:
            self.wrong(key, generation, f"an Application of this name comes from {holder}; take it out there")
        self._note_request(ref, metadata, lambda: [identity])
        return identity

    def _application(self, body: Body) -> tuple[Application, Answer]:
        """Raises ConfigError with why it cannot be run."""
        seen, leaving = _Seen(self._objects, self._askers, ref_of(body)), body["metadata"].get("deletionTimestamp")
        answer = read_leaving(body, seen) if leaving else read(body, seen)
        if answer.reasons:
            raise ConfigError("; ".join(answer.reasons))
        if not self._settings.cross_namespace and seen.is_abroad and not leaving:
            raise ConfigError("sources of other namespaces may not be named here (--no-cross-namespace-refs)")
        if answer.missing is not None:
            raise ConfigError(f"{answer.missing} is not there")
        assert answer.application is not None
        app = self._read(answer.application)
        self._made_from[app.identity] = answer.sources
        return app, answer

    def _tell_source(self, body: Body) -> None:
        if body["kind"] == "Receiver":
            self.receivers([each for each in self._objects if each["kind"] == "Receiver"])
            return
        if body["kind"] in _TOLD:
            self.alerts([each for each in self._objects if each["kind"] in _TOLD])
            return
        answer = read(body, self._objects)
        asked = self._note_request(answer.ref, body["metadata"], lambda: sorted(self.made_from(answer.ref)))
        self.source_read(body, "; ".join(answer.reasons), asked)

    def _note_request(self, ref: Ref, metadata: Body, identities: Callable[[], list[str]]) -> str:
        """What was asked for in Flux's way, and have these Applications look again when that is new."""
        asked = str((metadata.get("annotations") or {}).get(REQUESTED) or "")[:100]
        known = self._requested.get(ref)
        self._requested[ref] = asked
        if asked and known is not None and known != asked:
            self._due += identities()
        return asked

    # ── finalizers ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _keep_finalizers(self) -> None:
        """Ours is on what prunes when it is deleted; and who was asked to look again does."""
        while True:
            await self._clock.sleep(_FINALIZER_SECONDS)
            due, self._due = self._due, []
            for identity in due:
                await self.asked(identity)
            for key, wanted in list(self._finalizers.items()):
                if wanted is None:
                    continue
                has_changed = False
                try:
                    await self._cluster.replace_finalizers(key, *wanted)
                    self._objects.has_finalizers(_ref(key), *wanted)
                except ApiError as exc:
                    if exc.code not in (404, 409):
                        log.warning("finalizer.refused", object=str(key), error=str(exc))
                        continue  # without the right to it: the next try may have that
                    has_changed = exc.code == 409
                except ClusterError:
                    break
                if self._finalizers.get(key) == wanted:
                    del self._finalizers[key]
                    self._finalizers |= {key: None} if has_changed else {}

    async def _replace_finalizers(self, key: ResourceKey, body: Body, finalizers: list[str]) -> None:
        await self._cluster.replace_finalizers(key, finalizers, body["metadata"]["resourceVersion"])


class _Seen(FluxObjects):
    """Objects that note who asked for which."""

    def __init__(self, objects: FluxObjects, askers: dict[Ref, set[Ref]], asker: Ref) -> None:
        super().__init__()
        self._objects = objects
        self._askers = askers
        self._asker = asker
        self.is_abroad = False

    def find(self, kind: str, namespace: str, name: str) -> Body | None:
        self._askers.setdefault(Ref(kind, namespace, name), set()).add(self._asker)
        self.is_abroad = self.is_abroad or namespace != self._asker.namespace
        return self._objects.find(kind, namespace, name)

    def generator_of(self, namespace: str, name: str) -> Body | None:
        self._askers.setdefault(Ref(ARTIFACT, namespace, name), set()).add(self._asker)
        found = self._objects.generator_of(namespace, name)
        return self.find(*ref_of(found)) if found is not None else None


def _is_same(before: Body | None, body: Body) -> bool:
    """Whether nothing but its status has changed."""
    if before is None:
        return False
    old, new = before["metadata"], body["metadata"]
    return before.get("spec") == body.get("spec") and all(old.get(name) == new.get(name) for name in MEANT)


async def _nobody(_: str) -> None:
    """Until somebody wants to hear."""


def _key(ref: Ref) -> ResourceKey:
    return ResourceKey(GROUP_OF[ref.kind], ref.kind, ref.namespace, ref.name)


def _ref(key: ResourceKey) -> Ref:
    return Ref(key.kind, key.namespace, key.name)
