"""Rules of ValidatingAdmissionPolicies and of what binds them (pkg/apis/admissionregistration/validation)."""

import re
from typing import Final

from gitops.manifests.key import Body
from gitops.sandbox.policies import NAMES
from gitops.sandbox.statuses import FieldError, duplicate, invalid, not_supported, required
from gitops.sandbox.validation.checks import Errors, label_selector

_REASONS: Final = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")
_OPERATIONS: Final = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_ACTIONS: Final = ("Audit", "Deny", "Warn")
_EITHER: Final = "validations or auditAnnotations must contain at least one item"
_DENY_AND_WARN: Final = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response and "
    "headers serves no purpose)"
)
_IDENTIFIER: Final = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
# Whose fields have types that are not known here.
_TYPED: Final = re.compile(r"\b(?:variables|request)\.")
_TYPES: Final = {"BOOL": "bool", "STRING": "string", "DYN": "dyn", "INT": "int", "DOUBLE": "double", "UINT": "uint"}


def policy(body: Body, _old: Body | None) -> Errors:
    """What is wrong with a policy."""
    spec = body["spec"]
    failure = spec.get("failurePolicy")
    if failure not in ("Fail", "Ignore"):
        yield not_supported("spec.failurePolicy", failure, ("Fail", "Ignore"))
    kind = spec.get("paramKind")
    for name in ("apiVersion", "kind") if kind is not None else ():
        if not kind.get(name):
            yield required(f"spec.paramKind.{name}")
    constraints = spec.get("matchConstraints")
    if constraints is None:
        yield required("spec.matchConstraints")
    else:
        yield from _resources(constraints, "spec.matchConstraints")
        if not constraints.get("resourceRules"):
            yield required("spec.matchConstraints.resourceRules")
    yield from _conditions(spec.get("matchConditions") or [])
    yield from _variables(spec.get("variables") or [])
    validations, annotations = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not annotations:
        yield required("spec.validations", _EITHER)
        yield required("spec.auditAnnotations", _EITHER)
    for index, each in enumerate(validations):
        yield from _validation(each, f"spec.validations[{index}]")
    for index, each in enumerate(annotations):
        at = f"spec.auditAnnotations[{index}]"
        if not each.get("key"):
            yield required(f"{at}.key")
        wanted = ("string", "null_type")
        yield from _expression(each.get("valueExpression") or "", f"{at}.valueExpression", wanted)


def binding(body: Body, _old: Body | None) -> Errors:
    """What is wrong with what binds a policy."""
    spec = body["spec"]
    if not spec.get("policyName"):
        yield required("spec.policyName")
    actions = spec.get("validationActions") or []
    if not actions:
        yield required("spec.validationActions")
    for index, action in enumerate(actions):
        at = f"spec.validationActions[{index}]"
        if action not in _ACTIONS:
            yield not_supported(at, action, _ACTIONS)
        if action in actions[:index]:
            yield duplicate(at, action)
    if "Deny" in actions and "Warn" in actions:
        yield invalid("spec.validationActions", actions, _DENY_AND_WARN)
    yield from _resources(spec.get("matchResources") or {}, "spec.matchResources")
    reference = spec.get("paramRef")
    if reference is not None:
        yield from _parameter(reference)


def _parameter(reference: Body) -> Errors:
    at = "spec.paramRef"
    if bool(reference.get("name")) == (reference.get("selector") is not None):
        if reference.get("name"):
            text = "name and selector are mutually exclusive"
            yield FieldError("FieldValueForbidden", f"{at}.name", f"Forbidden: {text}")
        else:
            yield required(at, "one of name or selector must be specified")
    action = reference.get("parameterNotFoundAction")
    if action is None:
        yield required(f"{at}.parameterNotFoundAction")
    elif action not in ("Allow", "Deny"):
        yield not_supported(f"{at}.parameterNotFoundAction", action, ("Allow", "Deny"))


def _resources(constraints: Body, at: str) -> Errors:
    for name in ("namespaceSelector", "objectSelector"):
        yield from label_selector(constraints.get(name), f"{at}.{name}")
    for group in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(constraints.get(group) or ()):
            where = f"{at}.{group}[{index}]"
            for name in ("apiGroups", "apiVersions", "operations", "resources"):
                if not rule.get(name):
                    yield required(f"{where}.{name}")
            for number, operation in enumerate(rule.get("operations") or ()):
                if operation not in _OPERATIONS:
                    yield not_supported(f"{where}.operations[{number}]", operation, _OPERATIONS)


def _conditions(conditions: list[Body]) -> Errors:
    for index, each in enumerate(conditions):
        at = f"spec.matchConditions[{index}]"
        if not each.get("name"):
            yield required(f"{at}.name")
        elif each["name"] in [other.get("name") for other in conditions[:index]]:
            yield duplicate(f"{at}.name", each["name"])
        yield from _expression(each.get("expression") or "", f"{at}.expression", ("bool",))


def _variables(variables: list[Body]) -> Errors:
    for index, each in enumerate(variables):
        at, name = f"spec.variables[{index}]", each.get("name") or ""
        if not name:
            yield required(f"{at}.name", "name is not specified")
        elif not _IDENTIFIER.fullmatch(name):
            yield invalid(f"{at}.name", name, "name is not a valid CEL identifier")
        elif name in [other.get("name") for other in variables[:index]]:
            yield duplicate(f"{at}.name", name)
        yield from _expression(each.get("expression") or "", f"{at}.expression", ())


def _validation(validation: Body, at: str) -> Errors:
    message, expression = validation.get("message"), validation.get("messageExpression")
    if message is not None and message and not message.strip():
        yield invalid(f"{at}.message", message, "message must be non-empty if specified")
    elif message and "\n" in message.strip():
        yield invalid(f"{at}.message", message, "must not contain line breaks")
    elif "\n" in (validation.get("expression") or "").strip() and not message:
        text = "message must be specified if expression contains line breaks"
        yield required(f"{at}.message", text)
    reason = validation.get("reason")
    if reason is not None and reason not in _REASONS:
        yield not_supported(f"{at}.reason", reason, _REASONS)
    yield from _expression(validation.get("expression") or "", f"{at}.expression", ("bool",))
    if expression:
        yield from _expression(expression, f"{at}.messageExpression", ("string",))


def _expression(expression: str, at: str, wanted: tuple[str, ...]) -> Errors:
    """What is wrong with an expression whose value has to be of one of the types `wanted`, any where there is none."""
    from gitops.manifests.cel import CelError, compiled, is_beyond, wrong_literal

    if not expression.strip():
        yield required(at, f"{at.rpartition('.')[2]} is not specified")
        return
    try:
        kind = str(compiled(expression, NAMES).return_type())
    except CelError as error:
        if not is_beyond(expression):
            yield invalid(at, expression, f"compilation failed: {error}")
        return
    if wrong := wrong_literal(expression):
        yield invalid(at, expression, f"compilation failed: {wrong}")
        return
    found = _TYPES.get(kind, kind.lower())
    if not wanted or found in wanted or (found == "dyn" and _TYPED.search(expression)):
        return
    shown = wanted[0] if len(wanted) == 1 else f"one of [{' '.join(wanted)}]"
    yield invalid(at, expression, f"must evaluate to {shown} but got {found}")
