"""All functions that a chart's templates may call, one table."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Final

from renderers.helm.circumstances import current
from renderers.helm.functions_dicts import DICTS
from renderers.helm.functions_encoding import ENCODING
from renderers.helm.functions_lists import LISTS
from renderers.helm.functions_math import MATH
from renderers.helm.functions_paths import PATHS
from renderers.helm.functions_regex import REGEX
from renderers.helm.functions_strings import STRINGS
from renderers.helm.functions_templates import template_functions
from renderers.helm.gotemplate.builtins import BUILTINS
from renderers.helm.gotemplate.templates import FunctionTable
from renderers.helm.gotemplate.values import Function
from renderers.helm.semver import SEMVER

if TYPE_CHECKING:
    from datetime import datetime

# Tables that few charts need, and what is in each: loaded when a template calls one of them.
SELDOM: Final = {
    ("functions_crypto", "CRYPTO"): (
        "bcrypt buildCustomCert decryptAES derivePassword encryptAES genCA genCAWithKey genPrivateKey "
        "genSelfSignedCert genSelfSignedCertWithKey genSignedCert genSignedCertWithKey htpasswd"
    ),
    ("functions_random", "RANDOM"): "randAlpha randAlphaNum randAscii randBytes randInt randNumeric shuffle uuidv4",
    ("functions_toml", "TOML"): "fromToml toToml",
    ("functions_urls", "URLS"): "urlJoin urlParse",
}
DATES: Final = (
    "ago date dateInZone dateModify date_in_zone date_modify duration durationRound htmlDate htmlDateInZone "
    "mustDateModify mustToDate must_date_modify now toDate unixEpoch"
)


def _now() -> "datetime":
    return current().now()


@cache
def function_table(clock: "Callable[[], datetime]" = _now) -> FunctionTable:
    """The table, made once; `clock` gives the time of `now`."""
    table = FunctionTable()
    for part in (BUILTINS, DICTS, ENCODING, LISTS, MATH, PATHS, REGEX, SEMVER, STRINGS, template_functions(table)):
        table.update(part)
    for (module, name), names in SELDOM.items():
        table.add_later(names.split(), partial(_loaded, module, name))
    table.add_later(DATES.split(), partial(_dates, clock))
    return table


def _loaded(module: str, name: str) -> Mapping[str, Function]:
    found: Mapping[str, Function] = getattr(import_module(f"renderers.helm.{module}"), name)
    return found


def _dates(clock: "Callable[[], datetime]") -> Mapping[str, Function]:
    from renderers.helm.functions_dates import date_functions

    return date_functions(clock)
