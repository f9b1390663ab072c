"""AWS Signature Version 4 for requests without a body to stores of objects, in the headers of the request."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlsplit

_NOTHING: Final = hashlib.sha256(b"").hexdigest()
_SAFE: Final = "-_.~"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """Who asks, and the secret that proves it."""

    id: str
    secret: str = field(repr=False)


def encoded_path(path: str) -> str:
    """A path as it is asked for, and signed."""
    return quote(path, safe=f"/{_SAFE}")


def encoded_query(query: Mapping[str, str]) -> str:
    """A query as it is asked for, and signed: by name."""
    return "&".join(f"{quote(name, safe=_SAFE)}={quote(text, safe=_SAFE)}" for name, text in sorted(query.items()))


def signed_headers(url: str, key: AccessKey, region: str, now: datetime) -> dict[str, str]:
    """The headers that sign a GET of `url`, which is encoded as above; `now` is in UTC."""
    parts = urlsplit(url)
    at, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers = {"host": parts.netloc, "x-amz-content-sha256": _NOTHING, "x-amz-date": at}
    names = ";".join(headers)
    lines = [f"{name}:{text}\n" for name, text in headers.items()]
    request = "\n".join(("GET", parts.path or "/", parts.query, "".join(lines), names, _NOTHING))
    scope = f"{day}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    derived = f"AWS4{key.secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        derived = hmac.digest(derived, part.encode(), "sha256")
    signature = hmac.new(derived, text.encode(), "sha256").hexdigest()
    del headers["host"]  # the request has it anyway
    authorization = f"AWS4-HMAC-SHA256 Credential={key.id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "Authorization": authorization}
