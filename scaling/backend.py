"""The machine that measures: a self-test of its arithmetic, and a description of it for the records."""

import hashlib
import os
import platform
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ContextDecorator
from functools import cache, partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from threadpoolctl import OpenBLASController, ThreadpoolController

# One thread per execution. Small programs gain nothing from more, and two executions that share the CPU's intra-op
# threads from two Python threads can starve each other to a standstill. Parallelism comes from Python threads.
SERIAL = {"xla_cpu_multi_thread_eigen": False}
# For programs that mostly apply an activation to many units: on processors with AVX-512 up to twice as fast.
LONG_VECTORS = SERIAL | {"xla_cpu_prefer_vector_width": 512}


def share_out(work: Callable, items: Iterable) -> list:
    """[work(item) for each item], on a thread for each core that this process may use.

    Worth it for items of milliseconds: threads hand the interpreter's lock to each other at every call of NumPy, and
    two that cut a million points into cells took twice as long as one.
    """
    items = list(items)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if len(items) < 2 or cores < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(cores) as pool:
        return list(pool.map(work, items))


class OneBlasThread(ContextDecorator):
    """While any caller is inside, NumPy's linear algebra runs on one thread each; afterwards as many as before.

    A matrix of a few hundred columns gains nothing from more, and the threads of two such calls, or of one beside busy
    cores, wait for each other: an eigendecomposition of 7 ms was seen to take 2 s. And how they share a sum, and so its
    rounding, depends on what else runs. threadpoolctl lets one Python thread alone set the number, and ignores others
    in silence, so that it has to be made to forget that thread first.
    """

    lock, inside, limit = threading.Lock(), 0, None

    def __enter__(self):
        with self.lock:
            OneBlasThread.inside += 1
            if OneBlasThread.inside == 1:
                OpenBLASController.clear_controlling_thread(force=True)
                OneBlasThread.limit = _controller().limit(limits=1, user_api="blas")

    def __exit__(self, *_):
        with self.lock:
            OneBlasThread.inside -= 1
            if OneBlasThread.inside == 0:
                OpenBLASController.clear_controlling_thread(force=True)
                OneBlasThread.limit.restore_original_limits()


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


class BackendError(RuntimeError):
    """The backend computes wrong numbers, so nothing measured on it could be trusted."""


@jax.jit
def _constant_operand(matrix):
    return (matrix @ jnp.ones((128, 128), matrix.dtype)).sum()


@partial(jax.jit, static_argnames="axis")
def _dot_then_reduce(left, right, axis):
    return (left @ right).sum(axis)


def _probes():
    generator = np.random.default_rng(0)
    left, right = generator.uniform(0.5, 1.5, (2, 128, 128))
    yield "(W @ ones).sum()", _constant_operand, (left,), (left @ np.ones((128, 128))).sum()
    for axis in (None, 0, 1):
        run = partial(_dot_then_reduce, axis=axis)
        yield f"(A @ B).sum({axis})", run, (left, right), (left @ right).sum(axis)


def self_test() -> None:
    """Compare jitted dot + reduce programs with NumPy, in float32, in a few milliseconds.

    jaxlib 0.10.2 and newer return wrong numbers for such programs on some CPUs (jax issue 39103). All summands are
    positive, so an honest float32 result is within 1e-5 of the float64 one; a GPU using TF32 is within 1e-3.

    Raises:
        BackendError: a program is wrong; names the program, both values and the way out.
    """
    tolerance = 1e-4 if jax.default_backend() == "cpu" else 5e-3
    for name, program, operands, expected in _probes():
        got = np.asarray(program(*(jnp.asarray(x, jnp.float32) for x in operands)), float)
        error = np.max(np.abs(got - expected) / np.abs(expected))
        if not error < tolerance:
            raise BackendError(
                f"jaxlib {jax.lib.__version__} on {jax.default_backend()} computes jit({name}) wrongly (relative error "
                f"{error:.1e}, accepted {tolerance:.0e}).\nInstall jaxlib 0.10.1, or on a newer one set "
                "XLA_FLAGS=--xla_cpu_experimental_ynn_fusion_type= and run again."
            )


def keep_programs(folder: Path | str) -> None:
    """Keep compiled programs in a folder, so that the next process does not compile them again.

    Programs are kept apart by processor type: one folder may be shared by different machines.
    """
    try:
        features = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):
        features = platform.processor() + platform.machine()
    kind = hashlib.sha256(features.encode()).hexdigest()[:12]
    jax.config.update("jax_compilation_cache_dir", str(Path(folder).resolve() / kind))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def release_programs(limit: int = 40_000) -> bool:
    """Forget the compiled programs of this process once it holds more than `limit` memory maps; returns whether it did.

    A program on the CPU takes hundreds of maps, and Linux allows a process 65,530: a long run over many shapes would
    be killed. What is needed again is compiled again, or read from where `keep_programs` put it.
    """
    maps = Path("/proc/self/maps")
    if not maps.exists() or maps.read_bytes().count(b"\n") <= limit:
        return False
    jax.clear_caches()
    return True


def describe() -> dict[str, str]:
    """Device kind, platform and versions, as written beside every measurement."""
    device = jax.devices()[0]
    return {
        "device": f"{device.platform}: {device.device_kind}",
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "jax": jax.__version__,
        "jaxlib": jax.lib.__version__,
        "numpy": np.__version__,
    }
