"""Fits that stream, in a process that may not hold what they stream over.

The limit of the address space is set after the imports, above what they take, by less
than half of the dense object that each fit would need if it made one.
"""

import os
import subprocess
import sys

import pytest

pytest.importorskip("resource")
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="limits the address space"
)

# The square of 9000 rows takes 648 MB.
HEAD = """
import resource, warnings
import numpy as np
import scipy.sparse as sp
from skopt2 import decomposition, gaussian_process, kernel_machine, linear_model
from skopt2 import transport

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
n = 9000
X = rng.standard_normal((n, 3))
y = np.sin(X).sum(axis=1)
np.linalg.solve(np.eye(300), np.ones(300))
with open("/proc/self/statm") as file:
    taken = int(file.read().split()[0]) * resource.getpagesize()
limit = taken + 300 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    np.ones((n, n))
except MemoryError:
    pass
else:
    raise SystemExit("the limit does not hold")
"""
FITS = {
    "eigenpro": """
model = kernel_machine.EigenProRegressor(
    solver="eigenpro", n_components=50, max_iter=1, random_state=0
).fit(X, y)
assert np.isfinite(model.predict(X[:50])).all()
""",
    "gaussian process": """
model = gaussian_process.GaussianProcessRegressor(
    optimizer=None, alpha=0.1, solver="sdd", max_iter=1, n_samples=2, n_features=50,
    random_state=0,
).fit(X, y)
assert np.isfinite(model.predict(X[:50])).all()
""",
    "point clouds": """
result = transport.sinkhorn(
    None, None, transport.PointCloud(X, X + 1.0, streamed=True), 5.0, max_iter=2
)
assert np.isfinite(result.objective)
""",
    # Dense, 20,000 rows of 20,000 columns would take 3.2 GB.
    "sparse rows": """
S = sp.random_array((20_000, 20_000), density=2e-4, format="csr", rng=rng)
t = S[:, :50].sum(axis=1) + 0.01 * rng.standard_normal(20_000)
model = linear_model.SparseRegressor(alpha=1e-4).fit(S, t)
assert model.converged_
assert model.coef_.any()
""",
    "completion": """
S = sp.random_array((20_000, 15_000), density=1e-4, format="csr", rng=rng)
model = decomposition.MatrixCompleter(
    2, alpha=1.0, max_iter=3, keep_observed=False, random_state=0
).fit(S)
assert np.isfinite(model.objective_)
""",
}


LONG = ("eigenpro", "gaussian process", "completion")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.thorough] if name in LONG else [])
        for name in FITS
    ],
)
def test_the_dense_object_would_not_fit(name):
    done = subprocess.run(
        [sys.executable, "-c", HEAD + FITS[name]],
        # Threads reserve an address space each.
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
