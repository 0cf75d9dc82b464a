"""Credentials: none gets into an image or any other file unless it is allowed, and images are used
by nobody with other rights.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess

import pytest
from harness import images, sandbox, tracing
from harness.build import ROOT
from harness.clock import settle, write
from harness.interpreters import interpreters
from harness.running import Conditions, run
from harness.starting import Starter

SECRETS = {
    "plain name": ("SOMETHING_ELSE", "correct-horse-battery-staple-1"),
    "name": ("DB_PASSWORD", "correct-horse-battery-staple-2"),
    "value": ("INNOCENT", "ghp_" + "correcthorsebatterystaple3"),
    "key prefix": ("PYTHON_API_TOKEN", "correct-horse-battery-staple-4"),
    "key value": ("LC_MINE", "postgres://me:correct-horse-battery-staple-5@db/x"),
}
ARGUMENT = "correct-horse-battery-staple-6"
STDIN = "correct-horse-battery-staple-7"
FILE = "correct-horse-battery-staple-8"
CODE = "correct-horse-battery-staple-9"
ALL = [*(value for _, value in SECRETS.values()), ARGUMENT, STDIN, FILE, CODE]


def planted(starter) -> Conditions:
    """Secrets in the environment and on standard input; temporary files cannot be made."""
    env = dict(SECRETS.values())
    return Conditions(stdin=STDIN.encode(), env={**env, "TMPDIR": "/nonexistent"})


def written(starter) -> dict[str, bytes]:
    """Every file below the test's folder that Glowplug may have written."""
    folders = [starter.cache, starter.folder / "home", starter.work, starter.folder / "out"]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(starter.folder)): path.read_bytes() for path in files}


def found(starter) -> list[tuple[str, str]]:
    return [
        (name, secret)
        for name, data in written(starter).items()
        for secret in ALL
        if secret.encode() in data or secret.encode("utf-16-le") in data
    ]


PROGRAM = """\
import json
import email.message
import subprocess
import sys

print(json.dumps([sys.stdin.read(), sys.argv[1:], open({file!r}).read()]))
"""


def test_nothing_that_was_not_asked_for_is_written(starter, built):
    """Secrets planted in environment, arguments, standard input and files that the program reads
    are in no byte of any file after recorded starts, freezers and thaws.
    """
    secret = write(starter.folder / "project" / "secret.txt", FILE)
    script = write(starter.folder / "project" / "main.py", PROGRAM.format(file=str(secret)))
    how = planted(starter)
    plain = starter.plain(script, ARGUMENT, conditions=how)
    assert plain.status == 0
    for via in ("auto", "auto", "thaw"):
        outcome = starter.start(script, ARGUMENT, via=via, conditions=how)
        assert (outcome.status, outcome.stdout, outcome.stderr) == (0, plain.stdout, b""), outcome
        starter.wait_until_idle()
    assert starter.freeze(script, conditions=how).status == 0
    code = f"import json\nTOKEN = '{CODE}'\nimport email.message\nprint(json.dumps(1))"
    for _ in range(2):
        assert starter.start("-c", code, ARGUMENT, conditions=how).status == 0
        starter.wait_until_idle()
    assert starter.start("-c", code, via="thaw", conditions=how).status == 0
    (starter.folder / "out").mkdir()
    image = starter.folder / "out" / "any.image"
    words = ["freeze", "--python", starter.python, "--preload", "json", "-o", image]
    assert starter.execute(*words, conditions=how).status == 0
    assert len(starter.images()) == 2 and not any(
        images.read(path).is_refusal for path in starter.images()
    )
    assert found(starter) == []


def test_every_byte_that_a_freezer_writes(starter, built):
    """Also what it writes to files that it removes again, or that never have a name."""
    script = write(
        starter.folder / "project" / "main.py", PROGRAM.format(file=starter.folder / "nothing")
    )
    output = starter.folder / "any.image"
    freeze = ["freeze", "--python", starter.python]
    for words in (
        [*freeze, "--", script, ARGUMENT],
        [*freeze, "--preload", "json", "-o", output],
    ):
        parts: dict[str, list[bytes]] = {}

        def take(call: tracing.Call, parts=parts) -> bool:
            if call.name in {"write", "pwrite64"}:
                parts.setdefault(call.path, []).append(tracing.written(call))
            return False

        starter.fresh_work()
        settle()
        env = {**starter.env, **planted(starter).env}
        outcome = tracing.run(starter.command(*words), env, starter.work, [tracing.Fault(take)])
        assert outcome.status == 0, outcome
        data = b"".join(b"".join(pieces) for pieces in parts.values())
        # The image was written twice, for the rehearsal and with what that taught.
        image = output if output in words else starter.images()[0]
        assert image.stat().st_blocks * 512 * 2 < len(data) * 1.2 and b"json.decoder" in data
        assert [secret for secret in ALL if secret.encode() in data] == []


