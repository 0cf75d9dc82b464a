"""Keys of the program itself; each line must differ from start to start."""

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import ec, x25519

print("fernet", Fernet.generate_key().decode())
print("curve", ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value)
print("x25519", x25519.X25519PrivateKey.generate().private_bytes_raw().hex())
