"""The names of what can be told of an Application; `gitops.model.notification` says what each means."""

from typing import Literal

Fact = Literal[
    "started",
    "synced",
    "unchanged",
    "failed",
    "rolled-back",
    "rollback-failed",
    "overtaken",
    "terminated",
    "held",
    "approval",
    "drifted",
    "degraded",
    "healthy",
    "source-failed",
    "source-recovered",
    "error",
    "error-over",
    "suspended",
    "resumed",
    "approved",
    "deleted",
    "delete-failed",
    "tests-passed",
    "tests-failed",
]