def test_search_would_find_a_secret(starter, built):
    """The search itself: a secret that a module holds is found in its image."""
    write(starter.folder / "project" / "holds.py", f"VALUE = '{FILE}'\n")
    script = write(starter.folder / "project" / "main.py", "import holds\nprint(1)\n")
    assert starter.freeze(script).status == 0
    assert {secret for _, secret in found(starter)} == {FILE}


READS = {
    "os.environ": "import os\nVALUE = os.environ.get({name!r})\n",
    "subscript": (
        "import os\ntry:\n    VALUE = os.environ[{name!r}]\n"
        "except KeyError:\n    raise SystemExit(9)\n"
    ),
    "c": (
        "import ctypes\nget = ctypes.CDLL(None).getenv\nget.restype = ctypes.c_char_p\n"
        "VALUE = get({name!r}.encode())\n"
    ),
}


@pytest.mark.parametrize("way", READS)
@pytest.mark.parametrize("kind", ["name", "value", "key prefix", "key value"])
def test_import_that_reads_a_credential(starter, built, way, kind):
    """There is no image, the variable is named, and its value is nowhere; once it is allowed there
    is one, and another for another value.
    """
    name, value = SECRETS[kind]
    write(starter.folder / "project" / "reads.py", READS[way].format(name=name))
    script = write(starter.folder / "project" / "main.py", "import json\nimport reads\nprint(1)\n")
    how = planted(starter)
    for _ in range(2):
        assert starter.start(script, conditions=how).stdout == b"1\n"
        starter.wait_until_idle()
    way_taken, _ = starter.explained(script, conditions=how)
    starter.wait_until_idle()
    assert way_taken.startswith("plain: ") and f"`{name}`" in way_taken, way_taken
    assert "allow-secrets" in way_taken
    refused = starter.freeze(script, conditions=how)
    assert refused.status == 122 and name in refused.errors(), refused
    assert found(starter) == []

    allowed = Conditions(env={**how.env, "GLOWPLUG_ALLOW_SECRETS": f"OTHER, {name}"}, stdin=b"")
    assert starter.freeze(script, conditions=allowed).status == 0
    assert starter.start(script, via="thaw", conditions=allowed).stdout == b"1\n"
    assert {secret for _, secret in found(starter)} == {value}
    other = Conditions(env={**allowed.env, name: "ghp_" + "other" * 8}, stdin=b"")
    assert starter.start(script, via="thaw", conditions=other).status == 124


def test_credential_that_is_not_set_or_is_none(starter, built):
    """Asking for a variable that is not set, empty or a switch hinders nobody."""
    write(
        starter.folder / "project" / "reads.py",
        "import os\n"
        "VALUES = [os.environ.get(name) for name in ('API_TOKEN', 'X_SECRET', 'Y_PASSWORD')]\n",
    )
    script = write(starter.folder / "project" / "main.py", "import reads\nprint(reads.VALUES)\n")
    how = Conditions(env={"X_SECRET": "", "Y_PASSWORD": "false"})
    assert starter.becomes_thawed(script, conditions=how).text() == "[None, '', 'false']\n"
    # Now there is something to lose: that is another start.
    secret = Conditions(env={**how.env, "API_TOKEN": FILE})
    assert FILE in starter.start(script, conditions=secret).text()
    starter.wait_until_idle()
    assert "`API_TOKEN`" in starter.explained(script, conditions=secret)[0]
    starter.wait_until_idle()
    assert found(starter) == []
    assert starter.explained(script, conditions=how)[0].startswith("thawed")


def test_import_that_reads_a_file_of_credentials(starter, built):
    """The same for files that are known for holding them; allowed by their path."""
    project = starter.folder / "project"
    secret = write(project / ".env", f"DB_PASSWORD={FILE}\n")
    write(
        project / "reads.py",
        "import pathlib\nVALUE = pathlib.Path(__file__).with_name('.env').read_text()\n",
    )
    script = write(project / "main.py", "import reads\nprint(len(reads.VALUE))\n")
    refused = starter.freeze(script)
    assert refused.status == 122 and str(secret) in refused.errors(), refused
    assert found(starter) == []
    write(project / "glowplug.toml", f"allow-secrets = ['{secret}']\n")
    assert starter.freeze(script).status == 0
    assert starter.start(script, via="thaw").status == 0
    assert {secret for _, secret in found(starter)} == {FILE}


def test_files_are_the_owners_alone(starter, built):
    """Folders 0700 and files 0600 whatever the umask is, also outside the cache."""
    script = write(starter.folder / "project" / "main.py", "import json\nprint(json.dumps(1))\n")
    how = Conditions(prepare=lambda: os.umask(0) and None)
    starter.becomes_thawed(script, conditions=how)
    output = starter.folder / "any.image"
    words = ["freeze", "--python", starter.python, "--preload", "json", "-o", output]
    assert starter.execute(*words, conditions=how).status == 0
    paths = [starter.cache, *starter.cache.rglob("*"), output]
    modes = {str(path): path.stat().st_mode & 0o777 for path in paths}
    wrong = {p: oct(m) for p, m in modes.items() if m != (0o700 if os.path.isdir(p) else 0o600)}
    assert wrong == {}


