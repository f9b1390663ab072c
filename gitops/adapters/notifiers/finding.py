"""Where the credentials of a destination are: in the operator's environment, or in a Secret."""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote, urlsplit

from gitops.adapters.notifiers.login import Login, login_in, login_of
from gitops.model.errors import ConfigError
from gitops.model.notification import Place

Entries = Callable[[str, str], dict[str, bytes] | None]


class LoginFinder:
    """`secrets` gives what the environment says of a secretRef, `entries` what a Secret (namespace, name) holds.

    The operator's own are in the namespace `home`; a tenant's are in its Provider's, and never the environment's.
    """

    def __init__(self, secrets: Callable[[str], str], entries: Entries, home: str) -> None:
        self._secrets = secrets
        self._entries = entries
        self._home = home

    def __call__(self, place: Place) -> Login:
        """The credentials of a place, with its address. Raises ConfigError, and SourceError for a silent cluster."""
        login = self._login(place, place.spec.secretRef).with_address(place.spec.url)
        if place.trust_ref:
            login = replace(login, ca=self._login(place, place.trust_ref).ca)
        if place.proxy_ref:
            login = replace(login, proxy=_proxy(self._login(place, place.proxy_ref)))
        return login

    def _login(self, place: Place, reference: str) -> Login:
        if not reference:
            return Login()
        own = "" if place.secrets_in else self._secrets(reference)
        if own:
            return login_in(reference, own)
        namespace = place.secrets_in or self._home
        found = self._entries(namespace, reference) if namespace else None
        if found is None:
            variable = f"set GITOPS_SECRET_{reference.upper().replace('-', '_').replace('.', '_')}, or "
            where = f"make that Secret in the namespace {namespace}" if namespace else "name another one"
            raise ConfigError(
                f"secretRef: {reference} is not known here: {'' if place.secrets_in else variable}{where}"
            )
        return login_of(reference, found)


def _proxy(login: Login) -> str:
    """A proxy's address with its user, as one URL."""
    parts = urlsplit(login.address)
    if not login.username:
        return login.address
    user = f"{quote(login.username, safe='')}:{quote(login.password, safe='')}"
    return parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}").geturl()
