"""Names and scopes of a program, as the standard library's symtable tells them."""

import argparse
import json
import statistics
import symtable
import textwrap

SOURCE = """
    import math
    def area(r, *, unit="m"):
        def shown():
            return f"{math.pi * r * r}{unit}"
        return shown()
"""


def scopes(table):
    names = [(s.get_name(), s.is_free(), s.is_local(), s.is_global()) for s in table.get_symbols()]
    return [table.get_name(), sorted(names), [scopes(inner) for inner in table.get_children()]]


parser = argparse.ArgumentParser()
parser.add_argument("--kind", default="exec")
table = symtable.symtable(textwrap.dedent(SOURCE), "area.py", parser.parse_args().kind)
print(json.dumps(scopes(table)), statistics.mean([1, 2, 3]), repr(table.get_symbols()[0]))
