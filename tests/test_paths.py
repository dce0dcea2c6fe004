"""A path ends where the plain training ends, and its stops are those of the training."""

import numpy as np
import pytest

from experiments import paths, student

IDENTITY = {
    "revision": 2, "task": "teacher_student", "inputs": 2, "activation": "relu", "distribution": "uniform",
    "noise": 0.5, "teacher_width": 5, "test_size": 5000, "width": 6, "lr": 1e-2, "weight_decay": 0.01,
    "precision": "float32",
    "method": "full", "space": None, "order": None, "label_order": None, "replicate": 0, "batch": 16, "kept": 100,
    "size": 100, "steps": 150, "steps_per_epoch": 7, "seed": 3,
}  # fmt: skip


def test_a_path_ends_where_plain_training_ends():
    (path,) = paths.follow([IDENTITY], lambda work: None, 64)
    assert path.steps == [0, 64, 128, 150] and len(path.params) == 4
    test = student.samples(IDENTITY, 5000, 0.0, "test")
    (plain,) = student.measure([IDENTITY], lambda work: None)
    assert path.losses(test)[-1] == pytest.approx(plain["test_loss"], rel=1e-5)
    assert path.losses(test)[0] > path.losses(test)[-1]


def test_full_batches_can_be_watched_at_any_stride():
    exact = IDENTITY | {"batch": None, "steps": 20, "steps_per_epoch": 1, "optimizer": "sgd"}
    ends = []
    for stride in (3, 10):
        (path,) = paths.follow([exact], lambda work: None, stride)
        assert path.steps[-1] == 20 and path.steps[1] == stride
        ends.append(path.losses(path.samples)[-1])
    assert ends[0] == pytest.approx(ends[1], rel=1e-6)


def test_cells_of_numbers_read_back():
    values = [1.5, 2.25e-7, 3e9]
    np.testing.assert_allclose(paths.numbers(paths.text(values)), values, rtol=1e-5)
