"""Reports in every form, for one program that violates several budgets."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from gating import VIOLATED, Project
from harness.build import ROOT


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the reports of one run, as gate.json, gate.md and so on."""
    project = Project(tmp_path_factory.mktemp("reports") / "project")
    project.write({"app.py": "import data\n", "data.py": "import colorsys\nimport json\n"})
    project.configure('run = "app.py"\nforbid = ["colorsys"]\nlazy = ["json"]\nmodules = 200')
    folder = project.folder.parent
    forms = {"json": "json", "markdown": "md", "junit": "xml", "sarif": "sarif", "github": "txt"}
    options = [f"--{form}={folder}/gate.{ending}" for form, ending in forms.items()]
    done = project.run(*options)
    assert done.returncode == VIOLATED, done.stderr
    (folder / "terminal").write_text(done.stdout)
    return folder


def test_json_fits_its_schema(reports: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    report = json.loads((reports / "gate.json").read_text())
    schema = json.loads((ROOT / "docs/schema/gate.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(report)
    (entry,) = report["entries"]
    assert [one["kind"] for one in entry["problems"]] == ["forbidden", "not-lazy"]


def test_junit_has_a_case_for_each_kind(reports: Path) -> None:
    root = ElementTree.parse(reports / "gate.xml").getroot()
    suite = root.find("testsuite")
    assert suite is not None and suite.get("name") == "app"
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["start-forbidden-module", "start-not-lazy"]


def test_sarif_is_as_the_standard_says(reports: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = json.loads((Path(__file__).parent / "sarif.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    log = json.loads((reports / "gate.sarif").read_text())
    validator.validate(log)
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        (flow,) = result["codeFlows"]
        last = flow["threadFlows"][0]["locations"][-1]["location"]["physicalLocation"]
        assert last == result["locations"][0]["physicalLocation"]
    # A schema that lets everything pass would prove nothing.
    run["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert not validator.is_valid(log)


def test_sarif_has_places_within_the_repository(reports: Path) -> None:
    results = json.loads((reports / "gate.sarif").read_text())["runs"][0]["results"]
    found = [
        (
            one["ruleId"],
            one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            one["locations"][0]["physicalLocation"]["region"]["startLine"],
        )
        for one in results
    ]
    assert found == [
        ("start-forbidden-module", "data.py", 1),
        ("start-not-lazy", "data.py", 2),
    ]


def test_annotations_stand_at_the_lines(reports: Path) -> None:
    lines = (reports / "gate.txt").read_text().splitlines()
    assert [line.split("::")[1].split(",title")[0] for line in lines] == [
        "error file=data.py,line=1",
        "error file=data.py,line=2",
    ]


def test_people_are_told_what_to_do(reports: Path) -> None:
    markdown = (reports / "gate.md").read_text()
    terminal = (reports / "terminal").read_text()
    chain = "__main__ (app.py:1) -> data (data.py:1) -> colorsys"
    for text in (markdown, terminal):
        assert chain in text and "colorsys" in text, text
    assert "what to do: drop the import" in markdown
    assert "= help: drop the import" in terminal
