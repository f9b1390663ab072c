"""The controller's HTTP: probes, numbers for Prometheus, the API and the page."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gitops.controller.app import Controller
from gitops.model.errors import ConfigError
from gitops.server.api.operations import Served
from gitops.server.api.routes import routes
from gitops.server.api.stream import Streams
from gitops.server.auth.access import Access
from gitops.server.auth.decisions import Decisions, Projects
from gitops.server.auth.kubernetes_tokens import KubernetesTokens, Review
from gitops.server.auth.oidc import Oidc, Provider
from gitops.server.auth.policy import ROLE
from gitops.server.auth.policy_file import PolicyFile
from gitops.server.auth.sessions import Sessions
from gitops.server.auth.tokens import TokenFile
from gitops.server.doors import BACKLOG, Doors, most_connections, watched
from gitops.server.listening import Listening, is_loopback
from gitops.server.metrics import Numbers
from gitops.server.overview import Overview
from gitops.server.pages import application as application_page
from gitops.server.pages import applications, audit, compare, objects, places, projects, signin, waiting
from gitops.server.pages.render import Renderer
from gitops.server.pages.routes import Pages, static_routes
from gitops.server.proofs import Proofs
from gitops.server.shield import acting, add_headers, shield
from gitops.server.webhooks.routes import Webhooks

log = structlog.get_logger()
_METRICS_SHARE = 0.1
_PLANS = 4
_MOST_BODY = 64 * 1024


@dataclass(frozen=True, slots=True)
class Outside:
    """Who else says who people are: `review` asks the cluster whose a token is, `provider` signs people in."""

    review: Review | None = None
    provider: Provider | None = None


async def serve(
    controller: Controller, listening: Listening, version: str, hooks: Webhooks, outside: Outside | None = None
) -> None:
    """Serve until cancelled; `outside` says who people are that no token of ours names.

    Raises ConfigError where it cannot listen, or a file of tokens cannot be read.
    """
    host, port = listening.place()
    streams: list[Streams] = []
    app = application(controller, access_of(controller, listening, outside or Outside()), version, streams.append)
    app.add_routes(hooks.routes())
    runner = web.AppRunner(app)
    await runner.setup()
    assert runner.server is not None
    doors = Doors(runner.server, most_connections())
    server = None
    try:
        try:
            loop = asyncio.get_running_loop()
            server = await loop.create_server(doors.make, host or None, port, backlog=BACKLOG)
        except OSError as exc:
            raise ConfigError(f"--listen {listening.address}: {exc.strerror}") from exc
        at = server.sockets[0].getsockname()
        log.info("http.listening", address=listening.address, port=at[1])
        await asyncio.Event().wait()
    finally:
        if server is not None:
            server.close()
        for stream in streams:
            await stream.close()
        await runner.cleanup()


def access_of(controller: Controller, listening: Listening, outside: Outside) -> Access:
    """Who may read and act: without tokens only who is on this machine reads, unless anyone may. Raises ConfigError."""
    tokens = None if listening.tokens is None else TokenFile(listening.tokens)
    if tokens is not None:
        tokens.check()
    policies = PolicyFile(listening.policy)
    policies.check()
    role = listening.default_role
    if role and not (role.startswith(ROLE) and role in policies.policy.rules):
        raise ConfigError(f"--default-role {role}: there is no such role (there are role:viewer, role:operator, …)")
    now, audience, review = controller.clock.now, listening.kubernetes_audience, outside.review
    kubernetes = KubernetesTokens(review, audience, now) if audience and review is not None else None
    oidc = _oidc(controller, listening, outside.provider)
    is_alone = tokens is None and kubernetes is None and oidc is None
    only_here = is_alone and not listening.anyone_reads and is_loopback(listening.place()[0])
    anyone_reads = listening.anyone_reads or only_here
    decisions = Decisions(policies, role, _projects_of(controller))
    return Access(tokens, now, anyone_reads, only_here, decisions, kubernetes, oidc)


def _projects_of(controller: Controller) -> Projects:
    projects = controller.projects

    def in_project(application: str) -> tuple[str, ...] | None:
        state = controller.index.get(application)
        return None if state is None else projects.names_in(state.app)

    return Projects(lambda: projects.number, lambda: list(projects.all.values()), in_project)


def _oidc(controller: Controller, listening: Listening, provider: Provider | None) -> Oidc | None:
    settings = listening.oidc
    if settings is None or provider is None:
        return None
    settings.check()
    sessions = Sessions(controller.store.seal, f"{settings.issuer} {settings.client_id}", controller.clock.now)
    return Oidc(settings, provider, sessions)


def application(
    controller: Controller, access: Access, version: str, opened: Callable[[Streams], None] = lambda _: None
) -> web.Application:
    """The routes: probes and numbers for everyone who gets at us, the API and the page for who may read.

    `opened` is given what keeps the streams.
    """
    overview = Overview(controller)
    served = Served(overview, access, Proofs(overview), asyncio.Semaphore(_PLANS))
    pages = Pages(served, Renderer(controller.clock.now, version))
    streams = Streams(overview)
    opened(streams)
    forgetting = acting(pages.shared_pages.forget)
    app = web.Application(middlewares=[watched, shield(pages.error), forgetting], client_max_size=_MOST_BODY)
    app.on_response_prepare.append(add_headers)
    app.add_routes(_probes(controller))
    app.add_routes(routes(served, streams, version))
    app.add_routes(static_routes())
    parts = (applications.routes, application_page.routes, objects.routes, compare.routes, audit.routes)
    for add in (*parts, waiting.routes, places.routes, projects.routes, signin.routes):
        app.add_routes(add(pages))
    return app


def _probes(controller: Controller) -> list[web.RouteDef]:
    registry = CollectorRegistry()
    registry.register(Numbers(controller))

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if controller.is_ready else web.Response(status=503, text="starting\n")

    last, good_until = b"", 0.0

    async def metrics(_: web.Request) -> web.Response:
        nonlocal last, good_until
        began = time.monotonic()
        if began >= good_until:
            last = generate_latest(registry)
            # Who asks all the time gets no more than a share of the loop that everything runs on.
            good_until = time.monotonic() + (time.monotonic() - began) / _METRICS_SHARE
        return web.Response(body=last, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]
