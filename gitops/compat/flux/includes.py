"""The GitRepositories that a GitRepository includes, as further sources of an Application."""

from typing import Any

from gitops.compat.fields import refusals
from gitops.compat.flux.objects import FluxObjects, Ref
from gitops.compat.flux.sources import FluxSource, find_source


def included(objects: FluxObjects, source: FluxSource) -> list[FluxSource] | Ref | str:
    """What a source includes, in its order; or one that is not known, or why it cannot be included."""
    found: list[FluxSource] = []
    for one in source.includes:
        ref = Ref("GitRepository", source.ref.namespace, one.repository)
        other = find_source(objects, *ref)
        if other is None:
            return ref
        if refusals(other.told):
            return f"{source.ref}: spec.include: {other.ref}: {'; '.join(refusals(other.told))}"
        if other.includes:
            return f"{source.ref}: spec.include: {other.ref} includes others itself; include those in {source.ref}"
        found.append(other)
    return found


def with_included(spec: dict[str, Any], source: FluxSource, others: list[FluxSource]) -> dict[str, Any]:
    """`source` or `sources` of an Application, of the fields of its own source and of what that includes."""
    if not others:
        return {"source": spec}
    refs = [f"include-{number}" for number in range(1, len(others) + 1)]
    named = [
        {"ref": ref, "fromPath": one.from_path, "toPath": one.to_path}
        for ref, one in zip(refs, source.includes, strict=True)
    ]
    include = [{name: text for name, text in each.items() if text} for each in named]
    return {
        "sources": [
            {**spec, "include": include},
            *({**other.spec, "ref": ref} for ref, other in zip(refs, others, strict=True)),
        ]
    }
