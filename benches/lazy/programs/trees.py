"""Syntax trees: parsed, walked, written and compiled."""

import ast
import textwrap

SOURCE = textwrap.dedent(
    """
    def f(a, b):
        total = 0
        for i in range(a):
            if i % b == 0:
                total += [x * i for x in range(3)][-1]
        return {"total": total, "name": f"{a}-{b}"}
    """
)


def main():
    for _ in range(150):
        tree = ast.parse(SOURCE)
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert "total" in names
        compile(ast.unparse(tree), "<tree>", "exec")
