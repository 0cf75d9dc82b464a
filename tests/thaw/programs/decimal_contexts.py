"""Decimal contexts: the default one, local ones, and one for each thread."""

import contextvars
import decimal
import threading
from decimal import Decimal

print(decimal.getcontext())
with decimal.localcontext() as context:
    context.prec = 50
    print(Decimal(2).sqrt())
decimal.getcontext().prec = 6
seen = []
thread = threading.Thread(target=lambda: seen.append(decimal.getcontext().prec))
thread.start()
thread.join()
print(seen, decimal.getcontext().prec, Decimal(1) / 7)
print(contextvars.copy_context().run(lambda: decimal.getcontext().prec))
try:
    Decimal(1) / 0
except decimal.DivisionByZero as error:
    print(repr(error))
