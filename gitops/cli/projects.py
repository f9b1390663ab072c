"""What projects permit, for what a person does without a controller: by the same file, held against in the same way.

It keeps a pipeline from what its Applications may not; a person who leaves the option out has what the cluster allows.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitops.model.application import Application

if TYPE_CHECKING:
    from gitops.sync.context import About

projects_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--projects",
    default="",
    envvar="GITOPS_PROJECTS",
    metavar="FILE",
    help="Hold what the projects of FILE do not permit, as a controller would.",
)


def with_projects(about: "About", file: str, context: str, home: str) -> "About":
    """The same with what the projects in `file` permit, at the `context` that was given ("" for none).

    An Application of no cluster is one of the controller's own, whose namespace is `home`. Raises ConfigError.
    """
    if not file:
        return about
    from gitops.controller.followed_file import FollowedFile
    from gitops.controller.projects import Projects
    from gitops.project_file import read_projects
    from gitops.server.auth.policy import why_no_roles

    found = FollowedFile(Path(file), partial(read_projects, check_roles=why_no_roles), lambda *_: None)
    projects = Projects(found, home=home)

    def at(app: Application) -> Application:
        return replace(app, destination=replace(app.destination, cluster=context)) if context else app

    return replace(about, project=lambda app: projects.limits(at(app)), refused=lambda app: projects.refused(at(app)))
