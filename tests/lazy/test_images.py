"""An image may hold pending names: a program whose package makes imports lazy is frozen with them,
and they are loaded after the thaw.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from harness import images
from harness.clock import write
from harness.running import Conditions
from lazily import ROOT, environment

PACKAGE = """\
import glowplug.lazy
glowplug.lazy.install()
import decimal
import missing
from xml.dom import minidom
from used import first, second
import used.inner

def number(): return decimal.Decimal(1)
def document(): return minidom.parseString("<a/>").toxml()
def both(): return first, used.inner.third
def lost():
    try:
        missing
    except ModuleNotFoundError as error:
        return error.name, error.__cause__.__traceback__.tb_lineno
    raise AssertionError("nothing raised")
"""

MAIN = """\
import package
import sys
import threading

NAMES = ("decimal", "used", "used.inner", "xml.dom")
print([name in sys.modules for name in NAMES])
print(sorted(glow for glow in package.glowplug.lazy.pending(package)))
print(package.both(), package.second, package.lost(), package.lost())
results = []
threads = [
    threading.Thread(target=lambda: results.append((package.number(), package.document())))
    for _ in range(4)
]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(set(results)), results[0])
print([name in sys.modules for name in NAMES])
"""

PENDING = ("decimal", "used", "used.inner", "xml.dom.minidom")


def install(folder: Path) -> Path:
    """The package of this checkout beside the runtime that is tested, as a wheel lays them out. A
    freezer is not told where the runtime is.
    """
    shutil.copytree(ROOT / "python" / "glowplug", folder / "glowplug")
    (folder / "lib").mkdir()
    (folder / "lib" / "glowplug").symlink_to(environment()["GLOWPLUG_RUNTIME"])
    return folder


def test_names_that_are_pending_in_an_image(each_starter, built):
    """A thawed start prints what a plain one does, and the image has none of the modules."""
    project = each_starter.folder / "project"
    main = write(project / "main.py", MAIN)
    write(project / "package" / "__init__.py", PACKAGE)
    write(project / "used" / "__init__.py", "first, second = 1, 2\n")
    write(project / "used" / "inner.py", "third = 3\n")
    how = Conditions(env={"PYTHONPATH": str(install(each_starter.folder / "site"))})
    plain = each_starter.both(main, conditions=how, prove=True, expect=0)
    assert plain.text().startswith("[False, False, False, False]\n")
    (image,) = each_starter.images()
    modules = images.read(image).meta["modules"]
    assert "package" in modules
    assert not set(PENDING) & set(modules)
