"""The root of every error that this project raises on purpose, and the ones about manifests.

The whole tree is drawn in `gitops.model.errors`; only what the lowest floor raises is defined here.
"""


class GitopsError(Exception):
    """Something went wrong in a way that a person can act on: its text says what, where, and what to do."""


class ManifestError(GitopsError):
    """A manifest cannot be read, or breaks a rule; the text starts with `file:line: field: `."""
