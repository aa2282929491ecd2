"""A large sparse problem is never densified: the peak of a fresh process."""

import subprocess
import sys

import pytest

pytest.importorskip("resource")

PROBLEM = """
import resource
import numpy as np
import scipy.sparse as sp

rng = np.random.default_rng(0)
n, p = 20000, 100000
X = sp.random_array((n, p), density=1e-3, format="{format}", rng=rng)
w = np.zeros(p)
w[:: p // 200] = 3.0
y = X @ w + 0.1 * rng.standard_normal(n)
"""
FITS = {
    "regression": """
from skopt2.linear_model import SparseRegressor, sparse_path
A, r = X, y - y.mean()
top = abs(A.T @ r).max() / n
model = SparseRegressor(penalty="mcp", alpha=top / 5).fit(X, y)
assert model.converged_, model.certificate_
path = sparse_path(X, y, alphas=4, eps=0.2)
assert all(c.holds for c in path.certificates)
assert path.degrees_of_freedom[-1] > 100
""",
    "classification": """
from skopt2.linear_model import SparseClassifier
label = y > np.median(y)
top = abs(X.T @ (label - label.mean())).max() / n
model = SparseClassifier(alpha=top / 5).fit(X, label)
assert model.converged_, model.certificate_
assert model.coef_.any()
model.predict_proba(X)
""",
}
REPORT = """
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize("kind", FITS)
@pytest.mark.parametrize(
    "layout", ["csr", pytest.param("csc", marks=pytest.mark.thorough)]
)
def test_peak_memory_of_a_large_sparse_problem(kind, layout):
    """The dense matrix would take 16 GB; all of the process stays below one GiB."""
    code = PROBLEM.format(format=layout) + FITS[kind] + REPORT
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout) * unit < 2**30
