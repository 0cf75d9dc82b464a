"""Popular packages do a small real job, thawed and plainly, with the same output."""

from __future__ import annotations

import os
import resource
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from harness import images
from harness.clock import write
from harness.environments import in_environment
from harness.running import Conditions
from harness.starting import require_same

PROGRAMS = Path(__file__).parent / "programs"
pytestmark = pytest.mark.packages


@dataclass(frozen=True)
class Job:
    """A program and what it needs."""

    requirements: str
    modules: tuple[str, ...]
    """What its image must have preloaded: an image without it would prove nothing."""
    minors: tuple[tuple[int, int], ...] = ((3, 11),)
    env: dict[str, str] = field(default_factory=dict)


BOTH = ((3, 11), (3, 13))
JOBS = {
    "numpy_job": Job("data", ("numpy", "numpy.linalg"), BOTH),
    "pandas_job": Job("data", ("pandas", "numpy"), BOTH),
    "sklearn_job": Job("data", ("sklearn.ensemble", "sklearn.linear_model")),
    "pillow_job": Job("data", ("PIL.Image", "PIL.ImageDraw")),
    "polars_job": Job("frames", ("polars",)),
    "pyarrow_job": Job("frames", ("pyarrow", "pyarrow.parquet")),
    "xgboost_job": Job("frames", ("xgboost",)),
    "lxml_job": Job("web", ("lxml.etree",)),
    "cryptography_job": Job("web", ("cryptography.fernet",), BOTH),
    "requests_job": Job("web", ("requests", "urllib3")),
    "django_job": Job("web", ("django.db.models",), BOTH),
    # Its test client warns at import; an import that prints is not frozen.
    "fastapi_job": Job("web", ("fastapi", "pydantic"), BOTH, env={"PYTHONWARNINGS": "ignore"}),
    "boto3_job": Job("web", ("boto3", "botocore")),
    "pydantic_job": Job("web", ("pydantic",)),
    "sqlalchemy_job": Job("web", ("sqlalchemy.orm",)),
    "matplotlib_job": Job("more", ("matplotlib.pyplot",)),
    "terminal_job": Job("more", ("rich.table", "typer", "jinja2")),
    "aiohttp_job": Job("more", ("aiohttp.web", "httpx")),
    "threads_of_blas": Job("data", ("numpy", "scipy.linalg"), BOTH),
    "threads_of_openmp": Job("frames", ("xgboost",)),
    "threads_of_frames": Job("frames", ("polars", "pyarrow.dataset")),
    "tensorflow_job": Job(
        "tensorflow",
        ("tensorflow",),
        # Its log lines bear the time.
        env={"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"},
    ),
}
CASES = [(name, minor) for name, job in JOBS.items() for minor in job.minors]


@pytest.mark.parametrize(
    ("name", "minor"), CASES, ids=lambda v: v if isinstance(v, str) else "{}.{}".format(*v)
)
def test_job(starter, name, minor):
    job = JOBS[name]
    inside = in_environment(starter, job.requirements, minor)
    conditions = Conditions(env=job.env)
    inside.both(PROGRAMS / f"{name}.py", conditions=conditions, expect=0, prove=True)
    if inside.glowplug:
        (path,) = inside.images()
        assert set(job.modules) <= set(images.read(path).meta["modules"])


@pytest.mark.parametrize("name", ["threads_of_blas", "threads_of_openmp", "threads_of_frames"])
def test_pools_on_one_processor(starter, name):
    """Pools are as large as the processors that the program may use, whoever froze it."""
    inside = in_environment(starter, JOBS[name].requirements)
    script = PROGRAMS / f"{name}.py"
    if inside.glowplug:
        inside.ensure_frozen(script)
    one = min(os.sched_getaffinity(0))
    conditions = Conditions(prepare=lambda: os.sched_setaffinity(0, {one}))
    plain = inside.plain(script, conditions=conditions)
    assert plain.status == 0, plain.errors()
    if inside.glowplug:
        for _ in range(2):
            require_same(plain, inside.start(script, conditions=conditions))
            inside.wait_until_idle()
        require_same(plain, inside.start(script, via="thaw", conditions=conditions))


