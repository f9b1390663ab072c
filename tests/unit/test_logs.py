"""Log lines: written as asked for, and loaded for only when there is one."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import logging, os, sys
os.environ["SSL_CERT_FILE"] = "/somewhere"
os.environ.pop("SSL_CERT_DIR", None)
from gitops import logs
from gitops.adapters.kubernetes import http
logs.set_up(logging.WARNING, as_json=True)
http.log.info("not.this")
assert "structlog" not in sys.modules
assert (os.environ.pop("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")) == ("/somewhere", None)
http.log.warning("but.this", why="it matters")
"""


def test_nothing_is_loaded_for_lines_that_nobody_asked_for():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert '"event": "but.this"' in line
    assert '"level": "warning"' in line
    assert done.stdout == ""


def test_what_a_terminal_would_obey_is_spelled_out():
    script = """
import logging
from gitops import logs
logs.set_up(logging.WARNING, as_json=False)
logs.Log().warning("sync.failed", reason="\\x1b[2K\\rall\\u202ewell", other="a\\nb c", plain="web")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    assert line.isprintable()
    assert r"reason='\x1b[2K\rall\u202ewell'" in line
    assert r"other='a\nb c'" in line
    assert "plain=web" in line


FAULT = """
import logging
from gitops import logs
logs.set_up(logging.WARNING, as_json=AS_JSON)
logs.load()
logs.take_in_others()
import structlog
def fails(password):
    raise KeyError("here")
for log in (structlog.get_logger(), logging.getLogger("library")):
    try:
        fails("hunter2")
    except KeyError:
        log.exception("pass.crashed")
"""


def test_a_fault_is_logged_with_its_traceback_in_json_too():
    script = FAULT.replace("AS_JSON", "True")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    ours, library = map(json.loads, done.stderr.splitlines())
    for line in (ours, library):
        assert line["exception"].startswith("Traceback (most recent call last)")
        assert "in fails" in line["exception"]
    assert (ours["event"], library["text"]) == ("pass.crashed", "pass.crashed")


@pytest.mark.parametrize("as_json", ["True", "False"])
def test_a_traceback_does_not_show_what_variables_held(as_json):
    script = FAULT.replace("AS_JSON", as_json).replace('fails("hunter2")', 'fails("hun" + "ter2")')
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "in fails" in done.stderr
    assert "hunter2" not in done.stderr
