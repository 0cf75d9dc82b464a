"""What is random stays random: twenty thaws of one image share no value; what is seeded stays the
same.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from harness.clock import write
from harness.running import Conditions

SITUATION = Path(__file__).parent / "situations" / "randomness.py"
STARTS = 20


@pytest.mark.core
def test_no_value_repeats(each_starter):
    """Nor does any value of an image that was frozen from the same inputs."""
    values = defaultdict(list)
    if each_starter.glowplug:
        each_starter.ensure_frozen(SITUATION)
    for _ in range(STARTS):
        outcome = (
            each_starter.start(SITUATION, via="thaw")
            if each_starter.glowplug
            else each_starter.plain(SITUATION)
        )
        assert outcome.status == 0, outcome.errors()
        for line in outcome.text().splitlines():
            source, _, value = line.rpartition(" ")
            values[source.partition(" ")[0]].append(value)
    assert len(set(values.pop("SEEDED"))) == 1
    repeating = {source for source, seen in values.items() if len(set(seen)) < STARTS}
    assert not repeating, f"these repeat: {repeating}"
    assert len(values) > 8


def test_forks_differ(starter):
    """After a fork in a thawed process, parent and child draw what they do in plain Python."""
    script = write(
        starter.folder / "forks.py",
        "import os\nimport random\nimport uuid\nr, w = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.write(w, f'{random.random()} {uuid.uuid4()}'.encode()); os._exit(0)\n"
        "os.wait()\nprint(os.read(r, 1000).decode() == f'{random.random()} {uuid.uuid4()}')\n",
    )
    assert starter.both(script, expect=0).stdout == b"False\n"


@pytest.mark.parametrize("seed", ["0", "12345"])
def test_fixed_hash_seed(starter, seed):
    """A hash seed that the user fixes holds."""
    script = write(
        starter.folder / "hashes.py",
        "import json\nimport sys\n"
        "print(hash('x'), json.dumps(list({'a', 'b', 'c', 'd'})), sys.flags)\n",
    )
    starter.both(script, conditions=Conditions(env={"PYTHONHASHSEED": seed}), expect=0)


@pytest.mark.parametrize(
    ("options", "seed"),
    [([], None), ([], "random"), (["-R"], None), (["-R"], "0"), ([], "0")],
    ids=["usual", "random", "option", "option_and_0", "0"],
)
def test_hash_seed_of_the_next_image(starter, built, options, seed):
    """Random seeds are drawn for each image, also where `-R` turns them on again; fixed ones stay,
    so that programs which rest on them are reproducible.
    """
    script = write(
        starter.folder / "hashes.py",
        "import json\nimport sys\nprint(hash('x'), sys.flags.hash_randomization)\n",
    )
    how = Conditions(env={} if seed is None else {"PYTHONHASHSEED": seed})
    plain = [starter.plain(*options, script, conditions=how).text().split() for _ in range(2)]
    fixed = plain[0] == plain[1]
    assert fixed == (seed == "0" and not options)
    thawed = []
    for _ in range(2):
        assert starter.freeze(*options, script, conditions=how).status == 0
        outcomes = [starter.start(*options, script, via="thaw", conditions=how) for _ in range(2)]
        assert outcomes[0].stdout == outcomes[1].stdout
        thawed.append(outcomes[0].text().split())
    assert [flag for _, flag in plain] == [flag for _, flag in thawed]
    assert (thawed[0] == thawed[1]) == fixed
    if fixed:
        assert thawed[0] == plain[0]
