"""What an Application asks for, as text that is kept in the cluster, so that it holds where its file is not at hand.

Where the source is, is left out, since inventory and releases name it; so are values for templates, which may be
secrets.
"""

import functools
import json
import typing
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any

from gitops.bounds import parsed_map
from gitops.model.application import Application, SourceSpec, TemplateOptions
from gitops.model.errors import ConfigError

_LEFT_OUT = {"name", "namespace", "destination", "interval", "notifications", "labels", "project"}


def spec_text(app: Application) -> str:
    """What differs from the defaults, as JSON; equal specs have equal texts."""
    sources = tuple(_how(source) for source in app.sources)
    app = replace(app, source=SourceSpec() if sources else _how(app.source), sources=sources)
    default = Application(app.name)
    facts = {
        name: _plain(getattr(app, name))
        for name in (field.name for field in fields(Application))
        if name not in _LEFT_OUT and getattr(app, name) != getattr(default, name)
    }
    return json.dumps(facts, sort_keys=True)


def with_spec(app: Application, text: str) -> Application:
    """`app` as `text` (of `spec_text`) asks for; fields that this version does not know are left out.

    Raises ConfigError for a value that is not of its field's type: whoever may edit the inventory may write anything.
    """
    try:
        facts = parsed_map(text or "{}")
        hints = _hints(Application)
        said = {name: _typed(hints[name], value) for name, value in facts.items() if name in hints.keys() - _LEFT_OUT}
        found = replace(app, **said)
        return found.with_sources(found.sources) if found.sources else found
    except (ValueError, TypeError, AttributeError, RecursionError) as exc:
        raise ConfigError(f"{app.identity}: the spec in its inventory cannot be read ({exc}); sync it again") from exc


def _how(source: SourceSpec) -> SourceSpec:
    """How a source is rendered and reached, without where it is and what may be secret."""
    reached = source.credentials
    return SourceSpec(
        chart=source.chart,
        ref=source.ref,
        renderer=source.renderer,
        plain=source.plain,
        kustomize=source.kustomize,
        template=TemplateOptions(valueFiles=source.template.valueFiles),
        helm=replace(source.helm, values={}, parameters=()),
        patches=source.patches,
        images=source.images,
        postBuild=replace(source.postBuild, substitute={}),
        commonMetadata=source.commonMetadata,
        decryption=source.decryption,
        ignore=source.ignore,
        include=source.include,
        verify=source.verify,
        bucket=source.bucket,
        credentials=replace(reached, proxy="" if "@" in reached.proxy else reached.proxy),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def _typed(hint: Any, value: Any) -> Any:
    """`value` as the dataclasses have it. Raises ValueError where it is of another type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        hints = _hints(hint)
        known = {one.name: one.default for one in fields(hint) if one.name in value}
        # A default may be what nobody may write: "" for a repository that is needed, and named elsewhere here.
        said = {name: value[name] for name, default in known.items() if value[name] != default}
        return hint(**{name: _typed(hints[name], item) for name, item in said.items()})
    if origin is tuple and isinstance(value, list):
        return tuple(_typed(inner[0], item) for item in value)
    if origin is dict and isinstance(value, dict) and inner[1] is not Any:
        return {name: _typed(inner[1], item) for name, item in value.items()}
    if origin is typing.Annotated and (value == "" or inner[1].fits(_typed(inner[0], value))):  # "" is not set
        return value
    if origin is typing.Literal and isinstance(value, str) and value in inner:
        return value
    plain = (int, float) if hint is float else dict if origin is dict else hint if isinstance(hint, type) else ()
    if isinstance(value, plain) and (hint is bool or not isinstance(value, bool)):
        return value
    raise ValueError(f"{json.dumps(value)[:100]} is of the wrong type")