def test_spilled_files_are_deleted(starter):
    """By polars' cleaner, a thread that its import starts."""
    inside = in_environment(starter, "frames")
    spill = starter.folder / "spill"
    settings = {"SPILL_DIR": str(spill), "MEMORY_BUDGET_MB": "1", "SPILL_MIN_BYTES": "1"}
    conditions = Conditions(env={f"POLARS_OOC_{name}": value for name, value in settings.items()})
    inside.both(PROGRAMS / "polars_spill.py", conditions=conditions, expect=0, prove=True)


def test_length_of_command_lines(starter):
    """`pre_commit.xargs` computes a default from the environment."""
    inside = in_environment(starter, "tools")
    script = PROGRAMS / "pre_commit_arguments.py"

    def narrow():
        resource.setrlimit(resource.RLIMIT_STACK, (512 << 10, resource.RLIM_INFINITY))

    small = Conditions(prepare=narrow)
    large = Conditions(env={"LARGE": "x" * 20_000}, prepare=narrow)
    one = inside.both(script, conditions=small, freeze_conditions=small, expect=0)
    other = inside.both(script, conditions=large, freeze_conditions=small, expect=0)
    assert one.stdout != other.stdout


@pytest.mark.parametrize(
    ("name", "requirements"),
    [
        ("numpy_randomness", "data"),
        ("cryptography_randomness", "web"),
        ("frames_randomness", "frames"),
        ("tensorflow_randomness", "tensorflow"),
    ],
)
def test_unseeded_numbers_differ(starter, name, requirements):
    inside = in_environment(starter, requirements)
    script = PROGRAMS / f"{name}.py"
    # What tensorflow logs when it is imported keeps it from being preloaded.
    how = Conditions(env={"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"})
    if inside.glowplug:
        inside.ensure_frozen(script, conditions=how)
    values = defaultdict(list)
    for _ in range(20):
        outcome = (
            inside.start(script, via="thaw", conditions=how)
            if inside.glowplug
            else inside.plain(script, conditions=how)
        )
        assert outcome.status == 0, outcome.errors()
        for line in outcome.text().splitlines():
            values[line.split()[0]].append(line)
    repeating = {source for source, lines in values.items() if len(set(lines)) < 20}
    assert values and not repeating


CONFIGURATION = """\
repos:
-   repo: local
    hooks:
    -   id: one
        name: one
        entry: echo
        language: system
"""

TOOLS = {
    "http_offline": (
        "http",
        [
            "--offline",
            "--ignore-stdin",
            "--pretty=all",
            "POST",
            "http://example.org/x",
            "a=b",
            "n:=1",
        ],
    ),
    "http_error": ("http", ["--ignore-stdin", "--timeout=5", "GET", "http://127.0.0.1:1/"]),
    "http_usage": ("http", ["--no-such-option"]),
    "pre_commit_sample": ("pre-commit", ["sample-config"]),
    "pre_commit_validate": ("pre-commit", ["validate-config", "{folder}/config.yaml"]),
    "pre_commit_invalid": ("pre-commit", ["validate-config", "{folder}/broken.yaml"]),
    "aws_version": ("aws", ["--version"]),
    "aws_skeleton": ("aws", ["sts", "assume-role", "--generate-cli-skeleton"]),
    "aws_configure": ("aws", ["configure", "set", "region", "eu-central-1"]),
    "aws_usage": ("aws", ["s3", "no-such-command"]),
}


@pytest.mark.parametrize("name", TOOLS)
def test_command_line_tool(starter, name):
    """The console scripts of installed tools: output, errors and statuses."""
    command, arguments = TOOLS[name]
    inside = in_environment(starter, "tools")
    write(starter.folder / "config.yaml", CONFIGURATION)
    write(starter.folder / "broken.yaml", "repos: {\n")
    conditions = Conditions(
        env={
            "AWS_CONFIG_FILE": str(starter.work / "aws-config"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "COLUMNS": "80",
        }
    )
    tool = inside.interpreter.path.parent / command
    words = [argument.format(folder=starter.folder) for argument in arguments]
    inside.both(tool, *words, conditions=conditions, prove=True)
