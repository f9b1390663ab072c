"""The `gitops` command: options before the command, and the commands, each imported only when it is called."""

import difflib
import importlib
import os

import click

from gitops import __version__
from gitops.cli.settings import Settings

# command → (module, attribute, help); help is here so that `gitops --help` imports none of them
_COMMANDS = {
    "render": ("gitops.cli.render", "render", "Print the desired state."),
    "diff": ("gitops.cli.diff", "diff", "Show what a sync would change, field by field."),
    "preview": ("gitops.cli.preview", "preview", "Show what a branch changes, for a pull request; no cluster needed."),
    "sync": ("gitops.cli.sync", "sync", "Make the cluster follow: plan, apply, wait, roll back on failure."),
    "run": ("gitops.cli.run", "run", "Run the controller: commits in, converged clusters out."),
    "status": ("gitops.cli.status", "status", "Show where Applications stand."),
    "wait": ("gitops.cli.wait", "wait", "Wait until one revision is synced and healthy, or has failed."),
    "drift": ("gitops.cli.inspect", "drift", "Show how live state left what was synced, and who did it."),
    "explain": ("gitops.cli.inspect", "explain", "Say why an Application is not healthy, down to the container."),
    "history": ("gitops.cli.history", "history", "List the healthy releases of an Application."),
    "rollback": ("gitops.cli.rollback", "rollback", "Go back to an earlier release."),
    "test": ("gitops.cli.test", "test", "Run an Application's tests."),
    "suspend": ("gitops.cli.acts", "suspend", "Stop the controller from changing an Application."),
    "resume": ("gitops.cli.acts", "resume", "Let the controller run an Application again."),
    "approve": ("gitops.cli.acts", "approve", "Let the controller carry out one plan."),
    "refresh": ("gitops.cli.acts", "refresh", "Have the controller look again now, or sync with --sync."),
    "terminate": ("gitops.cli.acts", "terminate", "End the sync that is under way."),
    "delete": ("gitops.cli.delete", "delete", "Delete an Application and what it owns."),
    "audit": ("gitops.cli.audit", "audit", "List, verify or export the audit log."),
    "token": ("gitops.cli.token", "token", "Make a token for the page and the API."),
    "login": ("gitops.cli.login", "login", "Log in to a controller, for --server."),
    "logout": ("gitops.cli.login", "logout", "Forget the token of a controller."),
    "notify": ("gitops.cli.notify", "notify", "List whom the controller tells, and send a test."),
    "policy": ("gitops.cli.policy", "policy", "Check manifests against policies; no cluster needed."),
    "import": ("gitops.cli.import_", "import_", "Make Applications of another tool's objects."),
    "takeover": ("gitops.cli.takeover", "takeover", "Take over what another tool delivers in a cluster."),
    "sandbox": ("gitops.cli.sandbox", "sandbox", "Run an embedded Kubernetes cluster."),
    "demo": ("gitops.cli.demo", "demo", "Watch a push become a rollout, a drift undone, a bad commit rolled back."),
    "completion": ("gitops.cli.completion", "completion", "Print what makes a shell complete gitops' commands."),
    "version": ("gitops.cli.version", "version", "Print the version."),
}


# What those type who come from other tools.
_OTHERS = {
    "apply": "sync",
    "plan": "diff",
    "template": "render",
    "build": "render",
    "get": "status",
    "list": "status",
    "app": "status",
    "reconcile": "refresh",
    "undo": "rollback",
    "terminate-op": "terminate",
    "abort": "terminate",
    "uninstall": "delete",
    "log": "audit",
    "controller": "run",
}

# Options before the command that people also write after it, as they do with kubectl; True: takes a value.
_ANYWHERE = {
    "--context": True,
    "--kubeconfig": True,
    "--state": True,
    "--store": True,
    "--log-format": True,
    "--color": True,
    "--server": True,
    "-v": False,
    "-vv": False,
    "--verbose": False,
}


def _hoisted(arguments: list[str]) -> list[str]:
    """`sync . -v --context c` → `-v --context c sync .`; what stands after `--` stays where it is."""
    first: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in _ANYWHERE:
            first += [word, *([next(words, "")] if _ANYWHERE[word] else [])]
        elif word.partition("=")[0] in _ANYWHERE:
            first.append(word)
        else:
            rest.append(word)
    return first + rest


class _LazyGroup(click.Group):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _hoisted(args))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            near = difflib.get_close_matches(cmd_name, [*_COMMANDS, *_OTHERS], 1)
            meant = _OTHERS.get(near[0], near[0]) if near else ""
            hint = f" Did you mean {meant!r}?" if meant else " gitops --help lists them."
            ctx.fail(f"No such command {cmd_name!r}.{hint}")
        module, attribute, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        if not ctx.params.get("server"):
            return command
        from gitops.cli.remote.through import through_server

        return through_server(cmd_name, command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--context", default="", metavar="NAME", help="Context of the kubeconfig (default: its current one).")
@click.option("--kubeconfig", default="", metavar="FILE", help="Default: $KUBECONFIG, else ~/.kube/config.")
@click.option("--state", default="", envvar="GITOPS_STATE", metavar="DIR", help="Default: ~/.local/state/gitops.")
@click.option(
    "--store", default="", envvar="GITOPS_STORE", metavar="URL", help="postgresql://… in place of the state folder."
)
@click.option("--log-format", type=click.Choice(["console", "json"]), default="console", show_default=True)
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="auto: on a terminal, unless NO_COLOR is set.",
)
@click.option(
    "--server",
    default="",
    envvar="GITOPS_SERVER",
    metavar="URL",
    help="Ask and act through the API of a controller; `last`: the one that you logged in to last.",
)
@click.version_option(__version__, "--version", message="gitops %(version)s")
@click.option("-v", "--verbose", count=True, help="Show every fact and every request to the cluster.")
@click.pass_context
def main(
    ctx: click.Context,
    context: str,
    kubeconfig: str,
    state: str,
    store: str,
    log_format: str,
    color: str,
    verbose: int,
    server: str,
) -> None:
    """GitOps continuous delivery for Kubernetes: exact plans, safe applies, honest rollback."""
    if color != "auto":  # what draws progress goes by the environment
        os.environ.pop("NO_COLOR", None)
        os.environ["FORCE_COLOR" if color == "always" else "NO_COLOR"] = "1"
    if color == "always" or os.environ.get("NO_COLOR"):
        ctx.color = color == "always"
    ctx.obj = Settings(kubeconfig, context, state, log_format, verbose, store, server)
