"""How an Application stands in one line, and the command that a person types next."""

from gitops.controller.told import Told
from gitops.model.revision import short


def headline(told: Told) -> str:
    """ "gitops/shop is OutOfSync and Healthy: 1a2b3c4d5e6f is not there yet". Never Healthy alone while that is so."""
    words = [told.health.word.value]
    if not told.is_there:
        words.insert(0, "OutOfSync" if told.record and not told.unseen else "not in sync as far as is known")
    line = f"{told.application} is {' and '.join(words)}"
    if told.interrupted or told.failed:
        return f"{line}: {told.interrupted or told.failed}"
    if told.wanted and not told.is_there and told.wanted != told.applied:
        there = f"{short(told.applied)} is" if told.applied else "nothing is"
        return f"{line}: {short(told.wanted)} is wanted, and {there} there"
    return line


def next_step(told: Told, *, explained: bool = False) -> str:
    """The command that goes on from here, "" where there is nothing to do; `explained` if `gitops explain` says it."""
    name, record = told.application, told.record
    is_run = record is not None and not told.unseen
    quarantine = told.standing.inventory.quarantine if told.standing else None
    again = f"gitops refresh {name} --sync" if is_run else f"gitops sync {name} -n {told.namespace}"
    if told.unseen:
        return "gitops run (no controller is there)"
    if told.suspended:
        return f"gitops resume {name}"
    if record is not None and record.plan:
        shown = f"gitops diff {name}" if told.standing else "gitops diff -f FILE, the file of the Application"
        return f"{shown}, then gitops approve {name} --plan {record.plan[:12]}"
    if told.interrupted:
        return again
    if quarantine is not None:
        return f"push a commit that mends it, or try it again: {again} --confirm"
    if record is not None and record.problem:
        return f"mend what it says, or look again now: gitops refresh {name}"
    if record is not None and is_run and not told.is_there and record.reason:
        return f"gitops diff {name}; to go on all the same: {again} --confirm"
    if told.health.is_settled and not told.failed:
        return ""
    is_way_back = told.healthy and told.healthy != told.applied
    steps = [
        "" if explained else f"gitops explain {name} -n {told.namespace}",
        f"the way back: gitops rollback {name} -n {told.namespace}" if is_way_back else "",
    ]
    return "; ".join(filter(None, steps)) or "mend it at its source, and sync again"
