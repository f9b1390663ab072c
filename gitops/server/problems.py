"""What went wrong, as RFC 9457 has it: a status, a title, and a sentence that says what to do."""

from typing import Any, Final

from gitops.model.errors import (
    ApiError,
    AwayError,
    ConfigError,
    GitopsError,
    HeldError,
    ManifestError,
    RenderError,
    SourceError,
    StoreError,
    UnreachableError,
)

CONTENT_TYPE: Final = "application/problem+json"
_MOST_TEXT: Final = 4000
_STATUSES: Final[tuple[tuple[type[GitopsError], int, str], ...]] = (
    (AwayError, 503, "An API group of its cluster does not answer"),
    (UnreachableError, 503, "Its cluster does not answer"),
    (ApiError, 502, "Its cluster refused"),
    (HeldError, 409, "Held"),
    (SourceError, 409, "Its source cannot be read"),
    (RenderError, 409, "It cannot be rendered"),
    (ManifestError, 409, "A manifest is wrong"),
    (ConfigError, 409, "Not as it stands"),
    (StoreError, 503, "Our own records cannot be read"),
)


class Problem(Exception):
    """An answer that is no success; `headers` go with it."""

    def __init__(self, status: int, title: str, detail: str = "", **headers: str) -> None:
        super().__init__(detail or title)
        self.status = status
        self.title = title
        self.detail = detail[:_MOST_TEXT]
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def body(self) -> dict[str, Any]:
        return {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}


def _is_another(error: ApiError) -> bool:
    """Whether another object has the name now, or it is another version: to a patch, a uid is a field like others."""
    return error.code == 409 or any(cause.get("field") == "metadata.uid" for cause in error.causes)


def problem_of(error: GitopsError) -> Problem:
    """What one of our own errors is to a client."""
    if isinstance(error, ApiError) and _is_another(error):
        return Problem(409, "It has changed meanwhile", f"{error}; look at it again")
    for kind, status, title in _STATUSES:
        if isinstance(error, kind):
            return Problem(status, title, str(error))
    return Problem(502, "It could not be done", str(error))
