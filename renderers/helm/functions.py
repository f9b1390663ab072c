"""All functions that a chart's templates may call, one table."""

from collections.abc import Callable
from datetime import datetime
from functools import cache

from renderers.helm.circumstances import current
from renderers.helm.functions_crypto import CRYPTO
from renderers.helm.functions_dates import date_functions
from renderers.helm.functions_dicts import DICTS
from renderers.helm.functions_encoding import ENCODING
from renderers.helm.functions_lists import LISTS
from renderers.helm.functions_math import MATH
from renderers.helm.functions_paths import PATHS
from renderers.helm.functions_random import RANDOM
from renderers.helm.functions_regex import REGEX
from renderers.helm.functions_strings import STRINGS
from renderers.helm.functions_templates import template_functions
from renderers.helm.gotemplate.builtins import BUILTINS
from renderers.helm.gotemplate.templates import FunctionTable
from renderers.helm.semver import SEMVER


def _now() -> datetime:
    return current().now()


@cache
def function_table(clock: Callable[[], datetime] = _now) -> FunctionTable:
    """The table, made once; `clock` gives the time of `now`."""
    table = FunctionTable()
    parts = (BUILTINS, CRYPTO, DICTS, ENCODING, LISTS, MATH, PATHS, RANDOM, REGEX, SEMVER, STRINGS)
    for part in (*parts, date_functions(clock), template_functions(table)):
        table.update(part)
    return table
