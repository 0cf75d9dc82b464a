"""Symmetric and asymmetric ciphers; keys that are made after the start differ."""

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

box = Fernet(Fernet.generate_key())
assert box.decrypt(box.encrypt(b"secret")) == b"secret"
try:
    Fernet(Fernet.generate_key()).decrypt(box.encrypt(b"secret"))
except InvalidToken as error:
    print("refused", type(error).__name__)
key = rsa.generate_private_key(65537, 2048)
signature = key.sign(b"message", padding.PKCS1v15(), hashes.SHA256())
key.public_key().verify(signature, b"message", padding.PKCS1v15(), hashes.SHA256())
curve = ec.generate_private_key(ec.SECP256R1())
print(len(curve.sign(b"m", ec.ECDSA(hashes.SHA256()))) > 60)
fixed = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
print(fixed.sign(b"message").hex())
print(AESGCM(bytes(16)).encrypt(bytes(12), b"data", b"more").hex())
keys = {
    ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for _ in range(20)
}
print(len(keys))
