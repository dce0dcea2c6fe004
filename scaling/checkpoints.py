"""The latest state of a long measurement on disk, so that a killed one goes on from there with the same trajectory."""

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as orbax

logging.getLogger("absl").setLevel(logging.ERROR)  # where orbax reports every file


class Checkpoint:
    """One tree of arrays in a folder, replaced by newer ones; a reader finds the last one that was written whole.

    folder: of this measurement alone. seconds: least wall time between two writings.
    """

    def __init__(self, folder: Path | str, seconds: float):
        options = orbax.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False)
        self.folder, self.seconds, self.written = Path(folder).resolve(), seconds, time.monotonic()
        self.manager = orbax.CheckpointManager(self.folder, options=options)

    def restore(self) -> dict[str, Any] | None:
        """The tree last written, as nested dicts of NumPy arrays, bit for bit; None where there is none."""
        step = self.manager.latest_step()
        return None if step is None else orbax.PyTreeCheckpointer().restore(self.folder / str(step) / "default")

    def offer(self, tree: Callable[[], dict[str, Any]]) -> bool:
        """Write what `tree()` returns, nested dicts of arrays that are not empty, if it is time; was it?"""
        if time.monotonic() - self.written < self.seconds:
            return False
        arrays = jax.tree.map(np.asarray, tree())
        self.manager.save((self.manager.latest_step() or 0) + 1, args=orbax.args.PyTreeSave(arrays))
        self.written = time.monotonic()
        return True

    def remove(self) -> None:
        """Delete the folder: the measurement is done."""
        self.manager.close()
        shutil.rmtree(self.folder, ignore_errors=True)
