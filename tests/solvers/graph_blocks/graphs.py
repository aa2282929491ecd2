"""Graphs to test on."""

import numpy as np
import scipy.sparse as sp


def laplacian(W):
    return sp.csr_array(sp.diags_array(W.sum(axis=1) + 0.1) - W)


def random_graph(n, density, seed):
    W = sp.random_array((n, n), density=density, rng=np.random.default_rng(seed))
    W = sp.csr_array(sp.triu(W, 1))
    return sp.csr_array(W + W.T)


def lattice(n_rows, n_columns):
    along = [sp.diags_array(np.ones(n - 1), offsets=1) for n in (n_rows, n_columns)]
    across = sp.kron(along[0], sp.eye_array(n_columns))
    W = sp.csr_array(across + sp.kron(sp.eye_array(n_rows), along[1]))
    return sp.csr_array(W + W.T)
