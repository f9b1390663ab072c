"""How an Application stands in one line, and the command that a person types next."""

from gitops.controller.told import Told
from gitops.model.revision import short


def headline(told: Told) -> str:
    """ "gitops/shop is OutOfSync and Healthy: 1a2b3c4d5e6f is not there yet". Never Healthy alone while that is so."""
    words = [told.health.word.value]
    if not told.is_there:
        words.insert(0, "OutOfSync" if told.record and not told.unseen else "not known to be in sync")
    line = f"{told.application} is {' and '.join(words)}"
    if told.interrupted:
        return f"{line}: {told.interrupted}"
    if told.wanted and not told.is_there and told.wanted != told.applied:
        there = f"{short(told.applied)} is" if told.applied else "nothing is"
        return f"{line}: {short(told.wanted)} is wanted, and {there} there"
    return line


def next_step(told: Told) -> str:
    """The command that goes on from here, "" where there is nothing to do."""
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
    if not told.health.is_settled:
        return f"gitops explain {name} -n {told.namespace}; the way back: gitops rollback {name} -n {told.namespace}"
    return ""
