"""A HelmRelease's install, upgrade, test, rollback and uninstall: what they ask of a sync."""

from dataclasses import dataclass
from typing import Any, Final

from gitops.compat.fields import Fields
from gitops.compat.flux.shared import ALWAYS, duration, retry

_RETRY_SECONDS: Final = 300.0
_ROLLS_BACK: Final = "a sync that fails is rolled back, and what it made anew is removed"
_TAKES: Final = "an object that another tool keeps is taken over on a person's word only"


@dataclass(frozen=True, slots=True)
class Actions:
    """What is asked for; times in seconds, 0 where none is given."""

    timeout: float
    waits: bool
    no_hooks: bool
    skips_schema: bool
    recreates: bool
    creates_namespace: bool
    install_crds: str
    upgrade_crds: str
    retries: int
    retry_interval: float
    rolls_back: bool
    tests: bool

    def sync(self, timeout: float) -> dict[str, Any]:
        """As fields of our `sync`; `timeout` is what the release has for all actions."""
        tries = ALWAYS if self.retries < 0 else self.retries
        return {
            "prune": True,
            "conflicts": "force",
            "createNamespace": self.creates_namespace,
            "recreate": self.recreates,
            "timeout": duration(self.timeout or timeout),
            "rollback": "onFailure" if self.rolls_back else "never",
            "retry": retry(self.retry_interval, tries) if self.retry_interval else {"limit": tries},
            "wait": {"objects": "all" if self.waits else "none", "pruneFirst": True},
        }


def crds(actions: Actions) -> str:
    """What becomes of crds/: by default definitions are made, and never changed."""
    if "CreateReplace" in (actions.install_crds, actions.upgrade_crds):
        return "CreateReplace"
    return "Skip" if actions.install_crds == "Skip" and actions.upgrade_crds != "Create" else "Create"


def read_actions(spec: Fields) -> Actions:
    """Everything under install, upgrade, test, rollback and uninstall."""
    install, upgrade = (_action(spec, name) for name in ("install", "upgrade"))
    _rollback(spec)
    _uninstall(spec)
    if install.no_hooks != upgrade.no_hooks:
        found = spec.part("install" if install.no_hooks else "upgrade")
        if found is not None:
            found.refuse(
                "disableHooks", "hooks are run at the install and at the upgrade, or at neither; say it of both"
            )
    again = install.retry_interval or upgrade.retry_interval
    return Actions(
        timeout=max(install.timeout, upgrade.timeout),
        waits=not (install.no_wait or upgrade.no_wait),
        no_hooks=install.no_hooks and upgrade.no_hooks,
        skips_schema=install.skips_schema or upgrade.skips_schema,
        recreates=upgrade.force,
        creates_namespace=install.creates_namespace,
        install_crds=install.crds or "Create",
        upgrade_crds=upgrade.crds or "Skip",
        retries=-1 if again or min(install.retries, upgrade.retries) < 0 else max(install.retries, upgrade.retries),
        retry_interval=again,
        rolls_back=upgrade.rolls_back and not upgrade.retry_interval,
        tests=_tests(spec),
    )


@dataclass(slots=True)
class _Action:
    timeout: float = 0.0
    no_wait: bool = False
    no_hooks: bool = False
    skips_schema: bool = False
    force: bool = False
    creates_namespace: bool = False
    crds: str = ""
    retries: int = 0
    retry_interval: float = 0.0
    rolls_back: bool = False


