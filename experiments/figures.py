"""Redraw figures from the rows, fits and summaries on disk, measuring nothing: all those below results=."""

import importlib
from dataclasses import dataclass
from pathlib import Path

from experiments.launch import launch
from experiments.run import redraw
from experiments.schema import require


@dataclass(slots=True)
class Config:
    """Where the figures are: a folder that holds <experiment>/<preset>/rows.csv."""

    results: str

    def __post_init__(self) -> None:
        found = bool(list(Path(self.results).glob("*/*/summary.json")))
        require(found, "results", self.results, "a folder that holds <experiment>/<preset>/summary.json")


def redraw_all(config: Config, overrides: list[str]) -> None:
    """Draw every figure below config.results again, in place."""
    for summary in sorted(Path(config.results).glob("*/*/summary.json")):
        folder = summary.parent
        redraw(importlib.import_module(f"experiments.{folder.parent.name}"), folder)
        print(folder / "figure.png")


if __name__ == "__main__":
    launch("figures", redraw_all)
