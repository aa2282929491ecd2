"""The fingerprint of a problem."""

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator

from skopt2._core.array import move
from skopt2._core.resume import fingerprint


class Inner(BaseEstimator):
    def __init__(self, gamma=3.0):
        self.gamma = gamma


class Outer(BaseEstimator):
    def __init__(self, penalty=None, factor=None, tol=1e-6, link=None):
        self.penalty = penalty
        self.factor = factor
        self.tol = tol
        self.link = link


X, y = np.arange(12.0).reshape(4, 3), np.arange(4.0)


def of(X=X, y=y, weight=None, **params):
    return fingerprint(Outer(**params), X, y, weight)


def test_equal_problems_share_it():
    assert of(penalty=Inner(), link=np.exp) == of(penalty=Inner(), link=np.exp)
    assert of(X=np.asfortranarray(X)) == of()
    assert of(tol=1.0) == of()
    assert of(factor=[1.0, np.inf]) == of(factor=[1.0, np.inf])


def test_different_problems_do_not():
    seen = [
        of(),
        of(penalty=Inner()),
        of(penalty=Inner(2.0)),
        of(factor=np.ones(3)),
        of(factor=[1.0, 1.0, 1.0]),
        of(factor=np.ones(4)),
        of(link=np.exp),
        of(link=np.log),
        of(X=X.astype(np.float32)),
        of(X=X.T),
        of(X=sp.csr_array(X)),
        of(X=sp.csc_array(X)),
        of(X=sp.csr_array(2 * X)),
        of(y=y + 1),
        of(y=np.array(list("abcd"), dtype=object)),
        of(y=None),
        of(weight=y),
    ]
    assert len(set(seen)) == len(seen)


def test_it_does_not_depend_on_the_device(device_backend):
    there = of(X=move(X, device_backend.target), y=move(y, device_backend.target))
    assert there == of()


def test_large_arrays_are_sampled():
    large = np.zeros((2**15, 128))
    first = of(X=large)
    large[0, 0] = 1.0
    assert of(X=large) != first
