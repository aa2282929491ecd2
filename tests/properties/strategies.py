"""What the properties draw: small data with the troubles that real data have."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st


@dataclass(frozen=True)
class Table:
    """Rows with a linear score, from which every kind of target is made.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Features; of several scales, doubled, constant or zero, as drawn.
    score : ndarray of shape (n_samples,)
        Of scale 1: what a target follows.
    weight : ndarray of shape (n_samples,)
        Whole weights, some zero, at least one positive.
    """

    X: Any
    score: Any
    weight: Any

    def with_rows(self, rows):
        """Return the table of some rows, in their order."""
        return replace(
            self, X=self.X[rows], score=self.score[rows], weight=self.weight[rows]
        )


seeds = st.integers(0, 2**20)
# Powers of two change no digit, so that a scaled problem is the same problem exactly.
scales = st.integers(-20, 20).map(lambda exponent: 2.0**exponent)
ratios = st.sampled_from([1e-3, 1e-2, 0.1, 0.3, 0.7, 1.0, 1.5])


@st.composite
def tables(draw, max_rows=24, max_columns=7, min_rows=2, spread=6):
    """Draw a table.

    Parameters
    ----------
    draw : callable
        Of hypothesis.
    max_rows, max_columns, min_rows : int
        Limits of the shape.
    spread : int, default=6
        Columns are scaled by up to two to this power, either way.
    """
    rng = np.random.default_rng(draw(seeds))
    n = draw(st.integers(min_rows, max_rows))
    p = draw(st.integers(1, max_columns))
    X = rng.standard_normal((n, p))
    kind = draw(st.sampled_from(["normal", "integers", "sparse", "correlated"]))
    if kind == "integers":
        X = rng.integers(-2, 3, (n, p)).astype(float)
    elif kind == "sparse":
        X *= rng.random((n, p)) < 0.4
    elif kind == "correlated":
        X = X[:, :1] + 0.05 * X
    score = X @ rng.standard_normal(p) / np.sqrt(p) + 0.5 * rng.standard_normal(n)
    trouble = draw(st.sampled_from(["none", "constant", "zero", "double", "mean"]))
    last = p - 1
    if trouble in ("constant", "zero"):
        X[:, last] = trouble == "constant"
    elif trouble == "double":
        X[:, last] = X[:, 0]
    elif trouble == "mean":
        X[:, last] += 64.0
    if draw(st.booleans()):
        X = X * 2.0 ** rng.integers(-spread, spread + 1, p)
    if draw(st.booleans()) and n > 2:
        X[n // 2] = X[0]
    weight = rng.integers(0, 4, n).astype(float)
    weight[rng.integers(n)] = 2.0
    return Table(X, score, weight)


def permutation(seed, n):
    """Return a permutation of n places."""
    return np.random.default_rng(seed).permutation(n)


def share(part):
    """Return settings for a share of a profile's examples, at least one."""
    return settings(max_examples=max(1, round(part * settings.default.max_examples)))
