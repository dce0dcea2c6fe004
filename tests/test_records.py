"""Points on disk: named by what determines them, written whole or not at all."""

import json
import threading

import numpy as np
import pytest

from scaling import records


def test_a_point_is_named_by_its_content_alone():
    identity = {"size": 512, "seed": 1, "lr": 1e-3}
    assert records.point_hash(identity) == records.point_hash(dict(reversed(identity.items())))
    assert records.point_hash(identity) != records.point_hash(identity | {"seed": 2})
    with pytest.raises(ValueError):
        records.point_hash({"lr": float("nan")})


def test_points_come_back_and_broken_files_count_as_missing(tmp_path):
    store, identity = records.Points(tmp_path, "trial"), {"seed": 3}
    assert store.load(identity) is None
    store.save(identity, {"loss": 0.25}, {"seconds": 1.0})
    assert store.load(identity) == {"identity": identity, "values": {"loss": 0.25}, "provenance": {"seconds": 1.0}}
    store.path(identity).write_text('{"identity": {"see')
    assert store.load(identity) is None


def test_a_reader_never_meets_half_a_file(tmp_path):
    path, contents = tmp_path / "file", [letter * 200_000 for letter in "ab"]
    records.write_text(path, contents[0])

    def write():
        for i in range(200):
            records.write_text(path, contents[i % 2])

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_text() in contents
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "file"
    records.write_text(path, "old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(records.os, "replace", fail)
    with pytest.raises(OSError):
        records.write_text(path, "new")
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_json_is_strict():
    text = records.to_json({"a": float("nan"), "b": (np.float64(1.5), np.int64(2)), "c": {"d": float("inf")}})
    assert json.loads(text) == {"a": None, "b": [1.5, 2], "c": {"d": None}}


def test_rows_read_back_as_written(tmp_path):
    rows = [{"arm": "full", "order": None, "loss": 0.1}, {"arm": "coreset", "order": 6, "loss": 1 / 3}]
    table = records.write_rows(tmp_path / "rows.csv", rows)
    assert table.to_dicts() == rows


def test_the_commit_is_unknown_outside_a_checkout(tmp_path):
    assert records.git_commit(tmp_path) == "unknown"
