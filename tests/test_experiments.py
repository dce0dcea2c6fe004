"""Every experiment end to end at preset=smoke, in a folder of its own, as a user would run it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

import experiments
from scaling.laws import Comparison

EXPERIMENTS = [
    "dataset_scaling",
    "stretched_exponential",
    "deficit",
    "law_coverage",
    "runtime",
    "error_scaling",
    "polylog",
    "optimality",
    "smoothness",
    "intrinsic_dimension",
    "dataset_training",
    "baselines",
    "landscape",
    "classification",
    "overfitting",
    "lottery_ticket",
    "width_scaling",
    "attention",
    "depth",
]


def command(name, *overrides):
    return [sys.executable, "-m", f"experiments.{name}", *overrides]


def run(folder, name, *overrides):
    done = subprocess.run(command(name, *overrides), cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_all(folder):
    """What the smoke preset of every experiment prints, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return dict(
            zip(EXPERIMENTS, pool.map(lambda name: run(folder, name, "preset=smoke"), EXPERIMENTS), strict=True)
        )


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """A folder in which the smoke preset of every experiment was run, and what each run printed."""
    folder = tmp_path_factory.mktemp("smoke")
    return folder, run_all(folder)


@pytest.fixture(scope="module")
def again(smoke, tmp_path_factory):
    """A copy of that folder in which everything was run once more, and what that printed."""
    folder = tmp_path_factory.mktemp("again")
    shutil.copytree(smoke[0], folder, dirs_exist_ok=True)
    return folder, run_all(folder)


@pytest.fixture(scope="module")
def redrawn(smoke, tmp_path_factory):
    """The smoke results without points and figures, after one run of `figures` and one of `overview`."""
    folder = tmp_path_factory.mktemp("redrawn")
    for name in EXPERIMENTS:
        shutil.copytree(smoke[0] / "results/local" / name / "smoke", folder / "results/local" / name / "smoke")
        (folder / "results/local" / name / "smoke/figure.png").unlink()
    run(folder, "figures", "results=results/local")
    run(folder, "overview", "results=results/local")
    return folder


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_smoke_writes_everything_and_says_what_it_means(smoke, name):
    folder, printed = smoke[0] / "results/local" / name / "smoke", smoke[1][name]
    assert {path.name for path in folder.iterdir()} == {
        "rows.csv", "fits.json", "summary.json", "provenance.json", "figure.png", "figure.pdf",
    }  # fmt: skip
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "figure.pdf").read_bytes().startswith(b"%PDF")
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["verdict"] in ("supported", "not supported", "inconclusive") and summary["claim"].endswith(".")
    assert all(set(entry) == {"value", "interval"} for entry in summary["numbers"].values())
    assert f"Verdict: {summary['verdict']}" in printed
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["jaxlib"] == "0.10.1" and provenance["command"].endswith(f"experiments.{name} preset=smoke")
    assert {path.name for path in smoke[0].iterdir()} == {"results"}, "something was written outside results"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_second_run_measures_nothing_and_reports_the_same(smoke, again, name):
    assert ", 0 to measure" in again[1][name]
    first, second = (folder / "results/local" / name / "smoke" for folder in (smoke[0], again[0]))
    for part in ("rows.csv", "fits.json", "summary.json"):
        assert (first / part).read_bytes() == (second / part).read_bytes(), part


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_figures_are_redrawn_from_disk_alone(smoke, redrawn, name):
    first, second = (folder / "results/local" / name / "smoke/figure.png" for folder in (smoke[0], redrawn))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_overview_explains_every_column_and_number(redrawn, name):
    page = (redrawn / "results/README.md").read_text()
    part = page[page.index(f"## {name},") :].split("\n## ")[0]
    summary = json.loads((redrawn / "results/local" / name / "smoke/summary.json").read_text())
    assert f"**Verdict: {summary['verdict']}.**" in part and "preset=smoke\n" in part
    assert all(f"| `{number}` |" in part for number in summary["numbers"])
    if name == "dataset_scaling":
        assert "| 1.861 (Fig. 5a) |" in part


def rows_of(folder, preset="smoke*"):
    (path,) = Path(folder).glob(f"results/local/dataset_scaling/{preset}/rows.csv")
    return pl.read_csv(path, infer_schema_length=None)


def test_rows_hold_every_arm_and_coresets_keep_their_moments(smoke):
    rows = rows_of(smoke[0])
    points = dict(rows.group_by("arm").len().iter_rows())
    polylog = {arm for arm in points if "polylog" in arm}  # 16 log^2 512 > 512: nothing is compressed there
    assert len(points) == 11 and len(polylog) == 4
    assert all(points[arm] == (4 if arm in polylog else 6) for arm in points)
    coresets = rows.filter(pl.col("method").is_in(["coreset", "fitted_labels"]))
    assert coresets["residual"].max() < 1e-12
    assert (coresets["samples"] <= coresets["kept"]).all() and (coresets["kept"] < coresets["size"]).all()
    root = rows.filter(pl.col("arm") == "squared_loss_coreset")
    assert (root["kept"] == (16 * root["size"].sqrt()).round()).all()
    assert rows["test_loss"].is_between(0, 100).all()
    fits = json.loads((smoke[0] / "results/local/dataset_scaling/smoke/fits.json").read_text())
    for arm in ("full", "paper_coreset", "squared_loss_coreset", "polylog_coreset", "full_relabelled"):
        comparison = Comparison.from_json(json.dumps(fits[arm]))
        assert set(comparison.fits) == {"power", "power_floor", "stretched", "stretched_floor"}
        assert comparison.fits["power_floor"].status == "too few sizes"  # three sizes cannot tell


