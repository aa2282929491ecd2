r"""Random projections of p features to q of them.

Sketch: S (p, q) with E[S S'] = 1, so that X S (n, q) has the products of X on average.

- ``"gaussian"``: independent normal entries of variance 1 / q.
- ``"orthogonal"``: sqrt(p / q) times q columns of a random rotation.
- ``"dct"``: sqrt(p / q) times q random rows of the discrete cosine transform of the
  features with random signs, O(n p log p) for all rows.
- ``"countsketch"``: every feature is added with a random sign to one of the buckets in
  each of t blocks, over sqrt(t): a sparse X stays sparse, O(t nnz(X)).

The first three are asymptotically free from any X; of the last this is known in
experiments. A ridge model on X S with the level a is then the one on X with the level
    a (1 - d / p) / (1 - d / q)  for rotations,   a / (1 - d / q)  for the others,
in the mean over S, where d is the trace of the smoother of the sketched model.

Sources: P. Patil and D. LeJeune, Asymptotically free sketched ridge ensembles, ICLR
2024, theorem 1 and table of S-transforms; M. Charikar, K. Chen and M. Farach-Colton,
Finding frequent items in data streams, ICALP 2002; N. Ailon and B. Chazelle, SIAM J.
Computing 39, 2009 (random signs before a fast transform).
"""

import math

import numpy as np
import scipy.sparse as sp
from scipy.fft import dct, idct

from skopt2._core.array import asarray_like, is_sparse, namespace

SKETCHES = ("dct", "countsketch", "gaussian", "orthogonal")
# Entries of a block of rows that is made dense for the transform.
BLOCK = 2**24


def make_sketch(name, p, q, rng):
    """Draw a sketch.

    Parameters
    ----------
    name : {"dct", "countsketch", "gaussian", "orthogonal"}
        See the module.
    p, q : int
        Features before and after, q <= p.
    rng : numpy.random.Generator
        Draws it.

    Returns
    -------
    sketch : CosineSketch or MatrixSketch
        With ``apply`` and ``expand``.
    """
    if name == "dct":
        signs = rng.choice([-1.0, 1.0], p)
        return CosineSketch(signs, np.sort(rng.choice(p, q, replace=False)))
    if name == "countsketch":
        return MatrixSketch(_count_sketch(p, q, rng))
    S = rng.standard_normal((p, q))
    if name == "gaussian":
        return MatrixSketch(S / math.sqrt(q))
    Q, R = np.linalg.qr(S)
    # Signs that make the rotation uniform.
    return MatrixSketch(Q * np.sign(np.diag(R)) * math.sqrt(p / q))


def _count_sketch(p, q, rng):
    """Return a sparse S (p, q): one entry for each feature in each block of buckets."""
    t = min(q, max(1, math.ceil(2.0 * math.log(p + 1.0))))
    edges = np.linspace(0, q, t + 1).astype(np.int64)
    columns = [rng.integers(edges[i], edges[i + 1], p) for i in range(t)]
    values = rng.choice([-1.0, 1.0], t * p) / math.sqrt(t)
    rows = np.tile(np.arange(p), t)
    return sp.csr_array((values, (rows, np.concatenate(columns))), shape=(p, q))


def implicit_alpha(name, alpha, trace, p, q):
    """Return the level of the model on all features that a sketched one stands for.

    Parameters
    ----------
    name : str
        Kind of the sketch.
    alpha : ndarray
        Levels of the sketched model.
    trace : ndarray
        Traces of its smoothers, below q.
    p, q : int
        Features before and after.
    """
    rotation = name in ("dct", "orthogonal")
    kept = 1.0 - trace / p if rotation else 1.0
    return alpha * kept / np.maximum(1.0 - trace / q, 1e-300)


class MatrixSketch:
    """A sketch that is stored.

    Parameters
    ----------
    S : ndarray or sparse array of shape (p, q)
        The sketch, on the host.
    """

    def __init__(self, S):
        self.S = S

    def apply(self, X):
        """Return X S (n, q), dense, beside X."""
        values = X.data if is_sparse(X) else X
        if namespace(values) is np:
            out = X @ self.S.astype(X.dtype)
            return out.toarray() if is_sparse(out) else out
        return X @ asarray_like(self._dense(), values)

    def apply_row(self, row):
        """Return row S (q,) of a vector on the host."""
        return self.S.T @ row

    def expand(self, v):
        """Return S v (p,) of a vector on the host."""
        return self.S @ v

    def _dense(self):
        return self.S.toarray() if is_sparse(self.S) else self.S


class CosineSketch:
    """Random signs, a cosine transform, and some of its rows.

    Parameters
    ----------
    signs : ndarray of shape (p,)
        Of the features.
    kept : ndarray of int of shape (q,)
        Frequencies.
    """

    def __init__(self, signs, kept):
        self.signs, self.kept = signs, kept
        self.scale = math.sqrt(signs.size / kept.size)

    def apply(self, X):
        """Return X S (n, q), dense, beside X."""
        values = X.data if is_sparse(X) else X
        if namespace(values) is not np:
            return X @ asarray_like(self._dense(), values)
        n, p = X.shape
        out = np.empty((n, self.kept.size), dtype=X.dtype)
        X = X.tocsr() if is_sparse(X) else X
        step = max(1, BLOCK // p)
        for first in range(0, n, step):
            rows = X[first : first + step]
            rows = rows.toarray() if is_sparse(rows) else rows
            out[first : first + step] = self._transform(rows)
        return out

    def apply_row(self, row):
        """Return row S (q,) of a vector on the host."""
        return self._transform(row[None, :])[0]

    def _transform(self, rows):
        signs = self.signs.astype(rows.dtype)
        spectrum = dct(rows * signs, axis=1, norm="ortho", overwrite_x=True)
        return spectrum[:, self.kept] * rows.dtype.type(self.scale)

    def expand(self, v):
        """Return S v (p,) of a vector on the host."""
        spectrum = np.zeros(self.signs.size)
        spectrum[self.kept] = self.scale * v
        return self.signs * idct(spectrum, norm="ortho")

    def _dense(self):
        """Return S (p, q): products with it are faster on devices without the FFT."""
        p = self.signs.size
        phase = np.outer(2.0 * np.arange(p) + 1.0, self.kept) * (math.pi / (2.0 * p))
        S = np.cos(phase) * math.sqrt(2.0 / p)
        S[:, self.kept == 0] *= math.sqrt(0.5)
        return S * self.signs[:, None] * self.scale
