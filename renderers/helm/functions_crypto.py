"""Functions of keys, certificates, passwords and ciphers, as sprig 3 has them; imported work is done when called."""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import string
import struct
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final, NamedTuple

from renderers.helm.circumstances import Stream, current
from renderers.helm.functions_encoding import base64_decode
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import Function, GoObject, Struct, as_bytes, as_text, function
from renderers.helm.gotemplate.work import spend
from renderers.helm.seeded_keys import dsa_key, ecdsa_key, ed25519_key, rsa_key

# Units of work: a key takes as long as millions of characters.
_RSA: Final = 5_000_000
_MOST_DAYS: Final = 365 * 7000


def _certificate(cert: str, key: str) -> Struct:
    return Struct("sprig.certificate", {"Cert": cert, "Key": key})


def _new_rsa(bits: int, stream: Stream) -> Any:
    spend(_RSA if bits <= 2048 else 6 * _RSA)
    return rsa_key(bits, stream)


def _pem_of(key: Any) -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    is_pkcs8 = isinstance(key, ed25519.Ed25519PrivateKey)
    form = serialization.PrivateFormat.PKCS8 if is_pkcs8 else serialization.PrivateFormat.TraditionalOpenSSL
    encoded: bytes = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return encoded.decode()


def _private_key(kind: str) -> str:
    stream = current().stream("genPrivateKey")
    match kind:
        case "" | "rsa":
            return _pem_of(_new_rsa(4096, stream))
        case "dsa":
            spend(20 * _RSA)
            return _pem_of(dsa_key(stream))
        case "ecdsa":
            return _pem_of(ecdsa_key(stream))
        case "ed25519":
            return _pem_of(ed25519_key(stream))
    return f"Unknown type {kind}"


def _read_key(pem: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    if "-----BEGIN" not in pem:
        raise FunctionError("no PEM data in input")
    try:
        return serialization.load_pem_private_key(as_bytes(pem), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise FunctionError("the private key in the PEM data cannot be read") from None


def _read_certificate(pem: str) -> Any:
    from cryptography import x509

    if "-----BEGIN" not in pem:
        raise FunctionError("unable to decode certificate")
    try:
        return x509.load_pem_x509_certificate(as_bytes(pem))
    except ValueError:
        raise FunctionError("error parsing certificate: its data cannot be read") from None


def _names(ips: list[Any], alternates: list[Any]) -> list[Any]:
    from cryptography import x509

    found: list[Any] = []
    for name in alternates:
        if not isinstance(name, str):
            raise FunctionError(f"error processing alternate dns name: {name} is not a string")
        if not name.isascii():
            raise FunctionError(f'error creating certificate: x509: "{name}" cannot be encoded as an IA5String')
        found.append(x509.DNSName(name))
    for ip in ips:
        if not isinstance(ip, str):
            raise FunctionError(f"error parsing ip: {ip} is not a string")
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(ip)))
        except ValueError:
            raise FunctionError(f"error parsing ip: {ip}") from None
    return found


class _Wanted(NamedTuple):
    """A certificate: of an authority where `names` is None, signed by itself where there is no `issuer`.

    What is drawn by chance comes from `stream`.
    """

    common_name: str
    days: int
    stream: Stream
    names: list[Any] | None = None
    issuer: Any = None
    signer: Any = None


