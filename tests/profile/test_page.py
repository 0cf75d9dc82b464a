"""The pages of `glowplug profile --html` and of `glowplug profile diff --html` in a browser."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import made_up
import pytest
from harness import browser as browsers
from harness.build import glowplug
from harness.interpreters import clean_environment

MODULES = 5000
ZOOMED = "document.getElementById('canvas').dataset.focus"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    program = browsers.chromium()
    if program is None:
        pytest.skip("needs Chromium; on Debian: apt install chromium")
    with browsers.browser(program, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def page(chromium):
    """A tab; whatever a test does with it, nothing may be complained of or asked for."""
    page = chromium.page()
    yield page
    assert page.complaints == []
    outside = [url for url in page.requests if not url.startswith(("file:", "data:"))]
    assert outside == [] and sum(url.startswith("file:") for url in page.requests) == 1


def command(*words) -> str:
    done = subprocess.run(
        [glowplug(), "profile", *words], env=clean_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(folder: Path, profile: dict) -> Path:
    (folder / "profile.json").write_text(json.dumps(profile))
    command("--from", folder / "profile.json", "--html", folder / "page.html")
    return folder / "page.html"


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A page of 5,000 modules, and the profile."""
    profile = made_up.large(MODULES)
    return rendered(tmp_path_factory.mktemp("large"), profile), profile["processes"][0]["modules"]


@pytest.fixture
def small(tmp_path):
    """A page of three modules, of which `b` is imported twice."""
    modules = [
        made_up.module("__main__", None, 5_000_000, file="/srv/app.py"),
        made_up.module("a", 0, 30_000_000),
        made_up.module("a.b", 1, 20_000_000, usage="unused", bytecode="missing"),
        made_up.module("c", 0, 10_000_000),
    ]
    edges = [made_up.edge(0, 1, 3), made_up.edge(1, 2, 14), made_up.edge(0, 3, 4)]
    edges.append(made_up.edge(3, 2, 27))
    return rendered(tmp_path, made_up.profile(modules, edges))


def test_it_loads_with_all_modules(page, large):
    path, _ = large
    page.open(path)
    assert page.text("#count") == "5,000 modules"
    assert page.run("document.getElementById('table').getAttribute('aria-rowcount')") == "5001"


def test_five_thousand_modules_stay_a_lean_document(page, large):
    """Only rows in sight are elements, wherever the table stands."""
    page.open(large[0])
    for key in ("Home", "End"):
        page.run("document.getElementById('table').focus()")
        page.press(key)
        assert page.run("document.querySelectorAll('*').length") < 1500
    assert (
        page.run("document.querySelector('[data-current]').getAttribute('aria-rowindex')") == "5001"
    )


def test_search_counts_what_it_finds(page, large):
    path, modules = large
    page.open(path)
    page.press("/")
    assert page.run("document.activeElement.id") == "search"
    page.write("package3 ROUTING")
    names = [one for one in modules[1:] if "package3" in one["name"] and "routing" in one["name"]]
    assert 0 < len(names) < MODULES
    assert page.text("#result").startswith(f"{len(names)} found")
    assert page.text("#count") == f"{len(names)} of 5,000 modules"
    page.press("Enter")
    dearest = max(names, key=lambda one: one["cumulative"]["cpu_ns"])
    assert page.run(ZOOMED) == dearest["name"]
    assert page.text("#details h2") == dearest["name"]
    page.press("Escape")
    assert page.text("#count") == "5,000 modules"


@pytest.mark.parametrize("view", ["icicle", "flame", "treemap"])
def test_the_drawing_is_worked_by_keys(page, small, view):
    page.open(small)
    page.run(f"document.querySelector('[data-value={view}]').click()")
    page.run("document.getElementById('canvas').focus()")
    inwards, outwards = ("ArrowUp", "ArrowDown") if view == "flame" else ("ArrowDown", "ArrowUp")
    page.press(inwards)
    assert page.text("#details h2") == "a"
    page.press(inwards)
    assert page.text("#details h2") == "a.b"
    assert page.text("#live").startswith("a.b, 20.0 ms")
    page.press("Enter")
    assert page.run(ZOOMED) == "a.b"
    page.press("Escape")
    assert page.run(ZOOMED) == "a"
    page.press("Home")
    assert page.run(ZOOMED) == "all imports"
    page.press(inwards)
    page.press("ArrowRight")
    assert page.text("#details h2") == "c"
    page.press(outwards)
    assert page.text("#details h2") == "No module is selected"


