"""What a secret is kept in does not show it: in a log, a traceback or the message of a failed check."""

import re
from dataclasses import fields, is_dataclass
from importlib import import_module
from pkgutil import walk_packages

import gitops
import policies
import renderers

SECRET = re.compile(r"(?i)password|tokens?$|secret(key)?$|private|bearer|headers|dockerconfig|^(key|proxy|variables)$")
# Fields that are called so and hold no secret, or what stands in the spec for all to read.
OTHERS = {
    "gitops.adapters.http_get.Answer.headers", "gitops.adapters.kubernetes.http._Call.headers",
    "gitops.adapters.sops.keys.KeyFinder.secret",
    "gitops.adapters.sops.line_files._Line.key", "renderers.kustomize.label_selectors.Requirement.key",
    "gitops.bootstrap.Environment.key", "gitops.controller.deliveries._Line.tokens",
    "gitops.model.application.KubeConfig.key", "gitops.model.helm_options.ValuesFrom.key",
    "gitops.model.notification.DestinationSpec.proxy", "gitops.model.source_access.Credentials.proxy",
    "gitops.sandbox.api.Answer.headers", "gitops.sandbox.rule_cost.estimate._Entry.key",
    "gitops.sandbox.rule_cost.tree.Loop.variables", "gitops.sandbox.storage.Event.key",
    "gitops.server.auth.access.Access.tokens", "gitops.server.listening.Listening.tokens",
}  # fmt: skip


def shown_by(made):
    """The fields that the repr of a dataclass or a named tuple shows, with their types."""
    if is_dataclass(made):
        return [(field.name, field.type) for field in fields(made) if field.repr and made.__dataclass_params__.repr]
    if issubclass(made, tuple) and hasattr(made, "_fields"):
        return [(name, made.__annotations__.get(name)) for name in made._fields]
    return []


def shown():
    """Each field that is called as secrets are and that the repr of its class shows, but for keys of objects."""
    for top in (gitops, renderers, policies):
        modules = walk_packages(top.__path__, f"{top.__name__}.")
        for module in (found for found in modules if not found.name.endswith("__main__")):
            for name, made in vars(import_module(module.name)).items():
                if isinstance(made, type) and made.__module__ == module.name:
                    for field, kind in shown_by(made):
                        if SECRET.search(field) and "ResourceKey" not in str(kind):
                            yield f"{module.name}.{name}.{field}"


def test_no_field_that_holds_a_secret_is_shown():
    found = set(shown())
    assert found - OTHERS == set()
    assert OTHERS - found == set(), "is no exception any more"
