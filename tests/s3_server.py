"""A store of objects for tests, with S3's protocol: signed requests, lists in pages, ETags, regions."""

import hashlib
import hmac
import http.server
import re
from collections.abc import Callable
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

_CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([a-z0-9-]+)/s3/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)


class S3Server(http.server.ThreadingHTTPServer):
    """One bucket, `files`; who has not signed with `key` and `secret` is refused, where these are set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bucket = "delivery"
        self.files: dict[str, bytes] = {}
        self.key = self.secret = ""
        self.region = "us-east-1"
        self.page = 1000
        self.asked: list[str] = []
        self.answer: Callable[[str], tuple[int, bytes] | None] = lambda path: None

    @property
    def address(self) -> str:
        return f"s3://127.0.0.1:{self.server_port}/{self.bucket}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: S3Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)  # whole, where it is asked as a proxy
        bucket, _, key = unquote(parts.path.lstrip("/")).partition("/")
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self.server.asked.append(key or f"list {query.get('prefix', '')}".strip())
        own = self.server.answer(self.path)
        refusal = self._refusal(parts.path, parts.query)
        if own is not None:
            self._send(*own)
        elif refusal:
            self._send(refusal, b"<Error/>", {"x-amz-bucket-region": self.server.region})
        elif bucket != self.server.bucket:
            self._send(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        elif not key:
            self._send(200, self._list(query))
        elif key not in self.server.files:
            self._send(404, b"<Error><Code>NoSuchKey</Code></Error>")
        elif self.headers.get("If-Match") not in (None, f'"{_etag(self.server.files[key])}"'):
            self._send(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        else:
            data = self.server.files[key]
            self._send(200, data, {"ETag": f'"{_etag(data)}"'})

    def _list(self, query: dict[str, str]) -> bytes:
        assert (query["list-type"], query["encoding-type"]) == ("2", "url")
        keys = sorted(key for key in self.server.files if key.startswith(query["prefix"]))
        start = int(query.get("continuation-token") or 0)
        page = keys[start : start + self.server.page]
        items = "".join(
            f"<Contents><Key>{quote(key, safe='/').replace('%20', '+')}</Key>"
            f"<ETag>&quot;{_etag(self.server.files[key])}&quot;</ETag><Size>{len(self.server.files[key])}</Size></Contents>"
            for key in page
        )
        is_cut = start + self.server.page < len(keys)
        more = f"<NextContinuationToken>{start + self.server.page}</NextContinuationToken>" if is_cut else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{escape(self.server.bucket)}</Name><EncodingType>url</EncodingType>"
            f"<IsTruncated>{'true' if is_cut else 'false'}</IsTruncated>{more}{items}</ListBucketResult>"
        ).encode()

    def _refusal(self, path: str, query: str) -> int:
        """The status for a request that is not rightly signed, 0 for one that is."""
        if not self.server.key:
            return 0
        found = _CREDENTIAL.fullmatch(self.headers.get("Authorization") or "")
        if found is None or found[1] != self.server.key:
            return 403
        _, day, region, names, signature = found.groups()
        if region != self.server.region:
            return 400
        signed = "".join(f"{name}:{self.headers[name].strip()}\n" for name in names.split(";"))
        lines = ("GET", path, query, signed, names, self.headers["x-amz-content-sha256"])
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        scope = f"{day}/{region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{self.headers['x-amz-date']}\n{scope}\n{digest}"
        key = ("AWS4" + self.server.secret).encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return 0 if hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == signature else 403

    def _send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


def _etag(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
