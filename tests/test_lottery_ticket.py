"""The lottery ticket: killed and resumed it reports the same; its arms and its verdict are what they say."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest

from experiments import lottery_ticket, neurons, ticket
from experiments.run import spread
from scaling.networks import TwoLayer
from scaling.units import to_objects

IDENTITY = {
    "seed": 0, "activation": "tanh", "optimizer": "adamw", "lr": 1e-3, "epochs": 2, "batch": 32, "train_size": 64,
    "test_size": 50, "noise": 0.2, "shuffle": True, "width": 200, "kept": 80, "order": 2, "degree": 2,
    "square_degree": 1, "ablation_orders": "2", "record_every": 1,
}  # fmt: skip
KILLED = ("preset=smoke", "seeds=1", "epochs=6", "workers=1", "checkpoint_seconds=0")


def command(*overrides):
    return [sys.executable, "-m", "experiments.lottery_ticket", *overrides]


def rows_of(folder):
    (path,) = folder.glob("results/local/lottery_ticket/smoke-*/rows.csv")
    return pl.read_csv(path, infer_schema_length=None).drop("step_over_forward", "compress_seconds")


def test_a_killed_run_goes_on_with_the_identical_trajectory(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir(), killed.mkdir()
    subprocess.run(command(*KILLED), cwd=whole, check=True, capture_output=True, timeout=300)
    shutil.copytree(whole / "results/local/.compiled", killed / "results/local/.compiled")
    states = killed / "results/local/lottery_ticket/checkpoints"
    process = subprocess.Popen(command(*KILLED), cwd=killed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not any(
        state.name.isdigit() and int(state.name) >= 27 for state in states.glob("*/*")
    ):
        time.sleep(0.02)  # until the fifth of nine networks is on its way
    assert process.poll() is None, "it ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = subprocess.run(command(*KILLED), cwd=killed, capture_output=True, text=True, timeout=300)
    assert "1 to measure, 1 of them from a checkpoint" in done.stdout
    assert rows_of(killed).equals(rows_of(whole))
    assert not list(states.iterdir())


def test_every_arm_starts_as_it_says():
    wide = to_objects(neurons.initial(IDENTITY, 200), TwoLayer(200).layers[0])
    inside = {row.tobytes() for row in wide}
    strongest = np.arange(100, 180, dtype=np.int32)
    for arm in lottery_ticket.arms(IDENTITY):
        params, c, _ = lottery_ticket.start(IDENTITY, arm, strongest)
        objects = to_objects(params, TwoLayer(len(c)).layers[0])
        assert len(objects) == len(c) == (200 if arm.startswith("wide") else 80)
        assert c.sum() == pytest.approx(80 if arm in ("fresh", "subset") else 200)
        assert all(row.tobytes() in inside for row in objects) == (arm != "fresh")
        if arm == "pruned":
            np.testing.assert_array_equal(objects, wide[100:180])
    assert (
        np.abs(to_objects(lottery_ticket.start(IDENTITY, "fresh", strongest)[0], TwoLayer(80).layers[0])[:, 3]).max()
        > 0.1
    )


def test_the_strongest_neurons_are_those_of_largest_magnitude():
    params = neurons.initial(IDENTITY, 200)
    objects = to_objects(params, TwoLayer(200).layers[0])
    magnitude = np.abs(objects[:, 3]) * np.linalg.norm(objects[:, :3], axis=1)
    chosen = lottery_ticket.strongest(TwoLayer(200), params, 80)
    assert magnitude[chosen].min() >= np.delete(magnitude, chosen).max() and np.all(np.diff(chosen) > 0)


def test_epochs_recorded_hold_the_early_ones_and_the_last():
    assert lottery_ticket.recorded(IDENTITY | {"epochs": 25, "record_every": 10}) == [0, 1, 2, 5, 10, 20, 25]
    assert lottery_ticket.recorded(IDENTITY | {"epochs": 1}) == [0, 1]


def synthetic(case, drift, closer, seeds=6):
    """Rows in which `compressed` ends e^drift above wide and is `closer` times nearer than the rescaled subset."""
    rows = []
    generator = np.random.default_rng(0)
    for seed in range(seeds):
        noise = 1 + 0.01 * generator.standard_normal()
        for epoch in (0, 1, 2, 5, *range(10, 101, 10)):
            for arm in ("wide", "wide_again", "compressed", "subset", "subset_rescaled"):
                excess = drift * noise * epoch / 100 if arm == "compressed" else 0.0
                loss = np.exp(excess - epoch / 50)
                distance = {"wide": 0.0, "compressed": 0.1 * noise / closer}.get(arm, 0.1)
                values = {"case": case, "seed": seed, "arm": arm, "epoch": epoch, "test_loss": loss}
                rows.append(
                    values | {"distance": distance, "step_over_forward": 3.0, "compress_seconds": 1.0, "epochs": 100}
                )
    return pl.DataFrame(rows)


@pytest.mark.parametrize(
    "case, drift, closer, verdict",
    [
        ("sgd_relu", 0.03, 1.0, "supported"),
        ("sgd_relu", 0.08, 5.0, "not supported"),
        ("adamw_tanh", 0.5, 4.0, "supported"),
        ("adamw_tanh", 0.0, 2.0, "not supported"),
        ("adamw_tanh", 0.0, 0.9, "not supported"),
    ],
)
def test_the_verdict_follows_the_rows(case, drift, closer, verdict):
    analysis = ticket.analyse(synthetic(case, drift, closer), {"draws": 500})
    numbers = {name: entry["value"] for name, entry in analysis.summary["numbers"].items()}
    assert analysis.summary["verdict"] == verdict
    assert numbers[f"{case}_max_log_ratio_compressed"] == pytest.approx(drift, rel=0.02)
    assert numbers[f"{case}_least_advantage"] == pytest.approx(closer, rel=0.02)
    assert numbers["step_over_forward"] == 3.0


def test_few_degrees_hold_the_output_weight_to_degree_two():
    space = neurons.few_degrees(4, 2)
    by_output = {v: max(sum(e[:3]) for e in space.exponents if e[3] == v) for v in (0, 1, 2)}
    assert by_output == {0: 4, 1: 4, 2: 2} and max(e[3] for e in space.exponents) == 2
    assert space.inputs == 3 and space.dimension == 4 and space.size == 35 + 35 + 10


def test_measured_lists_make_a_row_of_each_entry():
    assert spread({"a": 1, "b": [2, 3], "c": ["x", "y"]}) == [{"a": 1, "b": 2, "c": "x"}, {"a": 1, "b": 3, "c": "y"}]
    assert spread({"a": 1}) == [{"a": 1}]


def test_published_numbers_are_found():
    from experiments import published, widths

    for key in (*ticket.PUBLISHED.values(), *widths.PUBLISHED.values()):
        assert np.isfinite(published.value(*key))
    assert json.dumps(published.curve("4", "test_loss_wide", "epoch", "adamw,")[0].tolist()).endswith("3000.0]")