def test_freezer_makes_no_core_dump(starter, built):
    """Whatever the limit of core dumps is, the freezer's interpreter has one under which the kernel
    makes none.
    """
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("core dumps are forbidden here")
    # A module that looks at its limits when it is imported is not preloaded; a hook may look.
    write(
        starter.folder / "project" / "looks.py",
        "import resource\nimport glowplug\nlimit = None\n\n"
        "@glowplug.before_freeze\ndef look():\n    global limit\n"
        "    limit = resource.getrlimit(resource.RLIMIT_CORE)[0]\n",
    )
    script = write(starter.folder / "project" / "main.py", "import looks\nprint(looks.limit)\n")

    def allow_cores() -> None:
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    how = Conditions(prepare=allow_cores, env={"PYTHONPATH": str(ROOT / "python")})
    assert starter.freeze(script, conditions=how).status == 0
    assert starter.start(script, via="thaw", conditions=how).text() == "1\n"


SCRIPT = "import json\nimport os\nprint(json.dumps([os.getuid(), os.geteuid()]))\n"


def reachable_interpreters():
    """Interpreters that another user can start."""
    return [
        interpreter
        for interpreter in interpreters()
        if all(parent.stat().st_mode & 0o001 for parent in interpreter.path.resolve().parents)
    ][:1]


@pytest.fixture
def shared(built):
    """A starter in a folder that other users can work in."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become others")
    found = reachable_interpreters()
    if not found:
        pytest.skip("needs an interpreter that other users can reach, such as Debian's python3")
    with sandbox.open_folder(built.parent.parent) as folder:
        starter = Starter(found[0], folder / "build" / "bin" / "glowplug", folder)
        for made in (starter.work, folder / "home"):
            made.mkdir()
            os.chown(made, sandbox.NOBODY, sandbox.NOBODY)
        (folder / "main.py").write_text(SCRIPT)
        settle()
        yield starter


def started(starter, prepare, *options):
    command = starter.command("run", "--python", starter.python, "--explain", *options)
    how = Conditions(prepare=prepare)
    outcome = run([*command, starter.folder / "main.py"], starter.env, starter.work, how)
    starter.wait_until_idle()
    return outcome


def test_process_with_other_ids_uses_and_makes_no_image(shared):
    """Real and effective user or group differ, as under setuid: plain, and nothing is written."""

    def as_root_for_nobody() -> None:
        os.setresuid(0, sandbox.NOBODY, 0)

    def as_nobody_with_a_group() -> None:
        os.setresgid(0, sandbox.NOBODY, 0)
        os.setresuid(sandbox.NOBODY, sandbox.NOBODY, sandbox.NOBODY)

    for prepare in (as_root_for_nobody, as_nobody_with_a_group):
        for _ in range(2):
            outcome = started(shared, prepare)
            assert outcome.status == 0 and "plain: " in outcome.errors(), outcome
            assert "differ" in outcome.errors() or "more rights" in outcome.errors(), outcome
        assert shared.images() == []
    for _ in range(2):
        outcome = started(shared, sandbox.become_nobody)
    assert outcome.errors().startswith("glowplug: thawed"), outcome
    assert "plain: " in started(shared, as_root_for_nobody).errors()


def test_process_with_capabilities_uses_no_image(shared):
    """A user with a capability that users do not have."""
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv (util-linux)")
    for _ in range(2):
        outcome = started(shared, sandbox.become_nobody)
    assert outcome.errors().startswith("glowplug: thawed"), outcome
    nobody = str(sandbox.NOBODY)
    setpriv = ["setpriv", "--reuid", nobody, "--regid", nobody, "--clear-groups"]
    setpriv += ["--inh-caps", "+net_bind_service", "--ambient-caps", "+net_bind_service"]
    command = shared.command("run", "--python", shared.python, "--explain")
    outcome = run([*setpriv, *command, shared.folder / "main.py"], shared.env, shared.work)
    if "setpriv:" in outcome.errors():
        pytest.skip("needs the capability net_bind_service")
    assert outcome.status == 0 and "has capabilities" in outcome.errors(), outcome


def test_interpreter_with_rights_of_its_own(shared):
    """Its rights come with its execution, so it is always executed."""
    interpreter = shared.folder / "python3"
    shutil.copy(shared.interpreter.path.resolve(), interpreter)
    interpreter.chmod(0o2755)
    words = shared.command("freeze", "--python", interpreter, "--", shared.folder / "main.py")
    env = {
        **shared.env,
        "PYTHONHOME": subprocess.run(
            [shared.python, "-c", "import sys; print(sys.base_prefix)"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip(),
    }
    refused = run(words, env, shared.work)
    assert refused.status == 122 and "setgid" in refused.errors(), refused
