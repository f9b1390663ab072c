"""Private keys that are made of a stream of bytes: by chance, or the same key for the same stream."""

from functools import lru_cache
from typing import Any, Final

from renderers.helm.circumstances import Stream

_EXPONENT: Final = 65537
_ROUNDS: Final = 8  # for numbers drawn by chance, of which few that pass one are no prime
_SIEVE: Final = 20_000


def rsa_key(bits: int, stream: Stream) -> Any:
    """An RSA key as FIPS 186-5 A.1.3 wants its primes: probable, long, and not close to each other."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    if not stream.is_seeded:
        return rsa.generate_private_key(_EXPONENT, bits)
    key, after = _seeded_rsa_key(bits, stream.place)
    stream.go_on_at(after)
    return key


@lru_cache(maxsize=64)
def _seeded_rsa_key(bits: int, place: Any) -> tuple[Any, Any]:
    """The key that is made of what comes from `place` on, and the place behind it.

    Primes take half a second, and the same chart draws the same key at each render.
    """
    from cryptography.hazmat.primitives.asymmetric import rsa

    stream = Stream(None)
    stream.go_on_at(place)
    half = bits // 2
    while True:
        p, q = (_prime(half, stream) for _ in range(2))
        totient = (p - 1) * (q - 1)
        if abs(p - q) >> (half - 100) and totient % _EXPONENT and (p * q).bit_length() == bits:
            break
    d = pow(_EXPONENT, -1, totient)
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(_EXPONENT, p * q)
    )
    return numbers.private_key(), stream.place


def dsa_key(stream: Stream) -> Any:
    """A DSA key of 2048 bits over a subgroup of 256."""
    from cryptography.hazmat.primitives.asymmetric import dsa

    if not stream.is_seeded:
        return dsa.generate_private_key(2048)
    q = _prime(256, stream)
    while True:
        start = _number(2048, stream)
        p = start - start % (2 * q) + 1
        if p.bit_length() == 2048 and _is_prime(p, stream):
            break
    g = pow(2, (p - 1) // q, p)
    x = stream.below(q - 1) + 1
    public = dsa.DSAPublicNumbers(pow(g, x, p), dsa.DSAParameterNumbers(p, q, g))
    return dsa.DSAPrivateNumbers(x, public).private_key()


def ecdsa_key(stream: Stream) -> Any:
    """A key on the curve P-256."""
    from cryptography.hazmat.primitives.asymmetric import ec

    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    return ec.derive_private_key(stream.below(order - 1) + 1, ec.SECP256R1())


def ed25519_key(stream: Stream) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ed25519

    return ed25519.Ed25519PrivateKey.from_private_bytes(stream.take(32))


def _number(bits: int, stream: Stream) -> int:
    """One whose two highest bits are set, so that the product of two has twice as many."""
    return int.from_bytes(stream.take(bits // 8), "big") | 3 << (bits - 2)


def _prime(bits: int, stream: Stream) -> int:
    while True:
        found = _number(bits, stream) | 1
        for _ in range(bits):  # the ones after it are as good, and cost no new bytes
            if _is_prime(found, stream):
                return found
            found += 2


def _small_primes() -> list[int]:
    sieve = bytearray([1]) * _SIEVE
    for number in range(2, int(_SIEVE**0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, _SIEVE, number)))
    return [number for number in range(3, _SIEVE, 2) if sieve[number]]


_PRIMES: Final = _small_primes()


def _is_prime(number: int, stream: Stream) -> bool:
    """Whether it is, but for a chance of less than 2 ** -100 (Miller and Rabin, for numbers of this length)."""
    if any(number % prime == 0 for prime in _PRIMES):
        return False
    odd = number - 1
    twos = (odd & -odd).bit_length() - 1
    odd >>= twos
    return all(
        _passes(number, 2 if round_ == 0 else stream.below(number - 3) + 2, odd, twos) for round_ in range(_ROUNDS)
    )


def _passes(number: int, base: int, odd: int, twos: int) -> bool:
    power = pow(base, odd, number)
    if power in (1, number - 1):
        return True
    for _ in range(twos - 1):
        power = power * power % number
        if power == number - 1:
            return True
    return False
