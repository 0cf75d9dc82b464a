"""Algebra, calculus, an equation and numbers of many digits by sympy and mpmath."""

import mpmath
import sympy
from sympy import Eq, Function, dsolve, integrate, limit, sin, solve, symbols

x, y = symbols("x y")
f = Function("f")
print(sympy.factor(x**4 - 1), solve(x**2 - 2, x), integrate(sin(x) * x, x))
print(limit(sin(x) / x, x, 0), dsolve(Eq(f(x).diff(x), f(x)), f(x)))
print(sympy.N(sympy.pi, 40), sympy.Matrix([[1, 2], [3, 4]]).inv())
mpmath.mp.dps = 30
print(mpmath.zeta(3), mpmath.quad(lambda t: t**2, [0, 1]))
