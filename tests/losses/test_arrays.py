"""Every array namespace gives NumPy's answer, on its device, in the given dtype."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skopt2._core.array import device_of, namespace
from skopt2.losses import Expectile, Huber, HuberizedHinge, Quantile
from tests.losses.reference import ALL, data


def answers(loss, asarray, dtype):
    """Return the answer of every method, by name."""
    y, eta, s = data(loss, np.random.default_rng(3), n=30)
    y, eta, s = (asarray(x, dtype) for x in (y, eta, s))
    theta = loss.gradient(y, eta)
    curvature = loss.curvature(y, eta)
    return {
        "value": loss.value(y, eta, s),
        "null_value": loss.null_value(y, s),
        "gradient": theta,
        "curvature": curvature,
        "curvature_product": loss.curvature_product(curvature, eta),
        "conjugate": loss.conjugate(y, 0.9 * theta, s),
        "to_domain": loss.to_domain(y, 0.9 * theta),
        "balance": loss.balance(y, theta, s),
        "inverse_link": loss.inverse_link(eta),
        "intercept_start": loss.intercept_start(y, s),
    }


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ALL)
def test_every_namespace_agrees(name, dtype, device_backend):
    loss, _ = ALL[name]
    found = answers(loss, device_backend.asarray, dtype)
    expected = answers(loss, np.asarray, np.float64)
    tol = 1e-12 if dtype == np.float64 else 1e-5
    example = device_backend.asarray([0.0], dtype)
    for method, right in expected.items():
        got = found[method]
        if isinstance(right, float):
            assert isinstance(got, float), method
            assert_allclose(got, right, rtol=tol, err_msg=method)
            continue
        assert namespace(got) is device_backend.xp, method
        assert device_of(got) == device_of(example), method
        assert got.dtype == example.dtype, method
        host = device_backend.to_numpy(got)
        assert_allclose(host, right, rtol=tol, atol=tol, err_msg=method)


@pytest.mark.parametrize(
    "loss",
    [
        Expectile(np.float64(0.3)),
        Huber(np.float64(0.5)),
        Quantile(np.float64(0.3)),
        Quantile(np.float64(0.3), np.float64(0.2)),
        HuberizedHinge(np.float64(0.7)),
    ],
)
def test_numpy_scalars_as_parameters_keep_float32(loss, rng):
    y, eta, _ = data(loss, rng)
    y, eta = y.astype(np.float32), eta.astype(np.float32)
    assert loss.gradient(y, eta).dtype == np.float32
    assert loss.curvature(y, eta).dtype == np.float32


def test_values_of_float32_are_summed_in_float64():
    # In float32 a running sum of so many equal terms stalls far from the truth.
    n = 2**22
    y, s = np.full(n, 1e-3, np.float32), np.full(n, 1 / n, np.float32)
    value = ALL["squared"][0].value(y, np.zeros(n, np.float32), s)
    assert value == pytest.approx(0.5e-6, rel=1e-6)


@pytest.mark.parametrize("package", ["losses", "penalties"])
def test_import_is_light(package):
    code = (
        "import sys, sklearn.base\n"
        "before = set(sys.modules)\n"
        f"import skopt2.{package}\n"
        "heavy = {'matplotlib', 'scipy.optimize', 'cupy', 'pandas', 'torch'}\n"
        "assert not heavy & (set(sys.modules) - before)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
