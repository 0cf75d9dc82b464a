"""Prints a line for each source of values that must never repeat."""

import email.utils
import multiprocessing.process
import os
import random
import secrets
import ssl
import tempfile
import uuid

print("random", random.random())
print("instance", random.SystemRandom().random())
print("shuffled", random.sample(range(10**9), 3))
print("uuid4", uuid.uuid4())
print("uuid1", uuid.uuid1())
print("secrets", secrets.token_hex(8))
print("urandom", os.urandom(8).hex())
print("getrandom", os.getrandom(8).hex())
print("ssl", ssl.RAND_bytes(8).hex())
print("authkey", multiprocessing.process.current_process().authkey.hex())
print("tempfile", next(tempfile._get_candidate_names()))
print("message id", email.utils.make_msgid(domain="x"))
random.seed(7)
print("SEEDED", random.random(), random.getrandbits(64))
