"""Sliced Wasserstein distances against closed forms, SciPy and linear programs."""

import math

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog
from scipy.stats import wasserstein_distance

from skopt2._core.array import to_numpy
from skopt2.solvers.transport.control_variates import (
    controlled_mean,
    harmonic_controls,
    n_harmonics,
    sphere_moment,
)
from skopt2.solvers.transport.sliced import sliced_costs
from skopt2.solvers.transport.sphere import draw_directions
from skopt2.transport import sliced_wasserstein

BUDGET = 2**24


def clouds(n, m, dim, seed=0):
    """Return two clouds whose distance depends on the direction."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, dim)) * np.linspace(0.5, 2.0, dim)
    Y = rng.gamma(2.0, 1.0, size=(m, dim))
    Y[: m // 2] += 1.0
    return X, Y


def program_cost(x, y, a, b, p):
    """Return W_p^p of points on a line by HiGHS."""
    n, m = x.size, y.size
    rows = np.kron(np.eye(n), np.ones(m))
    columns = np.kron(np.ones(n), np.eye(m))
    cost = np.abs(x[:, None] - y[None, :]) ** p
    solution = linprog(
        cost.ravel(),
        A_eq=np.concatenate([rows, columns]),
        b_eq=np.concatenate([a, b]),
        method="highs",
    )
    return solution.fun


@pytest.mark.parametrize("weights", ["equal", "left", "both"])
def test_line_equals_scipy(rng, weights):
    X, Y = rng.standard_normal((31, 1)), rng.standard_normal((44, 1)) + 1.0
    a = rng.random(31) if weights != "equal" else None
    b = rng.random(44) if weights == "both" else None
    shares = [None if w is None else w / w.sum() for w in (a, b)]
    result = sliced_wasserstein(X, Y, a=shares[0], b=shares[1], p=1)
    expected = wasserstein_distance(X[:, 0], Y[:, 0], a, b)
    assert result.value == pytest.approx(expected, rel=1e-13)
    assert result.n_projections == 1
    assert result.standard_error == 0.0


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_line_equals_linear_program(rng, p):
    x, y = rng.standard_normal(9), 2.0 * rng.standard_normal(12)
    a, b = rng.random(9), rng.random(12)
    a, b = a / a.sum(), b / b.sum()
    result = sliced_wasserstein(x[:, None], y[:, None], a=a, b=b, p=p)
    assert result.value_p == pytest.approx(program_cost(x, y, a, b, p), rel=1e-9)
    assert result.value == pytest.approx(result.value_p ** (1 / p), rel=1e-13)


def test_every_projection_equals_an_assignment(rng):
    X, Y = rng.standard_normal((20, 3)), rng.standard_normal((20, 3)) + 0.5
    theta, _ = draw_directions(5, 3, "random", rng)
    expected = []
    for direction in theta:
        cost = np.abs((X @ direction)[:, None] - (Y @ direction)[None, :]) ** 3
        rows, columns = linear_sum_assignment(cost)
        expected.append(cost[rows, columns].mean())
    costs = sliced_costs(X, Y, None, None, theta, 3.0, BUDGET)
    np.testing.assert_allclose(costs, expected, rtol=1e-12)


def test_blocks_of_projections_do_not_matter(rng):
    X, Y = clouds(25, 40, 4)
    a = rng.random(25)
    theta, _ = draw_directions(17, 4, "random", rng)
    whole = sliced_costs(X, Y, a / a.sum(), None, theta, 2.0, BUDGET)
    single = sliced_costs(X, Y, a / a.sum(), None, theta, 2.0, 1)
    np.testing.assert_allclose(whole, single, rtol=1e-13)


@pytest.mark.parametrize("control_variate", ["lower", "spherical_harmonics"])
@pytest.mark.parametrize("dim", [2, 5])
def test_shift_is_exact(rng, dim, control_variate):
    X, shift = rng.standard_normal((50, dim)), rng.standard_normal(dim)
    result = sliced_wasserstein(
        X, X + shift, control_variate=control_variate, random_state=0
    )
    expected = np.linalg.norm(shift) / math.sqrt(dim)
    assert result.value == pytest.approx(expected, rel=1e-12)
    assert result.variance_reduction > 1e12


@pytest.mark.parametrize("sampling", ["random", "orthogonal", "qmc"])
def test_dilation_is_exact_with_harmonics(rng, sampling):
    # y = s x + t is monotone along every direction, so the cost is a quadratic form.
    X, shift = rng.standard_normal((40, 4)), np.array([1.0, 0.0, -2.0, 0.5])
    Y = 2.5 * X + shift
    result = sliced_wasserstein(
        X,
        Y,
        control_variate="spherical_harmonics",
        sampling=sampling,
        random_state=1,
    )
    expected = ((Y - X) ** 2).sum(axis=1).mean() / 4
    assert result.value_p == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("sampling", ["random", "orthogonal", "qmc"])
def test_isotropic_gaussians(rng, sampling):
    # SW_2^2 of N(m1, s1^2 I) and N(m2, s2^2 I) is abs(m1 - m2)^2 / d + (s1 - s2)^2.
    dim, n = 3, 20_000
    shift = np.array([1.0, -1.0, 0.5])
    X = rng.standard_normal((n, dim))
    Y = 2.0 * rng.standard_normal((n, dim)) + shift
    result = sliced_wasserstein(
        X, Y, n_projections=40, sampling=sampling, random_state=0
    )
    expected = shift @ shift / dim + 1.0
    # Sampling of the points: about 2 (s2 - s1) s2 / sqrt(n) and the like.
    assert result.value_p == pytest.approx(expected, abs=0.06)


@pytest.mark.thorough
@pytest.mark.parametrize("sampling", ["random", "orthogonal"])
@pytest.mark.parametrize(
    ("control_variate", "least_reduction"),
    [(None, 1.0), ("lower", 50.0), ("upper", 8.0), ("spherical_harmonics", 1000.0)],
)
def test_estimates_are_unbiased_and_controlled(
    sampling, control_variate, least_reduction
):
    X, Y = clouds(40, 40, 3)
    # Exact to five digits: the harmonics of degree 8 on a lattice.
    reference = sliced_wasserstein(
        X, Y, n_projections=4000, sampling="qmc", random_state=0
    ).value_p
    n_repetitions = 200
    results = [
        sliced_wasserstein(
            X,
            Y,
            n_projections=64,
            control_variate=control_variate,
            sampling=sampling,
            random_state=seed,
        )
        for seed in range(n_repetitions)
    ]
    values = np.array([result.value_p for result in results])
    spread = values.std(ddof=1)
    assert abs(values.mean() - reference) < 4 * spread / math.sqrt(n_repetitions)
    # The reported errors are right on average, rather too large for many controls.
    errors = np.array([result.standard_error_p for result in results])
    assert 0.65 < spread / math.sqrt((errors**2).mean()) < 1.15
    if sampling == "random":
        plain = [
            sliced_wasserstein(
                X, Y, n_projections=64, control_variate=None, random_state=seed
            ).value_p
            for seed in range(n_repetitions)
        ]
        measured = np.var(plain) / np.var(values)
        assert measured >= least_reduction
        reported = np.median([result.variance_reduction for result in results])
        assert reported == pytest.approx(measured, rel=0.5)


@pytest.mark.thorough
@pytest.mark.parametrize("dim", [2, 3, 6])
def test_qmc_is_more_accurate(dim):
    X, Y = clouds(40, 40, dim)
    reference = sliced_wasserstein(
        X, Y, n_projections=4096, sampling="qmc", random_state=0
    ).value_p

    def error(sampling):
        found = [
            sliced_wasserstein(
                X,
                Y,
                n_projections=64,
                sampling=sampling,
                control_variate=None,
                random_state=seed,
            )
            for seed in range(20)
        ]
        return math.sqrt(np.mean([(r.value_p - reference) ** 2 for r in found]))

    assert error("qmc") < 0.5 * error("random")


def test_qmc_has_no_standard_error():
    X, Y = clouds(20, 20, 3)
    result = sliced_wasserstein(X, Y, sampling="qmc", random_state=0)
    assert result.standard_error is None
    assert result.standard_error_p is None
    assert result.variance_reduction is None


@pytest.mark.parametrize("p", [1, 2])
def test_weight_is_repetition(rng, p):
    X, Y = clouds(15, 12, 3)
    counts, others = rng.integers(1, 4, 15), rng.integers(1, 4, 12)
    weighted = sliced_wasserstein(
        X, Y, a=counts / counts.sum(), b=others / others.sum(), p=p, random_state=0
    )
    repeated = sliced_wasserstein(
        np.repeat(X, counts, axis=0), np.repeat(Y, others, axis=0), p=p, random_state=0
    )
    assert weighted.value_p == pytest.approx(repeated.value_p, rel=1e-12)
    assert weighted.standard_error_p == pytest.approx(
        repeated.standard_error_p, rel=1e-9
    )


@pytest.mark.parametrize("control_variate", ["lower", "upper", "spherical_harmonics"])
def test_weight_zero_is_absence(rng, control_variate):
    X, Y = clouds(30, 30, 3)
    a = rng.random(30)
    a[::3] = 0.0
    a /= a.sum()
    kept = a > 0
    far = X.copy()
    far[~kept] = 1e9
    options = {"control_variate": control_variate, "random_state": 0}
    with_zeros = sliced_wasserstein(far, Y, a=a, **options)
    without = sliced_wasserstein(X[kept], Y, a=a[kept], **options)
    assert with_zeros.value_p == without.value_p


def test_mass_scales_the_cost(rng):
    X, Y = clouds(20, 30, 3)
    a, b = rng.random(20), rng.random(30)
    a, b = a / a.sum(), b / b.sum()
    one = sliced_wasserstein(X, Y, a=a, b=b, random_state=0)
    five = sliced_wasserstein(X, Y, a=5 * a, b=5 * b, random_state=0)
    assert five.value_p == pytest.approx(5 * one.value_p, rel=1e-13)
    assert five.value == pytest.approx(math.sqrt(5) * one.value, rel=1e-13)
    assert five.standard_error_p == pytest.approx(5 * one.standard_error_p, rel=1e-9)
    # A side without masses takes the total of the other.
    half = sliced_wasserstein(X, Y, a=np.full(20, 0.25), random_state=0)
    assert half.value_p == pytest.approx(
        5 * sliced_wasserstein(X, Y, random_state=0).value_p, rel=1e-13
    )


@pytest.mark.parametrize("scale", [1e-150, 1e-12, 1.0, 1e12, 1e150])
@pytest.mark.parametrize("control_variate", ["lower", "upper", "spherical_harmonics"])
def test_units_do_not_matter(scale, control_variate):
    X, Y = clouds(25, 30, 3)
    options = {"control_variate": control_variate, "random_state": 0}
    one = sliced_wasserstein(X, Y, **options)
    scaled = sliced_wasserstein(scale * X, scale * Y, **options)
    assert scaled.value == pytest.approx(scale * one.value, rel=1e-12)
    assert scaled.standard_error == pytest.approx(scale * one.standard_error, rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("control_variate", ["lower", "upper", "spherical_harmonics"])
def test_float32_stays_accurate_far_from_the_origin(rng, weighted, control_variate):
    X, Y = clouds(60, 50, 3)
    X32 = (X + 1000.0).astype(np.float32)
    Y32 = (Y + 1000.0).astype(np.float32)
    a = rng.random(60) if weighted else np.ones(60)
    a /= a.sum()
    options = {"a": a, "control_variate": control_variate, "random_state": 0}
    single = sliced_wasserstein(X32, Y32, **options)
    double = sliced_wasserstein(X32.astype(float), Y32.astype(float), **options)
    assert single.value == pytest.approx(double.value, rel=1e-5)


@pytest.mark.usefixtures("dispatch")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sampling", ["random", "orthogonal", "qmc"])
def test_every_namespace_gives_the_same(backend, rng, weighted, sampling):
    X, Y = clouds(23, 31, 3)
    a = rng.random(23)
    a[0] = 0.0
    a = a / a.sum() if weighted else None
    for control_variate in ("lower", "upper", "spherical_harmonics"):
        options = {
            "sampling": sampling,
            "control_variate": control_variate,
            "random_state": 3,
        }
        host = sliced_wasserstein(X, Y, a=a, **options)
        found = sliced_wasserstein(
            backend.asarray(X),
            backend.asarray(Y),
            a=None if a is None else backend.asarray(a),
            **options,
        )
        assert found.value_p == pytest.approx(host.value_p, rel=1e-12)
        assert type(found.directions) is type(backend.asarray(X))
        np.testing.assert_allclose(to_numpy(found.directions), host.directions)


@pytest.mark.usefixtures("cuda_stand_in")
def test_device_computes_and_host_answers():
    X, Y = clouds(23, 31, 3)
    host = sliced_wasserstein(X, Y, random_state=3)
    found = sliced_wasserstein(X, Y, random_state=3, device="cuda")
    assert found.value_p == pytest.approx(host.value_p, rel=1e-12)
    assert type(found.directions) is np.ndarray


def test_equal_clouds_are_at_distance_zero():
    X, _ = clouds(20, 1, 3)
    for control_variate in ("lower", "upper", "spherical_harmonics", None):
        result = sliced_wasserstein(
            X, X, control_variate=control_variate, random_state=0
        )
        assert result.value == 0.0
        assert result.standard_error == 0.0
        assert result.variance_reduction == 1.0
    constant = sliced_wasserstein(np.ones((3, 2)), np.ones((5, 2)), random_state=0)
    assert constant.value == 0.0


@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [
        ({}, "spherical_harmonics"),
        ({"n_projections": 10}, "lower"),
        ({"n_projections": 10, "p": 1}, None),
        ({"p": 1}, "spherical_harmonics"),
        ({"n_projections": 4}, None),
    ],
)
def test_auto_takes_what_the_directions_afford(arguments, chosen):
    X, Y = clouds(20, 20, 4)
    assert sliced_wasserstein(X, Y, **arguments).control_variate == chosen


def test_random_state_decides():
    X, Y = clouds(20, 20, 4)
    first = sliced_wasserstein(X, Y, random_state=0)
    again = sliced_wasserstein(X, Y, random_state=np.random.SeedSequence(0))
    assert again.value_p == first.value_p
    np.testing.assert_array_equal(again.directions, first.directions)
    other = sliced_wasserstein(X, Y, random_state=1)
    assert other.value_p != first.value_p


@pytest.mark.parametrize("sampling", ["random", "orthogonal", "qmc"])
@pytest.mark.parametrize("dim", [1, 2, 3, 7])
def test_directions_are_unit_and_uniform(rng, sampling, dim):
    n_directions = 30
    frames = [draw_directions(n_directions, dim, sampling, rng)[0] for _ in range(200)]
    theta = np.concatenate(frames)
    np.testing.assert_allclose(np.linalg.norm(theta, axis=1), 1.0, rtol=1e-14)
    # Second moments of the uniform law, four standard errors of independent rows.
    second = theta.T @ theta / theta.shape[0]
    np.testing.assert_allclose(
        second, np.eye(dim) / dim, atol=4 * 0.5 / math.sqrt(6000)
    )
    if sampling == "orthogonal":
        frame = frames[0][:dim]
        np.testing.assert_allclose(frame @ frame.T, np.eye(dim), atol=1e-13)


@pytest.mark.parametrize("dim", [2, 3, 5])
@pytest.mark.parametrize("degree", [2, 4])
def test_harmonic_controls_have_mean_zero_and_full_rank(dim, degree):
    theta = np.random.default_rng(0).standard_normal((200_000, dim))
    theta /= np.linalg.norm(theta, axis=1, keepdims=True)
    controls = harmonic_controls(theta, degree)
    deviation = controls.std(axis=0) / math.sqrt(theta.shape[0])
    assert np.all(np.abs(controls.mean(axis=0)) < 4.5 * deviation)
    rank = np.linalg.matrix_rank(controls[:2000], tol=1e-8)
    assert rank == n_harmonics(dim, degree)


def test_sphere_moments():
    # In the plane the mean of cos^4 is 3/8, of cos^2 sin^2 1/8.
    assert sphere_moment(np.array([4, 0])) == pytest.approx(3 / 8)
    assert sphere_moment(np.array([2, 2])) == pytest.approx(1 / 8)
    assert sphere_moment(np.array([3, 1, 0])) == 0.0
    assert sphere_moment(np.array([2, 0, 0])) == pytest.approx(1 / 3)


def test_one_control_is_the_textbook_formula(rng):
    values, control = rng.standard_normal(50), rng.standard_normal(50)
    slope = np.cov(values, control)[0, 1] / control.var(ddof=1)
    mean = controlled_mean(values, control[:, None], np.arange(50))
    assert mean.value == pytest.approx(values.mean() - slope * control.mean())
    plain = controlled_mean(values, None, np.arange(50))
    assert plain.variance == pytest.approx(values.var(ddof=1) / 50)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"p": 0.5}, "p must be"),
        ({"p": math.inf}, "p must be"),
        ({"p": "2"}, "p must be"),
        ({"n_projections": 0}, "n_projections must be"),
        ({"n_projections": 2.5}, "n_projections must be"),
        ({"control_variate": "both"}, "control_variate must be"),
        ({"sampling": "sobol"}, "sampling must be"),
        ({"p": 1, "control_variate": "lower"}, "'lower' is for p=2"),
        ({"p": 3, "control_variate": "upper"}, "'upper' is for p=2"),
        ({"n_projections": 5, "control_variate": "lower"}, "n_projections >= 8"),
        (
            {"n_projections": 20, "control_variate": "spherical_harmonics"},
            "n_projections >= 36",
        ),
        ({"a": -np.ones(6)}, "a must be nonnegative"),
        ({"a": np.zeros(6)}, "a must not be zero"),
        ({"a": np.ones(5)}, r"a has shape \(5,\)"),
        ({"b": np.full(5, np.nan)}, "b contains NaN"),
        ({"a": np.ones(6), "b": np.ones(5)}, "the same sum"),
        ({"Y": np.ones((5, 3))}, "the same number of features"),
        ({"Y": np.full((5, 4), np.inf)}, "Y contains infinity"),
        ({"X": np.ones(4)}, "Expected 2D array"),
        ({"X": np.ones((0, 4))}, "0 sample"),
        ({"random_state": -1}, "random_state"),
        ({"device": "gpu"}, "device must be"),
    ],
)
def test_bad_input_names_the_argument(changes, message):
    arguments = {"X": np.eye(6)[:, :4], "Y": np.ones((5, 4)), **changes}
    with pytest.raises(ValueError, match=message):
        sliced_wasserstein(arguments.pop("X"), arguments.pop("Y"), **arguments)


def test_input_is_not_modified(rng):
    X, Y = clouds(10, 12, 3)
    a = rng.random(10)
    a[0] = 0.0
    a /= a.sum()
    copies = X.copy(), Y.copy(), a.copy()
    for array in (X, Y, a):
        array.setflags(write=False)
    sliced_wasserstein(X, Y, a=a, random_state=0)
    for array, copy in zip((X, Y, a), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_lists_and_integers_are_points():
    result = sliced_wasserstein([[0, 0], [1, 1]], [[0, 0], [1, 1]], random_state=0)
    assert result.value == 0.0
