"""Where the controller's HTTP listens, and who may read there and act."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gitops.model.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Listening:
    """`address` is HOST:PORT (":8080" for every address), "" for nowhere.

    `tokens` is the file of those who may come in, `anyone_reads` when reading needs none. `policy` is the file of what
    they may, `default_role` what everyone has whom no token's scope gives a role. With `kubernetes_audience` the
    cluster is asked whose any other token is, which has to be for that audience.
    """

    address: str = ""
    tokens: Path | None = None
    anyone_reads: bool = False
    policy: Path | None = None
    default_role: str = ""
    kubernetes_audience: str = ""

    def place(self) -> tuple[str, int]:
        """The host ("" for every one) and the port. Raises ConfigError."""
        host, _, port = self.address.rpartition(":")
        if not (port.isascii() and port.isdigit()) or int(port) > 65535:
            raise ConfigError(f"--listen: expected HOST:PORT, got {self.address!r}")
        return host.strip("[]"), int(port)


NOWHERE: Final = Listening()
