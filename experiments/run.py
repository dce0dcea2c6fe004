"""One run of an experiment: measure the points that are missing, gather the rows, analyse them, write and draw."""

import importlib
import json
import math
import shlex
import sys
import time
from collections import defaultdict
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

import scaling
from experiments.progress import Meter, duration
from experiments.schema import ELSEWHERE, plain
from scaling import backend
from scaling.checkpoints import Checkpoint
from scaling.records import Points, git_commit, point_hash, read_rows, to_json, write_bytes, write_rows, write_text


class Point(NamedTuple):
    """One measurement asked for: `labels` say why (the arm of a plot); `identity` alone determines the result."""

    labels: dict[str, Any]
    identity: dict[str, Any]


class Analysis(NamedTuple):
    """What the rows say: fits by name, summary {"claim", "verdict", "numbers"}, a table and a sentence to print."""

    fits: dict[str, Any]
    summary: dict[str, Any]
    table: Table
    sentence: str


def number(value: float, interval: tuple[float, float] | None = None) -> dict[str, Any]:
    """An entry of summary.json's numbers."""
    return {"value": float(value), "interval": [float(x) for x in interval] if interval is not None else None}


UNKNOWN = number(math.nan, (math.nan, math.nan))


def bars(entries: list[dict[str, Any]]) -> tuple[list, list, list]:
    """Values, lower and upper ends of such entries, as error bars are drawn: three lists (n,)."""
    return [entry["value"] for entry in entries], *([entry["interval"][end] for entry in entries] for end in (0, 1))


def judged(asked: list[tuple[tuple[float, float], float, float]]) -> str:
    """Verdict on intervals, each with the least and the largest number that it may hold.

    supported: all of every interval lies between its limits; not supported: one lies wholly outside of them;
    inconclusive: neither, or nothing is asked.
    """
    if any(high < least or low > most for (low, high), least, most in asked):
        return "not supported"
    inside = all(least <= low and high <= most for (low, high), least, most in asked)
    return "supported" if asked and inside else "inconclusive"


def folder_name(config: Any, overrides: list[str]) -> str:
    """Folder of a run: its preset, followed by a hash of all settings if any of them was overridden."""
    changed = [o for o in overrides if o.lstrip("+").split("=")[0] not in ELSEWHERE]
    return f"{config.preset}-{point_hash(plain(config))[:8]}" if changed else config.preset


def run(name: str, config: Any, overrides: list[str]) -> Path:
    """Run experiment `name` with a checked configuration; returns the folder that holds rows, fits and figure.

    The experiment is a module with `points(config) -> list[Point]`, `work(identity) -> float` (relative cost),
    `measure(identities, tick) -> list[dict]` (identities that differ in their seed alone), `label(identity) -> str`,
    `analyse(rows, settings) -> Analysis` and `draw(rows, fits, summary) -> Figure`. A measured value that is a list
    makes a row of each of its entries. An experiment whose settings hold checkpoint_seconds measures each point alone
    and is given a Checkpoint as well: `measure(identities, tick, checkpoint)`.

    Raises:
        RuntimeError: some points failed; names them. All others are on disk.
    """
    experiment = importlib.import_module(f"experiments.{name}")
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 120
    started, clock = datetime.now(UTC), time.monotonic()
    backend.keep_programs(Path(config.results) / ".compiled")
    points, store = experiment.points(config), Points(config.results, name)
    measured_now = measure_missing(experiment, points, store, config, console)

    stored = [store.load(point.identity) for point in points]
    rows = [
        point.labels | kept["identity"] | values
        for point, kept in zip(points, stored, strict=True)
        for values in spread(kept["values"])
    ]
    folder = Path(config.results) / name / folder_name(config, overrides)
    table = write_rows(folder / "rows.csv", rows)
    provenance = {
        "command": shlex.join(["python", "-m", f"experiments.{name}", *sys.argv[1:]]),
        "settings": plain(config),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - clock, 1),
        "points": len(points),
        "points_measured_now": measured_now,
        "points_by_origin": origins(stored),
        "commit": commit(),
        **versions(),
    }
    write_text(folder / "provenance.json", to_json(provenance))
    analysis = experiment.analyse(table, plain(config))
    write_text(folder / "fits.json", to_json(analysis.fits))
    write_text(folder / "summary.json", to_json(analysis.summary))
    redraw(experiment, folder)
    if not config.quiet:
        console.print(analysis.table)
    console.print(f"Verdict: {analysis.summary['verdict']}: {analysis.sentence}", soft_wrap=True)
    console.print(f"Rows, fits, summary and figure: {folder}", soft_wrap=True)
    return folder


