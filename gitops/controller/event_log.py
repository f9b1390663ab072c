"""Writes what passes do into the log, for who runs the controller with `--verbose`."""

import structlog

from gitops.logs import shortened
from gitops.sync.events import Event, Finished, HealthChanged, Held, PlanMade, Refused, RollingBack, StepStarted, Wrote

log = structlog.get_logger()


def log_event(application: str, event: Event) -> None:
    """One debug line for one event; what ends a sync is logged by the controller itself, at its own level."""
    match event:
        case PlanMade(plan):
            log.debug("pass.planned", application=application, changes=len(plan.changes), plan=plan.id[:12])
        case StepStarted(step):
            log.debug("pass.step", application=application, phase=step.phase.name.lower(), wave=step.wave)
        case Wrote(changed):
            log.debug("pass.wrote", application=application, object=str(changed.key), verb=changed.verb)
        case Refused(failure):
            log.debug(
                "pass.refused", application=application, object=str(failure.key), reason=shortened(failure.reason)
            )
        case HealthChanged(key, health):
            log.debug("pass.health", application=application, object=str(key), health=health.word.value)
        case Held() | RollingBack() | Finished():
            pass
