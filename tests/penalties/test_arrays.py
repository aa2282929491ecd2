"""Every array namespace gives NumPy's answer, on its device, in the given dtype."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skopt2._core.array import device_of, namespace
from skopt2.penalties import (
    MCP,
    SCAD,
    AdaptiveL1,
    Box,
    ElasticNet,
    LogSum,
    Lq,
    Positive,
    TransformedL1,
    WeightedL1,
)
from tests.penalties.reference import BOX, SYMMETRIC, cases

OBJECTS = {name: penalty for name, (penalty, _) in SYMMETRIC.items()}
OBJECTS |= {
    "box": BOX,
    "box per feature": Box(-np.linspace(0.1, 1, 40), np.linspace(0, 2, 40)),
    "weighted_l1": WeightedL1(np.linspace(0, 2, 40)),
}
OBJECTS |= {f"positive {name}": Positive(one) for name, one in OBJECTS.items()}


def answers(penalty, asarray, dtype, columns, rng):
    """Return the answer of every method, by name."""
    z, step, lam = cases(rng, 40)
    step = np.clip(step, 0.1, 10)
    shape = (40, columns) if columns else (40,)
    z = np.reshape(np.resize(z, shape), shape)
    lam, step = (np.reshape(x, (40, 1) if columns else 40) for x in (lam, step))
    grad = rng.standard_normal(shape)
    z, grad, step, lam = (asarray(x, dtype) for x in (z, grad, step, lam))
    w = penalty.prox(z, step, lam)
    found = {
        "prox": w,
        "prox, scalar step": penalty.prox(z, 0.3, lam),
        "prox, long step": penalty.prox(z, 7.0, lam),
        "value": penalty.value(w, lam),
        "derivative": penalty.derivative(w, lam),
        "curvature": penalty.curvature(w, lam),
        "region": penalty.region(w, lam),
        "free": penalty.free(w, lam),
        "pull": penalty.pull(grad),
        "slope_at_zero": penalty.slope_at_zero(lam),
        "subdiff_distance": penalty.subdiff_distance(w, grad, lam),
        "alpha_max": penalty.alpha_max(penalty.pull(grad), lam, step),
        "strong_rule": penalty.strong_rule(lam, 1.1 * lam),
    }
    if penalty.convex:
        scale = penalty.dual_scale(grad, lam)
        found["dual_scale"] = scale
        found["conjugate"] = penalty.conjugate(scale * grad, lam)
    return found


@pytest.mark.parametrize("columns", [0, 3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", OBJECTS)
def test_every_namespace_agrees(name, dtype, columns, device_backend):
    def answer(asarray, dtype):
        seed = np.random.default_rng(7)
        return answers(OBJECTS[name], asarray, dtype, columns, seed)

    found = answer(device_backend.asarray, dtype)
    expected = answer(np.asarray, np.float64)
    tol = 1e-12 if dtype == np.float64 else 2e-5
    example = device_backend.asarray([0.0], dtype)
    for method, right in expected.items():
        got = found[method]
        if isinstance(right, float):
            assert isinstance(got, float)
            assert_allclose(got, right, rtol=tol, err_msg=method)
            continue
        assert namespace(got) is device_backend.xp, method
        assert device_of(got) == device_of(example), method
        if method not in {"region", "free"}:
            assert got.dtype == example.dtype, method
        host = device_backend.to_numpy(got)
        # float32 may fall on the other side of a region's edge.
        wrong = ~np.isclose(host, right, rtol=tol, atol=tol)
        assert wrong.mean() <= (0 if dtype == np.float64 else 0.02), method


def test_numpy_scalars_as_parameters_keep_float32(rng):
    w = rng.standard_normal(5).astype(np.float32)
    lam = np.full(5, 0.5, dtype=np.float32)
    number = np.float64
    penalties = [
        MCP(number(3.0)),
        SCAD(number(3.7)),
        ElasticNet(number(0.4)),
        LogSum(number(0.2)),
        TransformedL1(number(0.2)),
        Lq(number(0.5)),
        Lq(number(2 / 3)),
        Box(number(-1.0), number(1.0)),
        AdaptiveL1(number(2.0), number(0.1)),
    ]
    for penalty in penalties:
        for step in (number(0.5), number(9.0)):
            v = penalty.prox(w, step, lam)
            assert v.dtype == np.float32
            assert penalty.derivative(v, lam).dtype == np.float32
            assert penalty.curvature(v, lam).dtype == np.float32
            assert penalty.subdiff_distance(v, w, lam).dtype == np.float32
            assert penalty.strong_rule(lam, lam).dtype == np.float32
    assert penalties[-1].reweight(w).dtype == np.float32


def test_reweight_stays_on_the_device(device_backend):
    w = device_backend.asarray([2.0, -1.0, 0.0], np.float32)
    factor = AdaptiveL1(epsilon=0.5).reweight(w)
    assert factor.dtype == w.dtype
    assert_allclose(device_backend.to_numpy(factor), [1 / 3, 0.5, 1], rtol=1e-6)
