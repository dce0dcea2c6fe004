"""The self-test accepts this machine and refuses a backend that computes wrong numbers."""

import threading

import jax
import jax.numpy as jnp
import pytest

from scaling import backend


def test_this_backend_passes():
    backend.self_test()
    assert backend.describe()["jaxlib"] == "0.10.1"


@pytest.mark.parametrize("name", ["_constant_operand", "_dot_then_reduce"])
def test_a_wrong_program_is_refused(monkeypatch, name):
    right = getattr(backend, name)
    monkeypatch.setattr(backend, name, lambda *args, **kwargs: 1.01 * right(*args, **kwargs))
    with pytest.raises(backend.BackendError, match="XLA_FLAGS=--xla_cpu_experimental_ynn_fusion_type="):
        backend.self_test()


def threads():
    return [lib.num_threads for lib in backend._controller().select(user_api="blas").lib_controllers]


def test_linear_algebra_is_on_one_thread_while_anyone_is_inside():
    before, outer, inner = threads(), backend.OneBlasThread(), backend.OneBlasThread()
    with outer:
        with inner:
            assert set(threads()) == {1}
        assert set(threads()) == {1}
    assert threads() == before


def test_it_is_so_too_in_a_thread_that_is_not_the_first():
    def inside():
        with backend.OneBlasThread():
            seen.extend(threads())

    seen, before = [], threads()
    with backend.OneBlasThread():
        pass
    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert set(seen) == {1} and threads() == before


def test_programs_are_released_only_beyond_the_limit():
    double = jax.jit(lambda x: 2 * x)
    assert double(3) == 6 and double._cache_size() == 1
    assert not backend.release_programs(limit=10**9) and double._cache_size() == 1
    assert backend.release_programs(limit=0) and double._cache_size() == 0
    assert double(4) == 8


def test_nan_is_refused(monkeypatch):
    monkeypatch.setattr(backend, "_constant_operand", lambda matrix: jnp.nan)
    with pytest.raises(backend.BackendError):
        backend.self_test()


def test_shared_out_work_keeps_its_order_and_its_errors():
    assert backend.share_out(lambda item: item**2, range(50)) == [item**2 for item in range(50)]
    with pytest.raises(ZeroDivisionError):
        backend.share_out(lambda item: 1 / item, [2, 1, 0])