def _signed(wanted: _Wanted, key: Any, function: str) -> str:
    """The certificate in PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    days, issuer = wanted.days, wanted.issuer
    if not -_MOST_DAYS < days < _MOST_DAYS:
        raise FunctionError(f"a certificate cannot be valid for {days} days")
    subject = _subject(wanted.common_name)
    now = current().now(function)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number((int.from_bytes(wanted.stream.take(16), "big") >> 1) + 1)
        .not_valid_before(min(now, now + timedelta(days=days)))
        .not_valid_after(max(now, now + timedelta(days=days)))
    )
    for extension, critical in _extensions(key, wanted.names, wanted.signer):
        # A name of the subject's own is enough for who does not know the alternative ones.
        is_only_name = isinstance(extension, x509.SubjectAlternativeName) and not wanted.common_name
        builder = builder.add_extension(extension, critical=critical or is_only_name)
    signing = wanted.signer or key
    algorithm = None if isinstance(signing, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    deterministic = True if isinstance(signing, ec.EllipticCurvePrivateKey) else None
    made = builder.sign(signing, algorithm, ecdsa_deterministic=deterministic)
    return made.public_bytes(serialization.Encoding.PEM).decode()


def _subject(common_name: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    try:
        return x509.Name(attributes)
    except ValueError as error:
        raise FunctionError(f"error creating certificate: {error}") from None


def _extensions(key: Any, names: list[Any] | None, signer: Any) -> Iterator[tuple[Any, bool]]:
    """Each extension of a certificate, in sprig's order, and whether who does not know it must refuse it."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    is_authority = names is None
    yield x509.KeyUsage(True, False, True, False, False, is_authority, False, False, False), True
    yield x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False
    yield x509.BasicConstraints(ca=is_authority, path_length=None), True
    if is_authority:
        yield x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False
    if signer is not None:
        yield x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
    if names:
        yield x509.SubjectAlternativeName(names), False


def _made(wanted: _Wanted, pem: str | None, function: str) -> Struct:
    """A certificate with its key, which is made where none is given."""
    key = _new_rsa(2048, wanted.stream) if pem is None else _read_key(pem)
    return _certificate(_signed(wanted, key, function), _pem_of(key))


def _authority(common_name: str, days: int, pem: str | None = None) -> Struct:
    return _made(_Wanted(common_name, days, current().stream("genCA")), pem, "genCA")


def _self_signed(common_name: str, ips: list[Any], names: list[Any], days: int, pem: str | None = None) -> Struct:
    stream = current().stream("genSelfSignedCert")
    return _made(_Wanted(common_name, days, stream, _names(ips, names)), pem, "genSelfSignedCert")


def _signed_by(
    common_name: str, ips: list[Any], names: list[Any], days: int, authority: GoObject, pem: str | None = None
) -> Struct:
    issuer = _read_certificate(authority.field("Cert"))
    signer = _read_key(authority.field("Key"))
    stream = current().stream("genSignedCert")
    return _made(_Wanted(common_name, days, stream, _names(ips, names), issuer, signer), pem, "genSignedCert")


