"""Factors without pivots solve, in any order and with indices of any width."""

import numpy as np
import pytest
import scipy.sparse as sp

from skopt2.solvers.symmetric_lu import symmetric_lu


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_solves_a_positive_definite_matrix(rng, kind):
    B = sp.random_array((40, 40), density=0.1, rng=rng, format="csr")
    A = sp.csr_array(B @ B.T + sp.eye_array(40))
    A.indices, A.indptr = A.indices.astype(kind), A.indptr.astype(kind)
    r = rng.standard_normal((40, 3))
    x = symmetric_lu(A).solve(r)
    np.testing.assert_allclose(x, np.linalg.solve(A.toarray(), r), rtol=1e-10)


def test_a_triangular_matrix_is_its_own_factor(rng):
    L = sp.tril(sp.random_array((30, 30), density=0.2, rng=rng), -1) + sp.eye_array(30)
    factor = symmetric_lu(sp.csr_array(L), ordered=True)
    assert factor.L.nnz == L.nnz
    r = rng.standard_normal(30)
    np.testing.assert_allclose(factor.solve(r), np.linalg.solve(L.toarray(), r))


def test_a_pivot_of_zero_is_an_error():
    with pytest.raises(RuntimeError, match="singular"):
        symmetric_lu(sp.csc_array(np.ones((2, 2))))
