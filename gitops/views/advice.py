"""How an Application stands in one line, and the command that a person types next."""

from gitops.model.revision import short
from gitops.views.status import ApplicationStatus


def headline(told: ApplicationStatus) -> str:
    """ "gitops/shop is OutOfSync and Healthy: 1a2b3c4d5e6f is not there yet". Never Healthy alone while that is so."""
    words = [told.health.word.value]
    if not told.is_there:
        words.insert(0, "OutOfSync" if told.record and not told.unseen else "not in sync as far as is known")
    line = f"{told.application} is {' and '.join(words)}"
    if said := told.interrupted or told.under_way or told.failed or told.unproven:
        return f"{line}: {said}"
    if told.wanted and not told.is_there and told.wanted != told.applied:
        there = f"{short(told.applied)} is" if told.applied else "nothing is"
        return f"{line}: {short(told.wanted)} is wanted, and {there} there"
    return line


def next_step(told: ApplicationStatus, *, explained: bool = False) -> str:
    """The command that goes on from here, "" where there is nothing to do; `explained` if `gitops explain` says it."""
    name, record = told.application, told.record
    is_run = record is not None and not told.unseen
    quarantine = told.standing.inventory.quarantine if told.standing else None
    again = f"gitops refresh {name} --sync" if is_run else _sync_of(told)
    if told.unseen:
        return "gitops run (no controller is there)"
    if told.suspended:
        return f"gitops resume {name}"
    if record is not None and record.plan:
        shown = f"gitops diff {name}" if told.standing else "gitops diff -f FILE, the file of the Application"
        return f"{shown}, then gitops approve {name} --plan {record.plan[:12]}"
    if told.under_way:
        return ""
    if quarantine is not None:
        return f"push a commit that mends it, or try it again: {again} --confirm"
    if told.interrupted or (told.unproven and not is_run):
        return again
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


def _sync_of(told: ApplicationStatus) -> str:
    """The command that syncs it once more, where no controller runs it; what comes from a folder goes by that."""
    inventory = told.standing.inventory if told.standing else None
    folder = inventory.source.removeprefix("file://") if inventory and told.applied.startswith("files-") else ""
    if folder:
        return f"gitops sync {folder} --name {told.application.rpartition('/')[2]} -n {told.namespace}"
    return f"gitops sync {told.application} -n {told.namespace}"
