"""The page of a commit at its Git host, for the hosts whose addresses are known."""

import re
from typing import Final

_FORMS: Final = {
    **dict.fromkeys(("github.com", "codeberg.org", "gitea.com"), "commit"),
    "gitlab.com": "-/commit",
    "bitbucket.org": "commits",
}
_COMMIT: Final = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_NAME: Final = r"(?!\.{1,2}(?:/|$))[\w.~-]+"
_ADDRESS: Final = re.compile(
    rf"(?:https://|ssh://git@|git@)({'|'.join(map(re.escape, _FORMS))})[:/]({_NAME}(?:/{_NAME})+?)/?(?://.*)?",
    re.ASCII,
)


def commit_link(source: str, revision: str) -> str:
    """The address of a commit's page, "" where the host is another one or the revision is no commit.

    `source` is a repository's address, which a path in it may follow (`https://github.com/acme/shop//apps`).
    """
    found = _ADDRESS.fullmatch(source)
    if found is None or not _COMMIT.fullmatch(revision):
        return ""
    host, path = found.groups()
    return f"https://{host}/{path.removesuffix('.git')}/{_FORMS[host]}/{revision}"
