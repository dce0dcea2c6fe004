"""The README shows the published numbers and code that runs."""

import json
import re
from pathlib import Path

import pytest

import scaling
from experiments import overview

ROOT = Path(scaling.__file__).parents[1]


@pytest.fixture(scope="module")
def readme():
    path = ROOT / "README.md"
    if not path.exists():
        pytest.skip("the README is not part of an installed package")
    return path.read_text()


def test_numbers_are_those_of_the_published_summaries(readme):
    blocks = re.findall(r"<!-- numbers: (\S+) -->\n(.*?)\n\n", readme, re.DOTALL)
    assert blocks
    for folder, block in blocks:
        numbers = json.loads((ROOT / "results/published" / folder / "summary.json").read_text())["numbers"]
        rows = re.findall(r"`(\w+)` \| ([-\d.e]+) \[([-\d.e]+), ([-\d.e]+)\] \|", block)
        assert len(rows) >= 3
        for name, *shown in rows:
            exact = [numbers[name]["value"], *numbers[name]["interval"]]
            digits = [len(text.partition(".")[2]) for text in shown]
            assert [float(text) for text in shown] == [round(x, n) for x, n in zip(exact, digits, strict=True)], name


def test_its_images_exist(readme):
    images = re.findall(r"!\[.*?\]\((\S+?)\)", readme)
    assert images and all((ROOT / image).is_file() for image in images)


def test_its_code_runs(readme, capsys):
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert "power" in capsys.readouterr().out


def test_the_results_page_is_up_to_date():
    page = ROOT / "results" / "README.md"
    if not page.exists():
        pytest.skip("results are not part of an installed package")
    assert page.read_text() == overview.page(ROOT / "results" / "published")


def test_its_table_of_verdicts_is_that_of_the_summaries(readme):
    rows = re.findall(r"`python -m experiments\.(\w+)` \| .*? \| (\w[\w ]*) \| (.*?) \|", readme)
    assert len(rows) >= 4
    for name, preset, verdict in rows:
        folder = ROOT / "results/published" / name
        if preset == "none yet":
            assert not folder.exists()
        else:
            assert json.loads((folder / preset / "summary.json").read_text())["verdict"] == verdict
