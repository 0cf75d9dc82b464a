"""Makes a self-signed certificate for localhost with nothing but the standard library.

The key is fresh for each run of the tests and is worth nothing: no test data has to hold one.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from pathlib import Path

_EXPONENT = 65537
_RSA = bytes.fromhex("06092a864886f70d010101")
_SHA256_WITH_RSA = bytes.fromhex("06092a864886f70d01010b")
_COMMON_NAME = bytes.fromhex("0603550403")
_ALTERNATIVE_NAME = bytes.fromhex("0603551d11")
_BASIC_CONSTRAINTS = bytes.fromhex("0603551d13")
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
_NULL = b"\x05\x00"


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def _integer(value: int) -> bytes:
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _sequence(*parts: bytes) -> bytes:
    return _der(0x30, *parts)


def _is_prime(n: int) -> bool:
    if any(n % p == 0 for p in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53)):
        return False
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(8):
        x = pow(secrets.randbelow(n - 3) + 2, odd, n)
        if x in (1, n - 1):
            continue
        if not any((x := x * x % n) == n - 1 for _ in range(twos - 1)):
            return False
    return True


def _prime(bits: int) -> int:
    while True:
        n = secrets.randbits(bits) | (3 << (bits - 2)) | 1
        if n % _EXPONENT != 1 and _is_prime(n):
            return n


def _pem(label: str, der: bytes) -> str:
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"


def make_certificate(folder: Path) -> Path:
    """Writes `localhost.pem` with a 2048-bit key and a certificate for it, and returns its path."""
    p, q = _prime(1024), _prime(1024)
    n = p * q
    d = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    key = _sequence(
        *map(_integer, (0, n, _EXPONENT, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)))
    )
    algorithm = _sequence(_SHA256_WITH_RSA, _NULL)
    name = _sequence(_der(0x31, _sequence(_COMMON_NAME, _der(0x0C, b"localhost"))))
    public = _sequence(
        _sequence(_RSA, _NULL), _der(0x03, b"\0", _sequence(_integer(n), _integer(_EXPONENT)))
    )
    extensions = _sequence(
        _sequence(_ALTERNATIVE_NAME, _der(0x04, _sequence(_der(0x82, b"localhost")))),
        _sequence(
            _BASIC_CONSTRAINTS, _der(0x01, b"\xff"), _der(0x04, _sequence(_der(0x01, b"\xff")))
        ),
    )
    validity = _sequence(_der(0x17, b"200101000000Z"), _der(0x17, b"491231235959Z"))
    body = _sequence(
        _der(0xA0, _integer(2)),
        _integer(secrets.randbits(63)),
        algorithm,
        name,
        validity,
        name,
        public,
        _der(0xA3, extensions),
    )
    digest = _SHA256_PREFIX + hashlib.sha256(body).digest()
    padded = b"\x00\x01" + b"\xff" * (256 - 3 - len(digest)) + b"\x00" + digest
    signature = pow(int.from_bytes(padded, "big"), d, n).to_bytes(256, "big")
    certificate = _sequence(body, algorithm, _der(0x03, b"\0", signature))
    path = folder / "localhost.pem"
    path.write_text(_pem("RSA PRIVATE KEY", key) + _pem("CERTIFICATE", certificate))
    return path