@pytest.mark.parametrize("view", ["icicle", "flame", "treemap"])
def test_a_click_zooms(page, large, view):
    page.open(large[0])
    page.run(f"document.querySelector('[data-value={view}]').click()")
    page.run("document.getElementById('canvas').scrollIntoView({ block: 'center' })")
    box = page.run(
        "(({ x, y, width, height }) => [x, y, width, height])"
        "(document.getElementById('frame').getBoundingClientRect())"
    )
    row = box[3] - 32 if view == "flame" else 32
    page.click(box[0] + 60, box[1] + row)
    assert page.run(ZOOMED) not in (None, "all imports")
    assert page.run("document.querySelectorAll('#crumbs li').length") > 1
    page.run("document.querySelector('#crumbs button').click()")
    assert page.run(ZOOMED) == "all imports"


def test_every_importer_is_named_with_its_line(page, small):
    page.open(small)
    page.run("document.getElementById('search').focus()")
    page.write("a.b")
    page.press("Enter")
    text = page.text("#details")
    for expected in ("Imported by 2", "2 ways to it", ":14", ":27", "no .pyc", "not used"):
        assert expected in text, expected


def test_the_table_sorts_by_keyboard(page, small):
    page.open(small)
    page.run("document.querySelector('[data-column=name]').focus()")
    page.press("Enter")
    first = "document.querySelector('.line').textContent"
    assert page.run(first).startswith("a")
    page.press("Enter")
    assert page.run(first).startswith("c")
    sort = "document.querySelector('[data-column=name]').parentNode.getAttribute('aria-sort')"
    assert page.run(sort) == "descending"


def test_everything_is_reached_by_tab_and_seen(page, small):
    page.open(small)
    seen = []
    for _ in range(40):
        page.press("Tab")
        one = page.run(
            "(({ id, dataset }) => id || dataset.column || dataset.value || '')"
            "(document.activeElement)"
        )
        outline = page.run("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or not one, one
        seen.append(one)
    assert {"theme", "search", "canvas", "metric", "table", "name", "icicle"} <= set(seen)


def test_dark_and_light(page, small):
    ground = "getComputedStyle(document.body).backgroundColor"
    shades = {}
    for scheme in ("light", "dark"):
        page.emulate(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
        if scheme == "light":
            page.open(small)
        shades[scheme] = page.run(ground)
    assert shades["light"] != shades["dark"]
    for expected in ("light", "dark"):
        page.run("document.getElementById('theme').click()")
        assert page.run(ground) == shades[expected]


EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u202e\x00\x1b[31m\n"


def test_names_from_outside_stay_text(page, tmp_path):
    modules = [
        made_up.module("__main__", None, 5_000_000),
        made_up.module(EVIL, 0, 9_000_000, file=EVIL),
    ]
    profile = made_up.profile(modules, [made_up.edge(0, 1, 3)])
    profile["run"]["command"] = [EVIL]
    profile["run"]["notes"] = [EVIL]
    page.open(rendered(tmp_path, profile))
    assert page.run("document.scripts.length") == 2
    assert page.run("document.images.length") == 0
    page.run("document.querySelector('.line').click()")
    assert "\\u202e\\u0000\\u001b[31m\\u000a" in page.text("#details h2")
    assert page.text(".remarks").strip().startswith("</script>")


def test_the_page_of_a_difference(page, large, tmp_path):
    before, after = made_up.large(MODULES), made_up.large(MODULES)
    after["processes"][0]["modules"][7]["name"] = "newcomer"
    for name, profile in (("a", before), ("b", after)):
        (tmp_path / f"{name}.json").write_text(json.dumps(profile))
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    text = command("diff", *files, "--html", tmp_path / "diff.html")
    assert "newcomer" in text and max(map(len, text.splitlines())) <= 100
    page.open(tmp_path / "diff.html")
    assert page.text("#count") == "2 of 5,001 modules"
    page.run("document.querySelector('[data-value=all]').click()")
    page.press("/")
    page.write("newcomer")
    assert page.text("#count") == "1 of 5,001 modules"
    assert "added" in page.text(".line")
