"""The latest state of a long measurement on disk, so that a killed one goes on from there with the same trajectory."""

import fcntl
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

    folder: of this measurement alone. seconds: least wall time between two writings. Where another living process
    measures the same, the folder is its own: here nothing is restored or written, and both get to the same result.
    """

    def __init__(self, folder: Path | str, seconds: float):
        self.folder, self.seconds, self.written = Path(folder).resolve(), seconds, time.monotonic()
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.lock = self.folder.with_suffix(".lock").open("w")  # released by the system however this process ends
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            options = orbax.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False)
            self.manager = orbax.CheckpointManager(self.folder, options=options)
        except BlockingIOError:
            self.manager = None

    def restore(self) -> dict[str, Any] | None:
        """The tree last written, as nested dicts of NumPy arrays, bit for bit; None where there is none."""
        step = self.manager and self.manager.latest_step()
        return None if step is None else orbax.PyTreeCheckpointer().restore(self.folder / str(step) / "default")

    def offer(self, tree: Callable[[], dict[str, Any]]) -> bool:
        """Write what `tree()` returns, nested dicts of arrays that are not empty, if it is time; was it?"""
        if self.manager is None or time.monotonic() - self.written < self.seconds:
            return False
        arrays = jax.tree.map(np.asarray, tree())
        self.manager.save((self.manager.latest_step() or 0) + 1, args=orbax.args.PyTreeSave(arrays))
        self.written = time.monotonic()
        return True

    def remove(self) -> None:
        """Delete the folder: the measurement is done."""
        if self.manager is not None:
            self.manager.close()
            shutil.rmtree(self.folder, ignore_errors=True)
            Path(self.lock.name).unlink(missing_ok=True)
        self.lock.close()
