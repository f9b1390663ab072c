"""The forms of pages: each is an act of the API, asked for by a person who saw what it does."""

from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from gitops.model.errors import GitopsError
from gitops.server.api.operations import Call, Operation
from gitops.server.api.parameters import read_body
from gitops.server.pages.routes import Pages
from gitops.server.problems import Problem, problem_of

_FLAGS: Final = ("confirm", "prune", "keep")
_NUMBERS: Final = ("release", "replicas")


async def carried_out(pages: Pages, request: web.Request, operation: Operation) -> tuple[Call, dict[str, Any]]:
    """Do what a form asks for, if its person may, and our own page sent it; the call and its answer. Raises Problem."""
    call = await pages.call(request)
    call.served.access.check_act(request, call.person, (operation.action,), call.application)
    form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    values = read_body(operation.body or (), _typed(form))
    call.served.access.check_act(request, call.person, operation.actions(values), call.application)
    call = replace(call, values=values)
    try:
        return call, await operation.carry_out(call)
    except GitopsError as exc:
        raise problem_of(exc) from exc


def _typed(form: dict[str, str]) -> dict[str, Any]:
    """A form's fields as the members of a body: it has text only."""
    found: dict[str, Any] = {name: value for name, value in form.items() if value}
    for name in _FLAGS:
        if name in found:
            found[name] = found[name] in ("true", "on")
    for name in _NUMBERS:
        if name in found:
            if not (found[name].isascii() and found[name].isdigit() and len(found[name]) < 10):
                raise Problem(400, "Not understood", f"{name}: expected a whole number")
            found[name] = int(found[name])
    return found
