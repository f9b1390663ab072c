"""aiohttp, loaded without the system's certificates.

It reads them twice while it is imported (0.05 s), for contexts that nothing here uses: each connection brings its own,
and one that did not would trust nobody.
"""

import os

_PLACES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_before = {name: os.environ.get(name) for name in _PLACES}
os.environ.update(dict.fromkeys(_PLACES, os.devnull))
try:
    import aiohttp
finally:
    for _name, _value in _before.items():
        if _value is None:
            del os.environ[_name]
        else:
            os.environ[_name] = _value

__all__ = ["aiohttp"]
