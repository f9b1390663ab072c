"""Reads the operator's file of notifications: destinations, and rules that say who is told of what."""

from pathlib import Path

from gitops.engine.notifications import check_settings
from gitops.fields_reader import FieldsReader, file_data
from gitops.manifests.errors import ManifestError
from gitops.manifests.yaml_documents import load_all
from gitops.model.errors import ConfigError
from gitops.model.notification import NotificationSettings


def read_notifications(path: Path) -> NotificationSettings:
    """What the file says. Raises ConfigError with the file, and the line and the field of what is wrong."""
    return notifications_in(path, file_data(path))


def notifications_in(path: Path, data: bytes) -> NotificationSettings:
    """The same of the text of a file. Raises ConfigError."""
    try:
        documents = load_all(data, str(path))
    except ManifestError as exc:
        raise ConfigError(str(exc)) from exc
    if len(documents) != 1:
        raise ConfigError(f"{path}: expected one document, found {len(documents)}")
    settings = FieldsReader(path, data).dataclass(NotificationSettings, documents[0].value, ())
    try:
        check_settings(settings)
    except ConfigError as exc:
        raise ConfigError(f"{path}: {exc}") from None
    return settings
