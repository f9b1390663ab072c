"""A small OpenID provider over HTTP, for tests: discovery, keys, a page with a button that lets in, and tokens."""

import base64
import hashlib
import html
import json
import secrets
import threading
import time
import urllib.parse
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CLIENT, SECRET = "gitops", "s3cret-canary:&"
ADA = {"sub": "1", "email": "ada@example.com", "email_verified": True, "groups": ["shop-team"]}


class Provider:
    """`claims` are what the next token says beside what it has to; `sign` makes it."""

    def __init__(self, port):
        self.issuer = f"http://127.0.0.1:{port}/realm"
        self.keys = {"rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
        self.keys["ec"] = ec.generate_private_key(ec.SECP256R1())
        self.published = ["rsa", "ec"]
        self.claims = dict(ADA)
        self.metadata = {}
        self.sign = self.signed
        self.codes = {}
        self.asked = []

    def signed(self, claims, key="rsa", algorithm="RS256", **headers):
        return jwt.encode(claims, self.keys[key], algorithm, headers={"kid": key, **headers})

    def document(self):
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "scopes_supported": ["openid", "email", "groups"],
            **self.metadata,
        }

    def jwks(self):
        found = []
        for name in self.published:
            algorithm = jwt.algorithms.RSAAlgorithm if name.startswith("rsa") else jwt.algorithms.ECAlgorithm
            found.append({**algorithm.to_jwk(self.keys[name].public_key(), as_dict=True), "kid": name, "use": "sig"})
        return {"keys": found}

    def authorize(self, address):
        """What a browser does that follows the address to us, where the person is let in: where it goes back to."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
        assert address.startswith(f"{self.issuer}/authorize?")
        return self.way_back(query)

    def way_back(self, query):
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        back = {"code": code, "state": query["state"], "iss": self.issuer}
        return f"{urllib.parse.urlsplit(query['redirect_uri']).path}?{urllib.parse.urlencode(back)}"

    def page(self, address):
        """What a person sees who is sent to us by a browser: who they are here, and the way back with that."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
        home = urllib.parse.urlsplit(query["redirect_uri"])
        way = html.escape(f"{home.scheme}://{home.netloc}{self.way_back(query)}")
        head = "<title>Provider</title><link rel='icon' href='data:,'>"
        return f"{head}<a href='{way}'>Continue as {self.claims['email']}</a>"

    def token(self, form, authorization):
        query = self.codes.pop(form["code"], None)
        kind, _, given = authorization.partition(" ")
        name, _, secret = base64.b64decode(given).decode().partition(":")
        known = (kind, urllib.parse.unquote_plus(name), urllib.parse.unquote_plus(secret))
        verifier = hashlib.sha256(form["code_verifier"].encode()).digest()
        if (
            query is None
            or known != ("Basic", CLIENT, SECRET)
            or base64.urlsafe_b64encode(verifier).decode().rstrip("=") != query["code_challenge"]
            or form["redirect_uri"] != query["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        own = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": query["nonce"]}
        claims = {name: value for name, value in {**own, **self.claims}.items() if value is not None}
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.sign(claims)}


@contextmanager
def identity_provider():
    """A provider that runs on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            provider.asked.append(self.path)
            if self.path.startswith("/realm/authorize?"):
                return self.answer(200, provider.page(self.path), "text/html")
            answers = {"/realm/.well-known/openid-configuration": provider.document, "/realm/keys": provider.jwks}
            return self.answer(200, answers[self.path]())

        def do_POST(self):
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = dict(urllib.parse.parse_qsl(text))
            self.answer(*provider.token(form, self.headers.get("Authorization", "")))

        def answer(self, status, data, kind="application/json"):
            body = data.encode() if kind == "text/html" else json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
