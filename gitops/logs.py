"""Lines for people and collectors, by structlog: one fact each, as keyword arguments.

Nothing is loaded before a line is written: most commands write none, and structlog takes 0.1 s to load.
"""

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(slots=True)
class _SetUp:
    level: int = logging.WARNING
    as_json: bool = False
    logger: Any = None  # structlog's, once a line was written


_now = _SetUp()


def set_up(level: int, *, as_json: bool) -> None:
    """What is written from now on, to stderr: lines of `level` (as `logging` counts) and above."""
    _now.level, _now.as_json, _now.logger = level, as_json, None


def load() -> None:
    """Make structlog itself write as `set_up` says."""
    import structlog

    if _now.logger is not None:
        return
    renderer: Any
    if _now.as_json:
        renderer = structlog.processors.JSONRenderer(_encoded)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            pad_event_to=20,
            # The one that is taken by itself where rich is installed shows local variables, which may hold secrets.
            exception_formatter=structlog.dev.plain_traceback,
        )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *((structlog.processors.format_exc_info,) if _now.as_json else (_quoted,)),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_now.level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _now.logger = structlog.get_logger().bind()


@cache
def _encoder(default: Callable[[Any], Any]) -> json.JSONEncoder:
    return json.JSONEncoder(default=default)


def _encoded(line: Any, default: Callable[[Any], Any]) -> str:
    """As `json.dumps`, which makes an encoder for each line."""
    return _encoder(default).encode(line)


class _Quoted:
    """Text that is always written with quotes, so with its control characters spelled out."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return repr(self._text)


def _quoted(_: Any, __: str, facts: Any) -> Any:
    """Text from Git or a cluster may hold what a terminal would obey."""
    return {
        name: _Quoted(fact) if isinstance(fact, str) and name != "event" and not fact.isprintable() else fact
        for name, fact in facts.items()
    }


class Log:
    """What a module writes its lines with."""

    def debug(self, event: str, **facts: Any) -> None:
        _write(logging.DEBUG, event, facts)

    def info(self, event: str, **facts: Any) -> None:
        _write(logging.INFO, event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        _write(logging.WARNING, event, facts)

    def error(self, event: str, **facts: Any) -> None:
        _write(logging.ERROR, event, facts)

    def at(self, level: int, event: str, **facts: Any) -> None:
        _write(level, event, facts)


class Trouble:
    """Something that may be wrong for long: one line when it begins, and one when it is over."""

    def __init__(self, log: Any, begins: str, ends: str, **facts: Any) -> None:
        self._log, self._begins, self._ends, self._facts = log, begins, ends, facts
        self.lasts = False

    def is_there(self, error: object) -> None:
        if not self.lasts:
            self._log.warning(self._begins, **self._facts, error=str(error))
        self.lasts = True

    def is_over(self) -> None:
        if self.lasts:
            self._log.info(self._ends, **self._facts)
        self.lasts = False


def shortened(text: str, most: int = 500, parts: int = 3) -> str:
    """A reason as it fits a line: of what "; " joins the first few, and how many more there are."""
    found = text.split("; ")
    rest = f"; and {len(found) - parts} more" if len(found) > parts else ""
    some = "; ".join(found[:parts])
    return (some if len(some) <= most else some[:most] + "...") + rest


def take_in_others() -> None:
    """Have what libraries log by Python's own logging written in our format too; warnings and above."""
    import structlog

    class Forwarded(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            fault = {"exc_info": record.exc_info} if record.exc_info else {}
            structlog.get_logger().log(
                record.levelno, "library.said", library=record.name, text=record.getMessage(), **fault
            )

    logging.basicConfig(handlers=[Forwarded(logging.WARNING)], force=True)


def _write(level: int, event: str, facts: dict[str, Any]) -> None:
    if level < _now.level:
        return
    load()
    _now.logger.log(level, event, **facts)
