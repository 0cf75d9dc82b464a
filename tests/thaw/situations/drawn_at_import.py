"""Draws from every generator, as an import may; the test puts it in front of its program."""

import hashlib
import multiprocessing.process
import os
import random
import secrets
import ssl
import tempfile
import uuid

FOUND = {}


def source(function):
    FOUND[function.__name__] = function
    return function


@source
def rand_bytes():
    return ssl.RAND_bytes(8).hex()


@source
def python():
    return random.random()


@source
def urandom():
    return os.urandom(8).hex()


@source
def token():
    return secrets.token_hex(8)


@source
def uuid1():
    return str(uuid.uuid1())


@source
def uuid4():
    return str(uuid.uuid4())


@source
def temporary_name():
    return next(tempfile._get_candidate_names())


@source
def salted_digest():
    return hashlib.sha256(ssl.RAND_bytes(16)).hexdigest()


try:
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.asymmetric import ec, x25519
except ImportError:
    pass
else:

    @source
    def fernet():
        return Fernet.generate_key().decode()

    @source
    def curve():
        return ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value

    @source
    def x25519_key():
        return x25519.X25519PrivateKey.generate().private_bytes_raw().hex()


try:
    import bson
except ImportError:
    pass
else:

    @source
    def object_id():
        return str(bson.ObjectId())


try:
    import numpy
    import numpy.random
except ImportError:
    pass
else:

    @source
    def numpy_global():
        return numpy.random.random()

    @source
    def numpy_generator():
        return numpy.random.default_rng().random()


def authkey():
    """A forked child has its parent's, as it should."""
    return multiprocessing.process.current_process().authkey.hex()


def draw():
    return {name: str(function()) for name, function in FOUND.items()}


# What an import draws seeds the generators of the process that is frozen.
AT_IMPORT = draw()