def _custom(cert: str, key: str) -> Struct:
    try:
        decoded = as_text(base64.b64decode(cert, validate=True))
    except (binascii.Error, ValueError):
        raise FunctionError("unable to decode base64 certificate") from None
    try:
        decoded_key = as_text(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        raise FunctionError("unable to decode base64 private key") from None
    _read_certificate(decoded)
    _read_key(decoded_key)
    return _certificate(decoded, decoded_key)


_STANDARD: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
_TO_BCRYPT: Final = bytes.maketrans(
    _STANDARD.encode(), f"./{string.ascii_uppercase}{string.ascii_lowercase}{string.digits}".encode()
)


# ── passwords ────────────────────────────────────────────────────────────────────────────────────────────────────


def _bcrypt(text: str) -> str:
    import bcrypt

    password = as_bytes(text)
    if len(password) > 72:
        return "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes"
    spend(_RSA)
    salt = b"$2a$10$" + _bcrypt_text(current().stream("bcrypt").take(16))
    return bcrypt.hashpw(password.split(b"\0")[0], salt).decode()


def _bcrypt_text(data: bytes) -> bytes:
    """Bytes as bcrypt writes a salt: base64 with other letters, and no padding."""
    return base64.b64encode(data).rstrip(b"=").translate(_TO_BCRYPT)


def _htpasswd(user: str, password: str) -> str:
    if ":" in user:
        return f"invalid username: {user}"
    return f"{user}:{_bcrypt(password)}"


_TEMPLATES: Final = {
    "maximum": "anoxxxxxxxxxxxxxxxxx axxxxxxxxxxxxxxxxxno",
    "long": "CvcvnoCvcvCvcv CvcvCvcvnoCvcv CvcvCvcvCvcvno CvccnoCvcvCvcv CvccCvcvnoCvcv CvccCvcvCvcvno CvcvnoCvccCvcv"
    " CvcvCvccnoCvcv CvcvCvccCvcvno CvcvnoCvcvCvcc CvcvCvcvnoCvcc CvcvCvcvCvccno CvccnoCvccCvcv CvccCvccnoCvcv"
    " CvccCvccCvcvno CvcvnoCvccCvcc CvcvCvccnoCvcc CvcvCvccCvccno CvccnoCvcvCvcc CvccCvcvnoCvcc CvccCvcvCvccno",
    "medium": "CvcnoCvc CvcCvcno",
    "short": "Cvcn",
    "basic": "aaanaaan aannaaan aaannaaa",
    "pin": "nnnn",
}
_CONSONANTS: Final = "BCDFGHJKLMNPQRSTVWXYZ"
_LETTERS: Final = "AEIOUaeiou" + _CONSONANTS + _CONSONANTS.lower()
_CHARACTERS: Final = {
    "V": "AEIOU",
    "C": _CONSONANTS,
    "v": "aeiou",
    "c": _CONSONANTS.lower(),
    "A": "AEIOU" + _CONSONANTS,
    "a": _LETTERS,
    "n": "0123456789",
    "o": "@&%?,=[]_:-+*$#!'^~;()/.",
    "x": _LETTERS + "0123456789!@#$%^&*()",
}
_SEED: Final = b"com.lyndir.masterpassword"


def _derive(counter: int, kind: str, password: str, user: str, site: str) -> str:
    if kind not in _TEMPLATES:
        return f"cannot find password template {kind}"
    name, place = as_bytes(user), as_bytes(site)
    salt = _SEED + struct.pack(">I", len(name)) + name
    spend(6 * _RSA)
    key = hashlib.scrypt(as_bytes(password), salt=salt, n=32768, r=8, p=2, dklen=64, maxmem=128 * 1024 * 1024)
    message = _SEED + struct.pack(">I", len(place)) + place + struct.pack(">I", counter % 2**32)
    seed = hmac.new(key, message, hashlib.sha256).digest()
    templates = _TEMPLATES[kind].split()
    template = templates[seed[0] % len(templates)]
    return "".join(_CHARACTERS[each][seed[at] % len(_CHARACTERS[each])] for at, each in enumerate(template, 1))


# ── ciphers ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _cipher(password: str, start: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    return Cipher(algorithms.AES(as_bytes(password)[:32].ljust(32, b"\0")), modes.CBC(start))


def _encrypt(password: str, text: str) -> str:
    if not text:
        return ""
    data = as_bytes(text)
    padding = 16 - len(data) % 16
    start = current().stream("encryptAES").take(16)
    encryptor = _cipher(password, start).encryptor()
    encrypted = encryptor.update(data + bytes([padding]) * padding) + encryptor.finalize()
    return base64.b64encode(start + encrypted).decode()


def _decrypt(password: str, packed: str) -> str:
    if not packed:
        return ""
    try:
        data = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        raise FunctionError(base64_decode(packed)) from None
    if len(data) < 32 or len(data) % 16:
        raise FunctionError("crypto/cipher: input not full blocks")
    decryptor = _cipher(password, data[:16]).decryptor()
    plain = decryptor.update(data[16:]) + decryptor.finalize()
    if plain[-1] > len(plain):
        raise FunctionError("runtime error: slice bounds out of range")
    return as_text(plain[: len(plain) - plain[-1]])


CRYPTO: Final[dict[str, Function]] = {
    "bcrypt": function("string", _bcrypt),
    "buildCustomCert": function("string string", _custom),
    "decryptAES": function("string string", _decrypt),
    "derivePassword": function("int string string string string", _derive),
    "encryptAES": function("string string", _encrypt),
    "genCA": function("string int", _authority),
    "genCAWithKey": function("string int string", _authority),
    "genPrivateKey": function("string", _private_key),
    "genSelfSignedCert": function("string list list int", _self_signed),
    "genSelfSignedCertWithKey": function("string list list int string", _self_signed),
    "genSignedCert": function("string list list int cert", _signed_by),
    "genSignedCertWithKey": function("string list list int cert string", _signed_by),
    "htpasswd": function("string string", _htpasswd),
}