def _action(spec: Fields, name: str) -> _Action:
    """`install` or `upgrade`: they have most fields in common."""
    found, part = _Action(), spec.part(name)
    if part is None:
        return found
    is_upgrade = name == "upgrade"
    found.timeout = part.seconds("timeout")
    found.no_wait, found.no_hooks = part.flag("disableWait"), part.flag("disableHooks")
    found.skips_schema = part.flag("disableSchemaValidation")
    found.crds = part.text("crds")
    if found.crds not in ("", "Skip", "Create", "CreateReplace"):
        part.refuse("crds", "expected one of Skip, Create, CreateReplace")
    if is_upgrade:
        found.force = part.flag("force")
        if part.flag("preserveValues"):
            part.refuse("preserveValues", "a release has the values that Git says, not those that it had")
    else:
        found.creates_namespace = part.flag("createNamespace")
        found.crds = "Skip" if part.flag("skipCRDs") else found.crds
    _remediation(part, found, is_upgrade=is_upgrade)
    _strategy(part, found)
    for field, why in (
        ("disableTakeOwnership", _TAKES),
        ("disableWaitForJobs", "a Job is waited for as every other object is"),
        ("disableOpenAPIValidation", "every object is tried by the API server before it is written"),
        ("serverSideApply", "every object is applied by the server"),
        *(
            (("cleanupOnFail", _ROLLS_BACK), ("chartNameChangeStrategy", "what the old chart made goes, as Git has it"))
            if is_upgrade
            else ()
        ),
        *(() if is_upgrade else (("replace", "the name of a release is never taken"),)),
    ):
        part.note(field, why)
    part.end()
    return found


def _remediation(part: Fields, found: _Action, *, is_upgrade: bool) -> None:
    remediation = part.part("remediation")
    if remediation is None:
        return
    found.retries = remediation.number("retries") or 0
    last = remediation.flag("remediateLastFailure", default=found.retries > 0)
    found.rolls_back = is_upgrade and (found.retries != 0 or last)
    if remediation.flag("ignoreTestFailures"):
        remediation.refuse("ignoreTestFailures", "a test that fails is a failed sync; leave test.enable out")
    if not is_upgrade:
        remediation.note("remediateLastFailure", "a first release that fails is left to be looked at, and tried again")
    elif remediation.choice("strategy", "rollback", "uninstall") == "uninstall":
        remediation.note("strategy", "a release that fails is rolled back; nothing is uninstalled on a failure")
    remediation.end()


def _strategy(part: Fields, found: _Action) -> None:
    strategy = part.part("strategy")
    if strategy is None:
        return
    name, every = strategy.choice("name", "RemediateOnFailure", "RetryOnFailure"), strategy.seconds("retryInterval")
    if name == "RetryOnFailure":
        found.retry_interval = every or _RETRY_SECONDS
    strategy.end()


def _tests(spec: Fields) -> bool:
    part = spec.part("test")
    if part is None:
        return False
    enabled = part.flag("enable")
    part.note("timeout", "tests have the time of the sync that runs them")
    if part.flag("ignoreFailures"):
        part.note("ignoreFailures", "so the tests are not run with the sync; `gitops test` runs them")
        enabled = False
    part.refuse("filters", "all tests of the chart are run, or none")
    part.end()
    return enabled


def _rollback(spec: Fields) -> None:
    part = spec.part("rollback")
    if part is None:
        return
    if part.flag("disableHooks"):
        part.refuse("disableHooks", "a rollback runs the chart's hooks")
    for name, why in (
        ("timeout", "a rollback has the time of a sync"),
        ("disableWait", "a rollback is waited for as a sync is"),
        ("disableWaitForJobs", "a Job is waited for as every other object is"),
        ("recreate", "Pods are replaced where what they are made of changes back"),
        ("force", "an object that cannot be changed back is made anew where upgrade.force says so"),
        ("cleanupOnFail", _ROLLS_BACK),
        ("serverSideApply", "every object is applied by the server"),
    ):
        part.note(name, why)
    part.end()


def _uninstall(spec: Fields) -> None:
    part = spec.part("uninstall")
    if part is None:
        return
    if part.flag("disableHooks"):
        part.refuse("disableHooks", "a deletion runs the chart's hooks")
    for name, why in (
        ("timeout", "a deletion goes on until everything is gone"),
        ("keepHistory", "the audit log keeps what was there; Helm's history is not written"),
        ("disableWait", "a deletion goes on until everything is gone"),
        ("deletionPropagation", "objects are deleted in the reverse order of a sync, each with what it owns"),
    ):
        part.note(name, why)
    part.end()
