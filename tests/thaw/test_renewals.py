"""Modules that take the whole environment when they are imported hold that of each start."""

from __future__ import annotations

from harness import images
from harness.clock import write
from harness.running import Conditions

SECRET = "0f5a-only-in-the-environment-of-the-freezer"


def test_environment_of_wsgi_requests(each_starter):
    """`wsgiref.handlers` copies the environment; the image holds nothing of it."""
    script = write(
        each_starter.folder / "project" / "main.py",
        "import json\nimport os\nimport wsgiref.handlers\nimport wsgiref.simple_server\n"
        "held = wsgiref.handlers.BaseHandler.os_environ\n"
        "assert held is wsgiref.simple_server.ServerHandler.os_environ\n"
        "assert held == wsgiref.handlers.read_environ() and held.keys() == os.environ.keys()\n"
        "assert wsgiref.handlers.CGIHandler.os_environ == {}\n"
        "print(json.dumps(list(held.items())))\n",
    )
    there = Conditions(env={"SECRET": SECRET, "PATH_INFO": "/caf\u00e9", "ONLY_THERE": "1"})
    here = Conditions(env={"PATH_INFO": "/th\u00e9", "ONLY_HERE": "2"})
    plain = each_starter.both(script, conditions=here, freeze_conditions=there, expect=0)
    assert "ONLY_HERE" in plain.text() and "ONLY_THERE" not in plain.text()
    if each_starter.glowplug:
        (path,) = each_starter.images()
        assert "wsgiref.handlers" in images.read(path).meta["modules"]
        assert SECRET.encode() not in path.read_bytes()


def test_copy_that_nobody_renews(starter, built):
    """The same function called by another module makes a copy that no table knows."""
    write(
        starter.folder / "project" / "copies.py",
        "from wsgiref.handlers import read_environ\nCOPY = read_environ()\n",
    )
    script = write(
        starter.folder / "project" / "main.py",
        "import copies\nprint(copies.COPY['VALUE'])\n",
    )
    starter.both_whichever_way(script, conditions=Conditions(env={"VALUE": "one"}))
    starter.both_whichever_way(script, conditions=Conditions(env={"VALUE": "two"}))
    for path in starter.images():
        (kept,) = images.read(path).meta["apart"]
        assert kept["module"] == "copies" and "environment" in kept["cause"]


def test_state_that_was_changed_after_it_was_made(starter, built):
    """What is not what the renewal would make must not be replaced by it."""
    write(
        starter.folder / "project" / "changes.py",
        "import wsgiref.handlers\nwsgiref.handlers.BaseHandler.os_environ['ADDED'] = 'by hand'\n",
    )
    script = write(
        starter.folder / "project" / "main.py",
        "import changes\nfrom wsgiref.handlers import BaseHandler\n"
        "print(BaseHandler.os_environ['ADDED'])\n",
    )
    starter.both_whichever_way(script)
    (path,) = starter.images()
    assert "wsgiref.handlers" in {kept["module"] for kept in images.read(path).meta["apart"]}
