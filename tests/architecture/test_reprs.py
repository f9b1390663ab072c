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
    "gitops.adapters.http_get.Answer.headers", "gitops.adapters.sops.keys.KeyFinder.secret",
    "gitops.bootstrap.Environment.key", "gitops.controller.deliveries._Line.tokens",
    "gitops.model.application.KubeConfig.key", "gitops.model.helm_options.ValuesFrom.key",
    "gitops.model.notification.DestinationSpec.proxy", "gitops.model.source_access.Credentials.proxy",
    "gitops.sandbox.api.Answer.headers", "gitops.sandbox.rule_cost.estimate._Entry.key",
    "gitops.sandbox.rule_cost.tree.Loop.variables", "gitops.sandbox.storage.Event.key",
    "gitops.server.auth.access.Access.tokens", "gitops.server.listening.Listening.tokens",
}  # fmt: skip


def shown():
    """Each field of a dataclass that is called as secrets are and that its repr shows, but for keys of objects."""
    for top in (gitops, renderers, policies):
        modules = walk_packages(top.__path__, f"{top.__name__}.")
        for module in (found for found in modules if not found.name.endswith("__main__")):
            for name, made in vars(import_module(module.name)).items():
                if is_dataclass(made) and isinstance(made, type) and made.__module__ == module.name:
                    for field in fields(made) if made.__dataclass_params__.repr else ():
                        if field.repr and SECRET.search(field.name) and "ResourceKey" not in str(field.type):
                            yield f"{module.name}.{name}.{field.name}"


def test_no_field_that_holds_a_secret_is_shown():
    found = set(shown())
    assert found - OTHERS == set()
    assert OTHERS - found == set(), "is no exception any more"
