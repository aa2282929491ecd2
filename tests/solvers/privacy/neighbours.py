"""Small private problems, their neighbours, and what a descent releases of both."""

import math
from dataclasses import dataclass, field

import numpy as np

from skopt2.losses import Logistic, Multinomial
from skopt2.solvers.privacy.glm_query import GLMQuery
from skopt2.solvers.privacy.noise import NoiseSource
from skopt2.solvers.privacy.rows import Rows

HEIGHT = math.sqrt(2.0)


@dataclass
class Recorder(NoiseSource):
    """Noise that remembers what was asked of it."""

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    like: object = None
    draws: list = field(default_factory=list)
    kind: str = "gaussian"

    def draw(self, shape, std):
        self.draws.append((tuple(shape), float(std)))
        noise = std * self.rng.standard_normal(shape)
        return noise if self.like is None else self.like(noise)

    def added(self, query, W, multiplier, relation="zero_out", rows=None):
        std = multiplier * query.sensitivity(relation)
        return query.clipped_sum(W, rows) + self.draw(query.shape, std)


def make_query(X, codes, norm, *, n_classes=2, keep=None, place=None, clipping="flat"):
    """Return the query of a logistic or multinomial model of rows of norm 1."""
    place = (lambda a: a) if place is None else place
    if n_classes == 2:
        loss, n_outputs, target = Logistic(), None, 2.0 * codes - 1.0
    else:
        loss, n_outputs = Multinomial(), n_classes
        target = np.eye(n_classes)[codes]
    part = (
        place(X),
        place(target.astype(X.dtype)),
        None if keep is None else place(keep),
    )
    rows = Rows(lambda: iter([part]), X.shape[0], X.shape[1])
    return GLMQuery(rows, loss, norm, n_outputs=n_outputs, clipping=clipping)


def largest_norm(n_classes):
    """Return the largest norm of the gradient of a row."""
    return HEIGHT * (1.0 if n_classes == 2 else math.sqrt(2.0))


def smoothness(n_classes):
    """Return how fast the gradient of a row can change."""
    return HEIGHT**2 * (0.25 if n_classes == 2 else 0.5)


def random_case(rng, n_classes, relation, norm):
    """Return the queries of two neighbours of a few rows, some of them extreme."""
    n, d = int(rng.integers(1, 7)), int(rng.integers(1, 4))
    X = rng.standard_normal((n, d)) * 10.0 ** rng.integers(-2, 4, size=(n, 1))
    codes = rng.integers(0, n_classes, size=n)
    other, other_codes, keep = X.copy(), codes.copy(), np.ones(n)
    row = rng.integers(n)
    if relation == "zero_out":
        keep[row] = 0.0
    else:
        other[row] = -X[row] if rng.random() < 0.5 else rng.standard_normal(d)
        other_codes[row] = rng.integers(n_classes)
    first = make_query(X, codes, norm, n_classes=n_classes)
    return first, make_query(other, other_codes, norm, n_classes=n_classes, keep=keep)
