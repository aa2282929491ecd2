import numpy as np
import pytest

from skopt2.solvers.transport.anderson import Anderson


def contraction(rng, n):
    Q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    A = Q @ np.diag(np.linspace(0.2, 0.95, n)) @ Q.T
    c = rng.normal(size=n)
    return A, c, np.linalg.solve(np.eye(n) - A, c)


def steps_to(tol, A, c, x, solution, method):
    for k in range(1000):
        if np.abs(x - solution).max() < tol:
            return k
        image = A @ x + c
        x = image if method is None else method.next(x, image)
    return 1000


def test_an_affine_map_is_solved_in_as_many_steps_as_it_has_dimensions(rng):
    A, c, solution = contraction(rng, 5)
    plain = steps_to(1e-6, A, c, np.zeros(5), solution, None)
    fast = steps_to(1e-6, A, c, np.zeros(5), solution, Anderson(8))
    assert fast <= 8
    assert plain > 100


def test_a_short_memory_still_saves_most_steps(rng):
    A, c, solution = contraction(rng, 40)
    plain = steps_to(1e-8, A, c, np.zeros(40), solution, None)
    fast = steps_to(1e-8, A, c, np.zeros(40), solution, Anderson(4))
    assert fast < plain / 3


def test_the_first_step_is_the_image_and_clear_forgets(rng):
    A, c, _ = contraction(rng, 3)
    method = Anderson()
    x = np.zeros(3)
    np.testing.assert_array_equal(method.next(x, A @ x + c), c)
    method.next(c, A @ c + c)
    method.clear()
    np.testing.assert_array_equal(method.next(x, A @ x + c), c)


def test_weights_choose_the_residuals_that_count(rng):
    # Two maps in one: with the weights on the first its own acceleration results.
    A, c, _ = contraction(rng, 3)
    both, alone = Anderson(), Anderson()
    x, y, weight = np.zeros(6), np.zeros(3), np.array([1.0] * 3 + [0.0] * 3)
    for _ in range(3):
        image = np.concatenate([A @ x[:3] + c, np.cos(x[3:])])
        x = both.next(x, image, weight)
        y = alone.next(y, A @ y + c)
    np.testing.assert_allclose(x[:3], y, rtol=1e-9)


def test_steps_that_repeat_are_harmless():
    method, x = Anderson(), np.ones(4)
    for _ in range(4):
        x = method.next(x, x)
    np.testing.assert_array_equal(x, np.ones(4))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_namespace_gives_the_same(device_backend, rng, dtype):
    A, c, _ = contraction(rng, 6)
    A, c = A.astype(dtype), c.astype(dtype)
    here, there = Anderson(3), Anderson(3)
    x, y = np.zeros(6, dtype=dtype), device_backend.asarray(np.zeros(6), dtype)
    B, d = device_backend.asarray(A), device_backend.asarray(c)
    for _ in range(4):
        x, y = here.next(x, A @ x + c), there.next(y, B @ y + d)
    assert device_backend.to_numpy(y).dtype == dtype
    rtol = 1e-3 if dtype == "float32" else 1e-8
    np.testing.assert_allclose(device_backend.to_numpy(y), x, rtol=rtol)