def spread(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Measured values as rows: one, or one for each entry of its lists, which are of equal length."""
    lists = {key: value for key, value in values.items() if isinstance(value, list)}
    entries = zip(*lists.values(), strict=True) if lists else [()]
    return [values | dict(zip(lists, entry, strict=True)) for entry in entries]


def measure_missing(experiment: Any, points: list[Point], store: Points, config: Any, console: Console) -> int:
    """Measure what is not on disk, each point written the moment it exists; returns how many were measured."""
    missing = {store.path(p.identity): p.identity for p in points if store.load(p.identity) is None}
    if not config.quiet:
        asked = len({store.path(p.identity) for p in points})
        started = sum(any(store.checkpoint(identity).glob("[0-9]*")) for identity in missing.values())
        going_on = f", {started} of them from a checkpoint" if started else ""
        console.print(f"{asked} points asked for, {asked - len(missing)} on disk, {len(missing)} to measure{going_on}")
    if not missing:
        return 0
    facts = {"commit": commit(), **versions()}
    failures: list[tuple[dict, Exception]] = []
    checkpoint_seconds = getattr(config, "checkpoint_seconds", None)

    def one(identities: list[dict], meter: Meter) -> None:
        clock, kept = time.monotonic(), []
        try:
            if checkpoint_seconds is not None:
                kept = [Checkpoint(store.checkpoint(identities[0]), checkpoint_seconds)]
            results = experiment.measure(identities, meter.tick, *kept)
        except Exception as error:
            failures.append((identities[0], error))
            return
        seconds = round((time.monotonic() - clock) / len(identities), 3)
        for identity, values in zip(identities, results, strict=True):
            when = datetime.now(UTC).isoformat(timespec="seconds")
            store.save(identity, values, {**facts, "seconds": seconds, "finished": when})
            meter.finished(experiment.label(identity))
        for checkpoint in kept:
            checkpoint.remove()
        backend.release_programs()

    groups = grouped(list(missing.values()), config.vmap_seeds if checkpoint_seconds is None else 1)
    groups.sort(key=lambda group: -experiment.work(group[0]))
    total = sum(experiment.work(identity) for identity in missing.values())
    with Meter(len(missing), total, console, config.quiet) as meter, ThreadPoolExecutor(config.workers) as pool:
        waiting = {pool.submit(one, group, meter) for group in groups}
        try:
            while waiting and not failures:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    if failures:
        identity, error = failures[0]
        raise RuntimeError(f"measuring {experiment.label(identity)} failed: {error}; other points are kept") from error
    return len(missing)


def grouped(identities: list[dict], together: int) -> list[list[dict]]:
    """Groups of at most `together` identities that differ in their seed alone."""
    alike = defaultdict(list)
    for identity in identities:
        alike[tuple((k, str(v)) for k, v in sorted(identity.items()) if k != "seed")].append(identity)
    return [members[i : i + together] for members in alike.values() for i in range(0, len(members), together)]


def redraw(experiment: Any, folder: Path) -> None:
    """Draw figure.png and figure.pdf of a folder from the rows, fits and summary on disk alone."""
    fits, summary = (json.loads((folder / f"{part}.json").read_text()) for part in ("fits", "summary"))
    figure = experiment.draw(read_rows(folder / "rows.csv"), fits, summary)
    for kind, facts in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
        buffer = BytesIO()
        figure.savefig(buffer, format=kind, dpi=200, metadata=facts)
        write_bytes(folder / f"figure.{kind}", buffer.getvalue())


def commit() -> str:
    return git_commit(Path(scaling.__file__).parent)


def versions() -> dict[str, str]:
    return {"universal-compression": scaling.__version__, **backend.describe()}


def origins(stored: list[dict]) -> list[dict[str, Any]]:
    """How many of the points come from which commit and device, and the seconds they took there."""
    found: dict[tuple, list[float]] = defaultdict(list)
    for kept in stored:
        facts = kept["provenance"]
        found[facts["commit"], facts["device"], facts["jaxlib"]].append(facts["seconds"])
    keys = ("commit", "device", "jaxlib")
    return [
        dict(zip(keys, key, strict=True)) | {"points": len(seconds), "time": duration(sum(seconds))}
        for key, seconds in found.items()
    ]
