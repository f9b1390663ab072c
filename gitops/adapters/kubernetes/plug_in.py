"""Credential plug-ins of a kubeconfig (`exec`): the library's, with an end to what they print and to their time."""

import json
import subprocess
import sys
from typing import Any

from kubernetes.config.config_exception import ConfigException
from kubernetes.config.exec_provider import ExecProvider

from gitops.adapters.child_process import StoppedError, end, printed
from gitops.bounds import parsed_map


class PlugIn(ExecProvider):
    """Runs one; whoever waits for it has gone before `seconds` are over."""

    seconds = 35.0

    def run(self, previous_response: Any = None) -> Any:
        """The status of the ExecCredential that it prints. Raises ConfigException."""
        is_interactive = sys.stdout.isatty()
        spec: dict[str, Any] = {"interactive": is_interactive}
        if previous_response:
            spec["response"] = previous_response
        if self.cluster:
            spec["cluster"] = self.cluster.value
        asked = {"apiVersion": self.api_version, "kind": "ExecCredential", "spec": spec}
        process = subprocess.Popen(
            self.args,
            stdin=None if is_interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if is_interactive else subprocess.PIPE,
            cwd=self.cwd,
            env={**self.env, "KUBERNETES_EXEC_INFO": json.dumps(asked)},
            start_new_session=not is_interactive,  # who asks a person for something needs the terminal
        )
        try:
            said, complaint = printed(process, self.seconds, lambda: None)
        except StoppedError as exc:
            raise ConfigException(f"exec: {self.args[0]} {exc}") from None
        finally:
            end(process)
        if process.returncode:
            words = complaint.decode(errors="replace").strip()
            raise ConfigException(f"exec: process returned {process.returncode}" + (f". {words}" if words else ""))
        return self._status(said)

    def _status(self, said: bytes) -> Any:
        try:
            answer = parsed_map(said)
        except ValueError as exc:  # which does not tell what was printed
            raise ConfigException(f"exec: {self.args[0]} printed no ExecCredential ({exc})") from None
        if answer.get("apiVersion") != self.api_version or not isinstance(answer.get("status"), dict):
            raise ConfigException(f"exec: {self.args[0]} printed no ExecCredential of {self.api_version}")
        return answer["status"]