def test_more_seeds_or_another_size_measure_only_those(smoke, tmp_path):
    shutil.copytree(smoke[0], tmp_path, dirs_exist_ok=True)
    printed = run(tmp_path, "dataset_scaling", "preset=smoke", "seeds=3", "sizes=[512,1024]", "workers=1")
    assert "54 points asked for, 36 on disk, 18 to measure" in printed
    rows = rows_of(tmp_path, "smoke-*")
    assert sorted(rows["seed"].unique()) == [0, 1, 2] and sorted(rows["size"].unique()) == [512, 1024]
    assert rows_of(tmp_path, "smoke")["seed"].max() == 1


def test_compiled_programs_are_kept_beside_the_results(smoke):
    kept = list((smoke[0] / "results/local/.compiled").glob("*/*-cache"))
    assert len(kept) > 3


def test_multirun_sweeps_over_any_value(smoke, tmp_path):
    shutil.copytree(smoke[0], tmp_path, dirs_exist_ok=True)
    run(tmp_path, "dataset_scaling", "--multirun", "preset=smoke", "sizes=[512]", "lr=1e-3,2e-3", "seeds=1")
    folders = list((tmp_path / "results/local/dataset_scaling").glob("smoke-*"))
    rates = [json.loads((f / "provenance.json").read_text())["settings"]["lr"] for f in folders]
    assert sorted(rates) == [1e-3, 2e-3]


def test_seeds_trained_together_agree_with_single_ones(smoke, tmp_path):
    overrides = ("preset=smoke", "sizes=[512]", "vmap_seeds=2", "quiet=true")
    run(tmp_path, "dataset_scaling", *overrides)
    together = rows_of(tmp_path)
    alone = rows_of(smoke[0], "smoke").filter(pl.col("size") == 512)
    pairs = together.join(alone, on=["arm", "seed", "kept"])
    assert len(pairs) == len(together) == 14
    assert ((pairs["test_loss"] / pairs["test_loss_right"] - 1).abs() < 1e-4).all()


def test_a_killed_run_loses_only_the_points_in_flight(tmp_path):
    overrides = ("preset=smoke", "epochs=64", "sizes=[512,1024]", "workers=1")
    points = tmp_path / "results/local/dataset_scaling/points"
    process = subprocess.Popen(command("dataset_scaling", *overrides), cwd=tmp_path, stdout=subprocess.DEVNULL)
    while process.poll() is None and len(list(points.glob("*.json"))) < 5:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = len(list(points.glob("*.json")))
    assert 5 <= kept < 36
    assert f"36 points asked for, {kept} on disk, {36 - kept} to measure" in run(
        tmp_path, "dataset_scaling", *overrides
    )


MISTAKES = {
    "typo=1": "typo=1: no such setting",
    "+typo=1": "+typo=1: no such setting",
    "size=[512]": "did you mean sizes?",
    "lr=abc": "lr=abc: accepted is a number",
    "lr=nan": "lr=nan: accepted is a positive number",
    "sizes=[]": "sizes=[]: accepted is a list with at least one size",
    "sizes=[-4]": "sizes=[-4]: accepted is whole numbers from 16",
    "sizes=[3.5]": "sizes=[3.5]: accepted is a list such as [a,b], each a whole number",
    "seeds=0": "seeds=0: accepted is a whole number from 1",
    "preset=huge": "preset=huge: accepted is one of laptop, large, paper, smoke",
    "task=mnist": "task=mnist: accepted is one of teacher_student, cylindrical_harmonic",
    "order=40": "order=40: accepted is an order whose 1642 moments fit",
    "label_order=9": "label_order=9: accepted is null or 0 to order=8",
    "seeds": "seeds: accepted is key=value",
    "~lr": "~lr: a setting cannot be removed",
    "exponent_ratio_range=[2,1]": "exponent_ratio_range=[2.0,1.0]: accepted is two positive numbers",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_answered_in_two_lines_before_any_work(mistake, tmp_path):
    done = subprocess.run(command("dataset_scaling", mistake), cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert MISTAKES[mistake] in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2 and done.stdout == ""
    assert not list(tmp_path.iterdir())


def test_a_mistake_in_a_sweep_is_answered_too(tmp_path):
    sweep = command("dataset_scaling", "--multirun", "preset=smoke", "lr=1e-3,-1")
    done = subprocess.run(sweep, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "accepted is a" in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_wrong_backend_measures_nothing(tmp_path):
    code = "import scaling.backend as b, runpy; b._constant_operand = lambda m: 0 * m.sum(); runpy.run_module"
    code += "('experiments.dataset_scaling', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code, "preset=smoke"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "XLA_FLAGS" in done.stderr and not list(tmp_path.iterdir())


def test_figures_of_an_empty_folder_are_refused(tmp_path):
    done = subprocess.run(command("figures"), cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "results=results/published: accepted is a folder that holds" in done.stderr


def test_the_library_imports_neither_hydra_nor_experiments():
    root = Path(experiments.__file__).parents[1]
    forbidden = re.compile(r"^\s*(?:import|from)\s+(hydra|omegaconf|experiments)\b", re.MULTILINE)
    drawing = re.compile(r"^\s*(?:import|from)\s+matplotlib\b", re.MULTILINE)
    files = list((root / "scaling").glob("*.py"))
    assert len(files) > 8
    assert not [file.name for file in files if forbidden.search(file.read_text())]
    assert [file.name for file in files if drawing.search(file.read_text())] == ["figures.py"]


def test_published_values_name_their_source():
    table = pl.read_csv(Path(experiments.__file__).parent / "published.csv")
    assert table.columns == ["figure", "setting", "quantity", "value", "source"]
    assert table["value"].is_finite().all() and (table["source"].str.len_chars() > 10).all()
    assert not table.select("figure", "setting", "quantity").is_duplicated().any()
