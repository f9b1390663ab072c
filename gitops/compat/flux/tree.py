"""The tree of what a repository of Flux delivers: who comes when, as one Application after another brings its children.

    objects ──► who can go now ──► (somebody syncs them) ──► done, with the objects that they brought ──► …

Nobody is due before all that it depends on is ready; who waits for its objects is ready when its children are.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from gitops.compat.flux.answer import Answer
from gitops.compat.flux.helm_release import SUFFIX
from gitops.compat.flux.objects import DELIVERED, FluxObjects, Ref, is_of_flux, ref_of
from gitops.compat.flux.reading import read
from gitops.compat.flux.shared import NAMESPACE
from gitops.manifests.key import Body
from gitops.model.readiness import reason_unready_by

Read = Callable[[Body, FluxObjects], Answer]


@dataclass(slots=True)
class _Member:
    """One Kustomization or HelmRelease; `ended` is None until it was synced, then whether that went well."""

    body: Body
    started: bool = False
    ended: bool | None = None
    children: set[Ref] = field(default_factory=set)


class FluxTree:
    """Kustomizations and HelmReleases with all that they are made of; those that are brought are added as they come."""

    def __init__(self, bodies: Iterable[Body], reads: Read = read) -> None:
        self._reads = reads
        self._objects = FluxObjects()
        self._members: dict[Ref, _Member] = {}
        self._by_name: dict[str, Ref] = {}
        self._answers: dict[Ref, Answer] = {}  # as long as no object comes
        self._ready: set[Ref] = set()  # who is, stays so
        self._take(bodies, None)

    def due(self) -> list[Answer]:
        """Those that can be synced now, each told once; all that they depend on is ready."""
        found: list[Answer] = []
        for ref, member in sorted(self._members.items()):
            if member.started:
                continue
            answer = self.answer(ref)
            if answer.reasons or (answer.application is not None and self._waits_for(answer) == []):
                member.started = True
                member.ended = False if answer.reasons else None
                found.append(answer)
        return found

    def done(self, ref: Ref, *, well: bool, brought: Iterable[Body] = ()) -> None:
        """It was synced, and brought these objects."""
        self._members[ref].ended = well
        self._take(brought, ref)

    def answer(self, ref: Ref) -> Answer:
        """What an object comes to, with all that is known now."""
        if ref not in self._answers:
            self._answers[ref] = self._reads(self._members[ref].body, self._objects)
        return self._answers[ref]

    def left(self) -> dict[Ref, str]:
        """Those that were never due, and why."""
        found: dict[Ref, str] = {}
        for ref, member in sorted(self._members.items()):
            if not member.started:
                answer = self.answer(ref)
                missing = f"needs {answer.missing}, which is not among the objects" if answer.missing else ""
                found[ref] = missing or f"depends on {', '.join(self._waits_for(answer))}"
        return found

    def others(self) -> list[Answer]:
        """What becomes of the objects that are not delivered themselves: sources, notifications."""
        bodies = [body for body in self._objects if ref_of(body) not in self._members]
        return [self._reads(body, self._objects) for body in bodies]

    def _take(self, bodies: Iterable[Body], parent: Ref | None) -> None:
        for body in bodies:
            if not is_of_flux(body):
                continue
            ref = ref_of(body)
            if ref == parent:  # the repository holds the Kustomization that delivers it
                continue
            self._objects.put(body)
            self._answers.clear()
            if ref.kind in DELIVERED:
                self._members.setdefault(ref, _Member(body))
                self._by_name[application_name(ref)] = ref
                if parent is not None:
                    self._members[parent].children.add(ref)

    def resource(self, identity: str) -> Body | None:
        """The object of an Application with what a cluster would say of it: whether it was synced, and how that ended.

        None where it is not among the objects.
        """
        ref = self._by_name.get(identity)
        if ref is None:
            return None
        member = self._members[ref]
        metadata = {"generation": 1, "namespace": NAMESPACE, "labels": {}, "annotations": {}, **member.body["metadata"]}
        status: Body = {}
        if member.ended is not None:
            word, generation = "True" if self._is_ready(ref, set()) else "False", metadata["generation"]
            ready = {"type": "Ready", "status": word, "observedGeneration": generation}
            status = {"observedGeneration": generation, "conditions": [ready]}
        return {**member.body, "metadata": metadata, "status": status}

    def _waits_for(self, answer: Answer) -> list[str]:
        """The Applications that it depends on and that are not ready, each with why where an expression says so."""
        spec = answer.application["spec"] if answer.application is not None else {}
        asked = spec.get("readyExpr", {})
        found: list[str] = []
        for name in spec.get("dependsOn", ()):
            if name in asked:
                reason = self._reason_by_expression(asked[name], answer.ref, name)
                found += [f"{name} ({reason})"] if reason else []
            elif not self._is_ready(self._by_name.get(name), set()):
                found.append(name)
        return found

    def _reason_by_expression(self, expression: str, ref: Ref, name: str) -> str:
        itself, other = self.resource(application_name(ref)), self.resource(name)
        return reason_unready_by(expression, itself or {}, other) if other is not None else "it is not there"

    def _is_ready(self, ref: Ref | None, above: set[Ref]) -> bool:
        if ref is None or not self._members[ref].ended:
            return False
        if ref not in self._ready:
            awaited = _awaited(self.answer(ref), self._members[ref].children) - above
            if not all(self._is_ready(child, above | {ref}) for child in awaited):
                return False
            self._ready.add(ref)
        return True


def application_name(ref: Ref) -> str:
    """The identity of the Application that is made of it."""
    return f"{ref.namespace or NAMESPACE}/{ref.name}{SUFFIX if ref.kind == 'HelmRelease' else ''}"


def _awaited(answer: Answer, children: set[Ref]) -> set[Ref]:
    """The children without which it is not ready."""
    wait: dict[str, Any] = (answer.application or {}).get("spec", {}).get("sync", {}).get("wait", {})
    if wait.get("objects") == "all":
        return children
    named = {(check.get("kind"), check.get("name")) for check in wait.get("checks", ())}
    return {child for child in children if (child.kind, child.name) in named}
