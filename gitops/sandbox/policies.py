"""ValidatingAdmissionPolicy: what the policies of the cluster say of a write.

Which policies are asked, in which words they refuse, and what an error means is as in
k8s.io/apiserver/pkg/admission/plugin/policy (kube-apiserver 1.36). Matching by an equivalent resource of another group,
and expressions over two variables (`all(key, value, …)`), are not simulated; an expression that needs what the library
lacks holds.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from gitops.manifests.key import Body
from gitops.sandbox.access import Attributes, authorized
from gitops.sandbox.cluster import Cluster, Write
from gitops.sandbox.selectors import selects
from gitops.sandbox.statuses import ApiFailure, forbidden

GROUP: Final = "admissionregistration.k8s.io"
NAMES: Final = ("authorizer", "namespaceObject", "object", "oldObject", "params", "request", "variables")
_CODES: Final = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413, "Invalid": 422}
_LONGEST: Final = 5 * 1024
_VARIABLE: Final = re.compile(r"\bvariables\.(\w+)")


class _Asked(NamedTuple):
    """A write as policies see it; `body` is None for a deletion, `old` for a creation."""

    cluster: Cluster
    write: Write
    operation: str
    body: Body | None
    old: Body | None

    @property
    def name(self) -> str:
        return self.write.name or ((self.body or {}).get("metadata") or {}).get("name", "")


class _Denied(NamedTuple):
    message: str
    reason: str = "Invalid"
    is_error: bool = False


def admit(cluster: Cluster, write: Write, operation: str, body: Body | None, old: Body | None) -> None:
    """Raises where a policy denies the write, and warns where one asks for that."""
    policies = {stored.body["metadata"]["name"]: stored.body for stored in _all(cluster, "validatingadmissionpolicies")}
    if not policies or write.resource.group == GROUP:
        return
    asked = _Asked(cluster, write, operation, body, old)
    denial: ApiFailure | None = None
    for stored in _all(cluster, "validatingadmissionpolicybindings"):
        binding = stored.body
        policy = policies.get(binding["spec"].get("policyName", ""))
        if policy is None or not _matches(asked, policy["spec"].get("matchConstraints") or {}):
            continue
        if not _matches(asked, binding["spec"].get("matchResources") or {}):
            continue
        for denied in _decisions(asked, policy["spec"], binding["spec"]):
            failure = _told(asked, policy, binding, denied)
            denial = denial or failure
    if denial is not None:
        raise denial


def _all(cluster: Cluster, plural: str) -> list[Any]:
    return sorted(cluster.storage.objects((GROUP, plural)), key=lambda stored: str(stored.body["metadata"]["name"]))


def _told(asked: _Asked, policy: Body, binding: Body, denied: _Denied) -> ApiFailure | None:
    """The refusal, where the binding denies; a warning otherwise, where it asks for one."""
    names = f"ValidatingAdmissionPolicy '{policy['metadata']['name']}' with binding '{binding['metadata']['name']}'"
    actions = binding["spec"].get("validationActions") or ()
    if "Deny" in actions:
        message = f"{names} denied request: {denied.message}"
        resource = asked.write.resource
        failure = forbidden(resource.group, resource.plural, asked.name, message, [{"message": message}])
        failure.status |= {"reason": denied.reason, "code": _CODES.get(denied.reason, 422)}
        failure.code = failure.status["code"]
        return failure
    if "Warn" in actions:
        asked.write.warnings.append(f"Validation failed for {names}: {denied.message}")
    return None


# --- which writes a policy is about -----------------------------------------------------------------------------------


def _matches(asked: _Asked, wanted: Body) -> bool:
    """Whether `matchConstraints` of a policy, or `matchResources` of a binding, are about this write."""
    if not _namespace_fits(asked, wanted.get("namespaceSelector")):
        return False
    selector = wanted.get("objectSelector") or {}
    if selector and not any(selects(selector, _labels(each)) for each in (asked.body, asked.old) if each is not None):
        return False
    if any(_fits(asked, rule) for rule in wanted.get("excludeResourceRules") or ()):
        return False
    rules = wanted.get("resourceRules")
    return not rules or any(_fits(asked, rule) for rule in rules)


def _labels(body: Body) -> Body:
    return (body.get("metadata") or {}).get("labels") or {}


def _namespace_fits(asked: _Asked, selector: Body | None) -> bool:
    """Namespaces are matched by their own labels; what else is of the whole cluster always fits."""
    if not selector:
        return True
    if asked.write.resource.key == ("", "namespaces"):
        return selects(selector, _labels(asked.body or asked.old or {}))
    if not asked.write.resource.namespaced:
        return True
    return selects(selector, _labels(asked.cluster.namespace(asked.write.namespace) or {}))


def _fits(asked: _Asked, rule: Body) -> bool:
    resource, write = asked.write.resource, asked.write
    scope = rule.get("scope") or "*"
    if scope != "*" and (scope == "Namespaced") != resource.namespaced:
        return False
    names = rule.get("resourceNames")
    return (
        _in(rule.get("operations"), asked.operation)
        and _in(rule.get("apiGroups"), resource.group)
        and _in(rule.get("apiVersions"), resource.version)
        and any(_is_resource(each, resource.plural, write.subresource) for each in rule.get("resources") or ())
        and (not names or asked.name in names)
    )


def _in(wanted: list[str] | None, value: str) -> bool:
    return wanted is not None and ("*" in wanted or value in wanted)


def _is_resource(wanted: str, plural: str, subresource: str) -> bool:
    name, _, sub = wanted.partition("/")
    return name in ("*", plural) and sub in (subresource, "*")


# --- what it says of them ---------------------------------------------------------------------------------------------


def _decisions(asked: _Asked, policy: Body, binding: Body) -> Iterator[_Denied]:
    """What is wrong with the write, for each object of parameters that the binding names."""
    ignores_errors = policy.get("failurePolicy") == "Ignore"
    try:
        parameters = _parameters(asked, policy, binding)
    except LookupError as error:
        if not ignores_errors:
            yield _Denied(f"failed to configure binding: {error.args[0]}")
        return
    for params in parameters:
        for denied in _validated(asked, policy, params):
            if not (denied.is_error and ignores_errors):
                yield denied


def _parameters(asked: _Asked, policy: Body, binding: Body) -> list[Body | None]:
    kind, wanted = policy.get("paramKind"), binding.get("paramRef")
    if not kind or not wanted:
        return [None]
    resource = asked.cluster.registry.of_kind(kind["apiVersion"], kind["kind"])
    if resource is None:
        raise LookupError(
            f"failed to find resource referenced by paramKind: '{kind['apiVersion']}, Kind={kind['kind']}'"
        )
    namespace = (wanted.get("namespace") or asked.write.namespace) if resource.namespaced else ""
    found: list[Body | None] = [
        stored.body
        for stored in asked.cluster.storage.objects(resource.key, namespace)
        if (stored.body["metadata"]["name"] == wanted["name"] if wanted.get("name") else True)
        and (not wanted.get("selector") or selects(wanted["selector"], _labels(stored.body)))
    ]
    if not found and wanted.get("parameterNotFoundAction") == "Deny":
        raise LookupError("no params found for policy binding with `Deny` parameterNotFoundAction")
    return found


def _validated(asked: _Asked, policy: Body, params: Body | None) -> Iterator[_Denied]:
    evaluation = _Evaluation(asked, policy.get("variables") or [], params)
    conditions = [evaluation.holds(condition["expression"]) for condition in policy.get("matchConditions") or ()]
    if False in conditions:
        return
    failed = next((each for each in conditions if isinstance(each, str)), None)
    if failed is not None:
        yield _Denied(failed, is_error=True)
        return
    for validation in policy.get("validations") or ():
        held = evaluation.holds(validation["expression"])
        if isinstance(held, str):
            yield _Denied(held, is_error=True)
        elif not held:
            yield _Denied(_message(evaluation, validation), validation.get("reason") or "Invalid")


def _message(evaluation: "_Evaluation", validation: Body) -> str:
    text = (validation.get("message") or "").strip()
    expression = validation.get("messageExpression")
    if expression:
        made = evaluation.value(expression)
        if isinstance(made, str):
            made = made.strip()
            if made and "\n" not in made and len(made.encode()) <= _LONGEST:
                return made
    return text or f"failed expression: {validation['expression'].strip()}"


class _Evaluation:
    """Expressions of one policy over one write; variables are worked out where they are named."""

    def __init__(self, asked: _Asked, variables: list[Body], params: Body | None) -> None:
        self._asked = asked
        self._expressions: dict[str, str] = {each["name"]: each["expression"] for each in variables}
        self._known: dict[str, Any] = {}
        self._failed: dict[str, str] = {}
        self._data = {
            "authorizer": {"authorizer": True},
            "namespaceObject": _namespace_of(asked),
            "object": asked.body,
            "oldObject": asked.old,
            "params": params,
            "request": _request(asked),
        }

    def holds(self, expression: str) -> bool | str:
        """Whether the expression is true; what is wrong with it, where it has no value."""
        try:
            return self._value(expression) is True
        except ValueError as error:
            return f"expression '{expression.strip()}' resulted in error: {error}"

    def value(self, expression: str) -> Any:
        """The value of an expression; None where it has none."""
        try:
            return self._value(expression)
        except ValueError:
            return None

    def _value(self, expression: str) -> Any:
        from gitops.manifests.cel import CelError, evaluate, is_beyond
        from gitops.manifests.cel_functions import AUTHORIZE

        named = [name for name in _VARIABLE.findall(expression) if name in self._expressions]
        for name in named:
            self._work_out(name)
        token = AUTHORIZE.set(self._may)
        try:
            return evaluate(expression, {**self._data, "variables": dict(self._known)})
        except CelError as error:
            if is_beyond(expression):
                return True
            missing = str(error).removeprefix("no such key: ")
            if missing in self._failed:
                text = f'composited variable "{missing}" fails to evaluate: {self._failed[missing]}'
                raise CelError(text) from None
            raise
        finally:
            AUTHORIZE.reset(token)

    def _work_out(self, name: str) -> None:
        if name in self._known or name in self._failed:
            return
        expression = self._expressions.pop(name)  # one that names itself is unknown to itself
        try:
            self._known[name] = self._value(expression)
        except ValueError as error:
            self._failed[name] = str(error)

    def _may(self, asked: Body) -> bool:
        """Whether the user of the request may do what `authorizer` is asked for."""
        user, path = self._asked.write.user, asked.get("path")
        if path is not None:
            return authorized(self._asked.cluster, user, Attributes(asked["verb"], path=path))
        parts = (asked.get(name, "") for name in ("group", "resource", "subresource", "namespace", "name"))
        return authorized(self._asked.cluster, user, Attributes(asked["verb"], *parts))


def _namespace_of(asked: _Asked) -> Body | None:
    if not asked.write.resource.namespaced:
        return None
    return asked.cluster.namespace(asked.write.namespace)


def _request(asked: _Asked) -> Body:
    resource, write = asked.write.resource, asked.write
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    plural = {"group": resource.group, "version": resource.version, "resource": resource.plural}
    return {
        "kind": kind,
        "resource": plural,
        "subResource": write.subresource,
        "requestKind": kind,
        "requestResource": plural,
        "requestSubResource": write.subresource,
        "name": asked.name,
        "namespace": write.namespace,
        "operation": asked.operation,
        "userInfo": {"username": write.user.name, "groups": list(write.user.groups)},
        "dryRun": write.dry_run,
    }
