"""The semantics of lazy imports, case by case: a program that checks itself, and the modules it
imports.

Each program runs with every import lazy and must end with status 0. `L(name)` says whether a module
is loaded. The modules of `MODULES` are there in every case.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MODULES = {
    "m.py": "x = 1\ny = 2\nz = [3]\ndef f(): return x\nclass K: pass\nclass E(Exception): pass\n",
    "n.py": "w = 'n'\n",
    "bad.py": "raise ValueError('bad')\n",
    "p/__init__.py": "here = 'p'\n",
    "p/a.py": "v = 'a'\n",
    "p/b.py": "v = 'b'\n",
    "p/sub/__init__.py": "",
    "p/sub/c.py": "from .. import a\nfrom ..b import v as bv\ndef both(): return a.v + bv\n",
    "dyn.py": "def __getattr__(name):\n    if name == 'd': return 'dynamic'\n"
    "    raise AttributeError(name)\n",
}

PRELUDE = "import sys\nL = sys.modules.__contains__\n"


@dataclass(frozen=True)
class Case:
    """A program and its own modules."""

    code: str
    files: dict[str, str] = field(default_factory=dict)
    native: bool = True
    """Whether Python 3.15 does the same; where not, docs/lazy-differences.md says what it does."""
    oldest: tuple[int, int] = (3, 9)


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


CASES: dict[str, Case] = {
    # What is lazy.
    "import": Case("import m\nassert not L('m')\nassert m.x == 1 and L('m')\n"),
    "import_as": Case("import m as q\nassert not L('m')\nassert q.x == 1\n"),
    "from": Case("from m import x\nassert not L('m')\nassert x == 1 and L('m')\n"),
    "from_as": Case("from m import x as q\nassert not L('m')\nassert q == 1\n"),
    "from_many": Case(
        "from m import x, y, f\nassert not L('m')\nassert (y, x, f()) == (2, 1, 1)\n"
    ),
    "import_many": Case("import m, n\nassert not L('m')\nn.w\nassert L('n') and not L('m')\nm\n"),
    "dotted": Case("import p.a\nassert not L('p')\nassert p.a.v == 'a' and L('p.a')\n"),
    "dotted_as": Case("import p.a as q\nassert not L('p')\nassert q.v == 'a'\n"),
    "dotted_deep_as": Case("import p.sub.c as q\nassert not L('p')\nassert q.both() == 'ab'\n"),
    "from_package": Case("from p import a\nassert not L('p')\nassert a.v == 'a'\n"),
    "siblings": Case(
        "import p.a, p.b\nassert p.a.v == 'a'\nassert not L('p.b')\nassert p.b.v == 'b'\n"
    ),
    "relative": Case("from p.sub import c\nassert c.both() == 'ab'\n"),
    "in_if": Case("if True:\n    import m\nassert not L('m')\nm\nassert L('m')\n"),
    "in_else_of_if": Case("if not L:\n    pass\nelse:\n    import m\nassert not L('m')\nm.x\n"),
    "in_for": Case("for i in range(2):\n    import m\nassert not L('m')\nm.x\n"),
    "in_while": Case("i = 0\nwhile i < 2:\n    import m\n    i += 1\nassert not L('m')\nm.x\n"),
    "in_with": Case("with open('m.py') as s:\n    import m\nassert not L('m')\nm.x\n"),
    "in_nested_with": Case(
        "with open('m.py') as s:\n    with open('n.py') as t:\n        import m\n"
        "assert not L('m')\nm.x\n"
    ),
    "in_match": Case(
        "match 1:\n    case 1:\n        import m\nassert not L('m')\nm.x\n", oldest=(3, 10)
    ),
    "exec_at_module_level": Case("exec('import m')\nassert not L('m')\nassert m.x == 1\n"),
    "in_imported_module": Case(
        "import u\nassert u.g and not L('m')\nassert u.g() == 1 and L('m')\n",
        {"u.py": "import m\ndef g(): return m.x\n"},
    ),
    "many_names": Case(
        _lines(
            *(f"a{i} = {i}" for i in range(300)),
            "from m import x as q, y as r",
            "assert not L('m')",
            "assert (q, r) == (1, 2)",
        )
    ),
    "many_imports": Case(
        "from many import "
        + ", ".join(f"n{i}" for i in range(300))
        + "\nassert not L('many')\nassert n7 + n299 == 306\n",
        {"many.py": "".join(f"n{i} = {i}\n" for i in range(300))},
    ),
    # What is eager.
    "in_function": Case("def g():\n    import m\n    return L('m')\nassert g()\n"),
    "in_class": Case("class C:\n    import m\nassert L('m') and C.m.x == 1\n"),
    "in_try": Case("try:\n    import m\nexcept ImportError:\n    pass\nassert L('m')\n"),
    "in_except": Case("try:\n    1 / 0\nexcept ZeroDivisionError:\n    import m\nassert L('m')\n"),
    "in_try_with": Case(
        "try:\n    with open('m.py') as s:\n        import m\nfinally:\n    pass\nassert L('m')\n"
    ),
    "in_with_try": Case(
        "with open('m.py') as s:\n    try:\n        import m\n    finally:\n        pass\n"
        "assert L('m')\n"
    ),
    "star": Case("from m import *\nassert L('m') and x == 1\n"),
    "future": Case("exec('from __future__ import annotations\\nimport m')\nassert not L('m')\nm\n"),
    "dunder_import": Case("assert __import__('m').x == 1\n"),
    "import_module": Case("import importlib\nassert importlib.import_module('m').x == 1\n"),
    "exec_in_function": Case("def g():\n    exec('import m')\n    return L('m')\nassert g()\n"),
    "exec_in_class": Case("class C:\n    exec('import m')\nassert L('m')\n"),
    "deleted": Case("import m\ndel m\nassert 'm' not in globals()\n"),
    "global_in_function": Case(
        "def g():\n    global m\n    import m\ng()\nassert L('m') and m.x == 1\n"
    ),
    # First use.
    "use_in_function": Case("import m\ndef g(): return m.x\nassert not L('m')\nassert g() == 1\n"),
    "function_before_import": Case("def g(): return m.x\nimport m\nassert not L('m')\ng()\n"),
    "nested_function": Case(
        "def g():\n    def h(): return m.x\n    return h\nimport m\nassert g()() == 1\n"
    ),
    "method": Case("import m\nclass C:\n    def g(self): return m.x\nassert C().g() == 1\n"),
    "class_body": Case("import m\nclass C:\n    q = m.x\nassert C.q == 1\n"),
    "base_class": Case("from m import K\nclass C(K): pass\nassert C.__mro__[1] is K\n"),
    "decorator": Case("from m import K\n@(lambda c: (K, c))\nclass C: pass\nassert C[0] is K\n"),
    "default_argument": Case("from m import x\ndef g(a=x): return a\nassert g() == 1\n"),
    "comprehension": Case("import m\nassert [m.x for _ in range(2)] == [1, 1]\n"),
    "generator": Case("import m\nassert list(m.x for _ in range(2)) == [1, 1]\n"),
    "lambda": Case("import m\ng = lambda: m.x\nassert not L('m')\nassert g() == 1\n"),
    "except_clause": Case("from m import E\ntry:\n    raise E\nexcept E:\n    pass\n"),
    "eval": Case("import m\nassert eval('m.x') == 1\n"),
    "eval_with_globals": Case("import m\nassert eval('m.x', globals()) == 1\n"),
    "eval_with_locals": Case("import m\nassert eval('m.x + q', globals(), {'q': 1}) == 2\n"),
    "exec_uses": Case("import m\nexec('q = m.x')\nassert q == 1\n"),
    "isinstance": Case("from m import K\nk = K()\nassert isinstance(k, K) and type(k) is K\n"),
    "identity": Case("import m\nassert m is sys.modules.get('m')\nimport m as q\nassert m is q\n"),
    "type_is_module": Case("import m\nimport types\nassert type(m) is types.ModuleType\n"),
    "only_the_used_name": Case(
        "import u\nassert u.x == 1\nassert 'y' not in {k for k, v in vars(u).items()"
        " if type(v).__name__ != 'lazy_import'}\n",
        {"u.py": "from m import x, y\n"},
    ),
    "assignment_wins": Case("import m\nm = 5\nassert m == 5 and not L('m')\n"),
    "annotation_of_module": Case("from m import K\nk: K = None\n"),
    "generators_resume": Case(
        "import m\ndef g():\n    yield 1\n    yield m.x\nassert list(g()) == [1, 1]\n"
    ),
    "coroutine": Case(
        "import asyncio\nimport m\nasync def g(): return m.x\nassert asyncio.run(g()) == 1\n"
    ),
    # From outside.
    "attribute": Case(
        "import u\nassert u and not L('m')\nassert u.m.x == 1\n", {"u.py": "import m\n"}
    ),
    "getattr": Case("import u\nu\nassert getattr(u, 'x') == 1\n", {"u.py": "from m import x\n"}),
    "hasattr": Case("import u\nassert hasattr(u, 'x') and L('m')\n", {"u.py": "from m import x\n"}),
    "dir": Case("import u\nassert 'm' in dir(u) and not L('m')\n", {"u.py": "import m\n"}),
    "dir_in_module": Case("import m\nassert L and not L('m')\n"),
    "vars_do_not_load": Case("import u\nvars(u)\nassert not L('m')\n", {"u.py": "import m\n"}),
    "star_from_outside": Case(
        "from u import *\nassert x == 1 and m.y == 2\n", {"u.py": "import m\nfrom m import x\n"}
    ),
    "star_with_all": Case(
        "from u import *\nassert x == 1 and 'n' not in globals()\nassert not L('n')\n",
        {"u.py": "import n\nfrom m import x\n__all__ = ['x']\n"},
    ),
    "reexport": Case(
        "from u import x\nassert not L('u')\nassert x == 1\n", {"u.py": "from m import x\n"}
    ),
    "module_getattr": Case("from dyn import d\nassert d == 'dynamic'\n"),
    "module_getattr_missing": Case(
        "from dyn import nothing\ntry:\n    nothing\nexcept ImportError:\n    pass\n"
        "else:\n    raise AssertionError\n"
    ),
    "parent_gets_submodule": Case("from p import a\na\nimport p\nassert p.a is a\n"),
    "parent_has_submodule_before_it_is_used": Case(
        "from p import a\nimport p\np.here\nassert not L('p.a')\nassert p.a.v == 'a' and p.a is a\n"
    ),
    "parent_has_submodule_for_hasattr": Case(
        "from p import b\nimport p\nassert hasattr(p, 'b') and L('p.b')\n"
        "assert not hasattr(p, 'a') and not L('p.a')\n"
    ),
    "parent_has_what_it_lacks_not": Case(
        "from p import missing\nimport p\nfor _ in range(2):\n"
        "    assert not hasattr(p, 'missing')\n"
    ),
    "parent_has_submodule_that_fails": Case(
        "from p import fails\nimport p\nfor _ in range(2):\n"
        "    try:\n        p.fails\n    except ValueError as e:\n        assert str(e) == 'no'\n"
        "    else:\n        raise AssertionError\n",
        {"p/fails.py": "raise ValueError('no')\n"},
    ),
    "parent_has_submodule_for_threads": Case(
        "from q import long\nimport q, threading\nq.here\nfound = []\nsys.setswitchinterval(1e-6)\n"
        "them = [threading.Thread(target=lambda: found.append(q.long.v)) for _ in range(8)]\n"
        "for it in them: it.start()\nfor it in them: it.join()\nassert found == [1] * 8, found\n",
        {"q/__init__.py": "here = 1\n", "q/long.py": "for _ in range(100_000): pass\nv = 1\n"},
    ),
    "parent_lacks_submodule_that_is_not_complete": Case(
        "from q import early\nimport q\nq.here\nassert q.early.v == 1\n",
        {
            "q/__init__.py": "here = 1\n",
            "q/early.py": "import q\nassert not hasattr(q, 'early')\nv = 1\n",
        },
        native=False,
    ),
    "parent_that_answers_for_submodule": Case(
        "from q import a\nimport q\nassert q.a == 'a' and not L('q.a')\n",
        {"q/__init__.py": "def __getattr__(name): return name\n", "q/a.py": ""},
        native=False,
    ),
    "deleted_submodule_is_given_back": Case(
        "from p import a\na\nimport p\ndel p.a\nassert not hasattr(p, 'a')\n"
        "exec('from p import a', globals())\nassert hasattr(p, 'a')\n"
    ),
    "submodule_named_like_name": Case(
        "import q\nassert q.same == 'function'\nimport q.same as s\nassert q.same == 'function'\n",
        {"q/__init__.py": "from .same import same\n", "q/same.py": "same = 'function'\n"},
    ),
    "submodule_over_attribute": Case(
        "import q.sub\nassert q.sub.v == 1\n",
        {"q/__init__.py": "sub = 5\n", "q/sub.py": "v = 1\n"},
        native=False,
    ),
    "submodule_over_attribute_deeply": Case(
        "import q.r.sub\nfor _ in range(9):\n    assert q.r.sub.v == 1\n",
        {"q/__init__.py": "", "q/r/__init__.py": "sub = 5\n", "q/r/sub.py": "v = 1\n"},
        native=False,
    ),
    "submodule_over_attribute_as": Case(
        "import q.sub as s\nassert s.v == 1\n",
        {"q/__init__.py": "sub = 5\n", "q/sub.py": "v = 1\n"},
    ),
    "attribute_for_missing_submodule": Case(
        "import math.pi\nfor _ in range(9):\n    try:\n        math.pi\n"
        "    except ModuleNotFoundError as e:\n        assert e.name == 'math.pi'\n"
        "    else:\n        raise AssertionError\n"
    ),
    "subclass_of_module": Case(
        "import types\nclass M(types.ModuleType):\n    def __setattr__(self, k, v):\n"
        "        super().__setattr__(k, v)\nq = M('q')\nq.r = 1\nassert q.r == 1\n"
    ),
    "getmembers": Case(
        "import inspect\nimport u\nassert dict(inspect.getmembers(u))['x'] == 1\n",
        {"u.py": "from m import x\n"},
    ),
    # Errors.
    "missing_module": Case(
        "import nosuch\ntry:\n    nosuch\nexcept ModuleNotFoundError as e:\n"
        "    assert e.name == 'nosuch'\nelse:\n    raise AssertionError\n"
    ),
    "missing_name": Case(
        "from m import nosuch\ntry:\n    nosuch\nexcept ImportError as e:\n"
        "    assert 'cannot import name' in str(e) and e.name == 'm'\nelse:\n"
        "    raise AssertionError\n"
    ),
    "missing_submodule": Case(
        "import p.nosuch\ntry:\n    p.nosuch\nexcept ModuleNotFoundError as e:\n"
        "    assert e.name == 'p.nosuch'\nelse:\n    raise AssertionError\n"
    ),
    "error_of_module": Case(
        "import bad\ntry:\n    bad\nexcept ValueError as e:\n    assert str(e) == 'bad'\n"
        "else:\n    raise AssertionError\n"
    ),
    "cause_shows_statement": Case(
        "import nosuch\ndef g(): nosuch\ntry:\n    g()\nexcept ImportError as e:\n"
        "    c = e.__cause__\n    assert isinstance(c, ImportError)\n"
        "    assert c.__traceback__.tb_lineno == 3, c.__traceback__.tb_lineno\n"
        "    assert e.__traceback__.tb_next.tb_lineno == 4\n"
    ),
    "error_is_retried": Case(
        "import late\ntry:\n    late\nexcept ImportError:\n    pass\n"
        "open('late.py', 'w').write('v = 1')\nimport importlib\nimportlib.invalidate_caches()\n"
        "assert late.v == 1\n"
    ),
    "error_is_raised_again": Case(
        "import bad\nfor _ in range(3):\n    try:\n        bad\n    except ValueError:\n"
        "        continue\n    raise AssertionError\n"
    ),
    "error_of_body_with_functions": Case(
        "try:\n    import u\nexcept KeyError as e:\n    assert e.args == ('kept',)\nelse:\n"
        "    raise AssertionError\nassert not L('m')\n",
        {"u.py": "import m\ndef g(o): return m.x, o.m\nraise KeyError('kept')\n"},
    ),
    "undefined_name": Case(
        "import m\ntry:\n    nothing\nexcept NameError:\n    pass\n"
        "else:\n    raise AssertionError\n"
    ),
    "same_name_elsewhere": Case(
        "import u\nu\nimport t\ntry:\n    t.g()\nexcept NameError:\n    pass\nelse:\n"
        "    raise AssertionError\nassert not L('m')\n",
        {"u.py": "import m\n", "t.py": "def g(): return m\n"},
    ),
    # Cycles.
    "cycle": Case(
        "import c1\nassert c1.g() == 'c2'\n",
        {
            "c1.py": "from c2 import name\ndef g(): return name()\n",
            "c2.py": "from c1 import g\ndef name(): return 'c2'\n",
        },
    ),
    "cycle_in_package": Case(
        "import k\nassert k.start() == 2\n",
        {
            "k/__init__.py": "from .one import start\nvalue = 2\n",
            "k/one.py": "from . import value\ndef start(): return value\n",
        },
    ),
    "unfinished_module_is_awaited": Case(
        "import c3\nc3\n",
        {
            "c3.py": "import sys\nimport c3\n"
            "lazy = getattr(sys, 'lazy_modules', None)\n"
            "assert lazy is None or 'c3' in lazy\nassert c3 is sys.modules['c3']\n",
        },
    ),
    # Where imports are looked for.
    "path_at_first_use": Case(
        "import elsewhere\nsys.path.insert(0, 'folder')\nassert elsewhere.v == 9\n",
        {"folder/elsewhere.py": "v = 9\n"},
    ),
    "meta_path_at_first_use": Case(
        _lines(
            "import importlib.abc, importlib.machinery",
            "import made",
            "class F(importlib.abc.MetaPathFinder, importlib.abc.Loader):",
            "    def find_spec(self, name, path, target=None):",
            "        if name == 'made': return importlib.machinery.ModuleSpec(name, self)",
            "    def create_module(self, spec): return None",
            "    def exec_module(self, module): module.v = 7",
            "sys.meta_path.insert(0, F())",
            "assert made.v == 7",
        )
    ),
    "finder_with_pending_names": Case(
        "import finder\nfinder.install()\nimport m\nassert m.x == 1\nassert finder.asked\n",
        {
            "finder.py": "import sys\nimport fnmatch\nasked = []\nclass F:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            "        if fnmatch.fnmatch(name, 'm'): asked.append(name)\n"
            "def install(): sys.meta_path.insert(0, F())\n"
        },
        native=False,
    ),
    "own_import_function": Case(
        "import builtins\nseen = []\nold = builtins.__import__\n"
        "def new(name, *a, **k):\n    seen.append(name)\n    return old(name, *a, **k)\n"
        "import m\nbuiltins.__import__ = new\nm\nassert 'm' in seen\n"
    ),
    "sys_modules_entry": Case(
        "import types\nimport fake\nsys.modules['fake'] = types.SimpleNamespace(v=4)\n"
        "assert fake.v == 4\n"
    ),
    "reload": Case("import importlib\nimport m\nm.x = 5\nimportlib.reload(m)\nassert m.x == 1\n"),
    "reload_of_lazy_importer": Case(
        "import importlib\nimport u\nassert u.g() == 1\nimportlib.reload(u)\nassert u.g() == 1\n",
        {"u.py": "import m\ndef g(): return m.x\n"},
    ),
    # Libraries.
    "mock_patch": Case(
        "from unittest import mock\nimport u\nwith mock.patch('u.x', 5):\n    assert u.g() == 5\n"
        "assert u.g() == 1\n",
        {"u.py": "from m import x\ndef g(): return x\n"},
    ),
    "mock_patch_of_module": Case(
        "from unittest import mock\nimport u\nwith mock.patch('u.m') as fake:\n    fake.x = 6\n"
        "    assert u.g() == 6\nassert u.g() == 1\n",
        {"u.py": "import m\ndef g(): return m.x\n"},
    ),
    "pickle": Case(
        "import pickle\nfrom m import K\nassert type(pickle.loads(pickle.dumps(K()))) is K\n"
    ),
    "pickle_of_builtin": Case(
        "import pickle\nfor f in (eval, exec, len):\n"
        "    assert pickle.loads(pickle.dumps(f)) is f\n"
    ),
    "type_hints_of_function": Case(
        "import typing\nimport u\nassert typing.get_type_hints(u.g)['a'].__name__ == 'K'\n",
        {"u.py": "from m import K\ndef g(a: 'K'): pass\n"},
    ),
    "type_hints_of_class": Case(
        "import typing\nimport u\nassert typing.get_type_hints(u.C)['a'].__name__ == 'K'\n",
        {"u.py": "from m import K\nclass C:\n    a: 'K'\n"},
    ),
    "dataclass": Case(
        "import dataclasses\nfrom m import K\n@dataclasses.dataclass\nclass C:\n"
        "    k: K = None\n    n: 'K' = dataclasses.field(default_factory=K)\n"
        "assert type(C().n) is K and dataclasses.fields(C)\n"
    ),
    "named_tuple": Case(
        "import typing\nfrom m import K\nclass T(typing.NamedTuple):\n    a: K\n"
        "assert T(1).a == 1\n"
    ),
    "enum": Case("import enum\nclass C(enum.Enum):\n    A = 1\nassert C.A.value == 1\n"),
    "signature": Case(
        "import inspect\nassert str(inspect.signature(exec)).startswith('(source')\n"
        "assert inspect.signature(len)\n"
    ),
    "runpy": Case(
        "import runpy\nassert runpy.run_path('r.py')['v'] == 1\n"
        "assert runpy.run_module('r')['v'] == 1\n",
        {"r.py": "import m\nv = m.x\n"},
    ),
    "warnings_at_statement": Case(
        "import warnings\nwith warnings.catch_warnings(record=True) as w:\n"
        "    warnings.simplefilter('always')\n    import m\n    m.x\nassert not w\n"
    ),
    "trace": Case(
        "import m\nlines = []\ndef t(frame, event, arg):\n    lines.append(event)\n    return t\n"
        "def g():\n    return m.x\nsys.settrace(t)\ng()\nsys.settrace(None)\n"
        "assert 'call' in lines and L('m')\n"
    ),
    "pdb": Case(
        "import io, pdb\nimport m\nfrom p import a\ndef g():\n    return m.x\n"
        "said = io.StringIO()\n"
        "typed = io.StringIO('p m.y + len(a.v)\\nstep\\ncontinue\\n')\n"
        "debugger = pdb.Pdb(stdin=typed, stdout=said, nosigint=True, readrc=False)\n"
        "debugger.use_rawinput = False\nassert debugger.runcall(g) == 1\n"
        "assert '3\\n' in said.getvalue(), said.getvalue()\nassert L('m') and L('p.a')\n"
    ),
    "lines_by_trace": Case(
        "import trace\nimport m\ndef g():\n    return m.x\n"
        "tracer = trace.Trace(count=1, trace=0)\nassert tracer.runfunc(g) == 1\n"
        "ran = {(file.rpartition('/')[2], line) for file, line in tracer.results().counts}\n"
        "assert {('case.py', 6), ('m.py', 1), ('m.py', 4)} <= ran, ran\n"
    ),
    "lines_by_monitoring": Case(
        "import m\nran = []\ndef g():\n    return m.x\n"
        "def on_line(code, line): ran.append((code.co_filename.rpartition('/')[2], line))\n"
        "mon = sys.monitoring\nmon.use_tool_id(mon.COVERAGE_ID, 'lines')\n"
        "mon.register_callback(mon.COVERAGE_ID, mon.events.LINE, on_line)\n"
        "mon.set_events(mon.COVERAGE_ID, mon.events.LINE)\nassert g() == 1\n"
        "mon.set_events(mon.COVERAGE_ID, 0)\n"
        "assert {('case.py', 6), ('m.py', 1)} <= set(ran), ran\n",
        oldest=(3, 12),
    ),
    "builtins_added": Case(
        "import builtins\nimport m\ndef g(): return added\nbuiltins.added = 3\nassert g() == 3\n"
        "m.x\nassert g() == 3\ndel builtins.added\n"
    ),
    "builtins_added_in_dict": Case(
        "import builtins\nimport m\ndef g(): return added\n"
        "builtins.__dict__['added'] = 3\nassert g() == 3\n"
    ),
    "builtins_as_module": Case("import m\nassert __builtins__.len is len\n"),
    "name_of_builtin": Case(
        "from u import open\nassert open() == 'own'\n", {"u.py": "def open(): return 'own'\n"}
    ),
    "garbage": Case(
        "import gc\nimport m\ngc.collect()\ngc.set_threshold(1)\nassert m.x == 1\ngc.collect()\n"
    ),
    "module_is_freed": Case(
        "import gc, weakref\nimport u\nr = weakref.ref(u.C)\ndel sys.modules['u']\n"
        "globals().pop('u')\ngc.collect()\nassert r() is None\n",
        {"u.py": "import m\nclass C:\n    def g(self): return m\n"},
    ),
    # Functions that name what is pending.
    "code_shows_plain_names": Case(
        "import marshal\nimport m\ndef g(): return len, m\ncode = g.__code__\n"
        "assert [type(n) for n in code.co_names] == [str, str] and code.co_names == ('len', 'm')\n"
        "twin = code.replace(co_name='h')\nassert twin.co_names == code.co_names\n"
        "assert marshal.loads(marshal.dumps([code])) == [code] and {code: 1}[code.replace()] == 1\n"
        "assert not L('m')\nassert type(g)(twin, globals())()[1].x == 1 and g()[1] is m\n"
    ),
    "decorator_replaces_code": Case(
        "import types\nimport m\n@types.coroutine\ndef g():\n    yield m.x\n"
        "assert not L('m') and list(g()) == [1]\n"
    ),
    "attribute_of_the_same_name": Case(
        "import m\nclass C: pass\ndef g(c):\n    c.m = 1\n    return m.x + c.m\nc = C()\n"
        "assert not L('m') and g(c) == 2 and [type(n) for n in vars(c)] == [str]\n"
    ),
    "global_of_the_same_name": Case(
        "import m\ndef g():\n    global m\n    was = m.x\n    m = 2\n    return was\n"
        "assert L('m') and g() == 1 and m == 2 and all(type(n) is str for n in globals())\n",
        native=False,
    ),
    "inner_functions": Case(
        "import m\ndef g(): return [(lambda: m.x)() for i in range(3)]\n"
        "def h():\n    class C:\n        k = m.y\n    return C.k\nassert not L('m')\n"
        "assert g() == [1, 1, 1] and h() == 2\n"
    ),
    "code_of_another_module": Case(
        "import types\nimport u, v\nh = types.FunctionType(u.g.__code__, vars(v))\n"
        "assert h() == 'n' and u.g() == 1 and h() == 'n'\n",
        {
            "u.py": "from m import x as q\ndef g(): return q\n",
            "v.py": "from n import w as q\ndef k(): return q\n",
        },
    ),
    "bound_anew_by_import": Case(
        "import m\ndef g(): return m\nassert g().x == 1\nfrom n import w as m\nassert g() == 'n'\n"
    ),
    "bound_anew_while_pending": Case(
        "import m\ndef g(): return m\nfrom n import w as m\nassert g() == 'n' and not L('m')\n"
        "import p as q\ndef h(): return q\nglobals()['q'] = 5\nassert h() == h() == 5\n"
        "assert not L('p')\n"
    ),
    "error_in_function": Case(
        "import bad\ndef g(): return bad\nfor i in range(2):\n    try:\n        g()\n"
        "    except ValueError as e:\n        assert isinstance(e.__cause__, ImportError)\n"
        "    else:\n        raise AssertionError\n"
    ),
    "generator_that_waits": Case(
        "import m\ndef g():\n    yield len\n    yield m.x\n    yield m.y\nt = g()\nnext(t)\n"
        "assert not L('m') and list(t) == [1, 2] and list(g())[1:] == [1, 2]\n"
    ),
    # Marked imports, the filter, and threads are in test_control.py and test_races.py.
}
