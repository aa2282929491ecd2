"""Quadratic forms: smooth numerators, and denominators or their squares.

A form is q(x) = q(0) + b'x + 1/2 x'Hx with H positive semidefinite. It gives its
value and gradient at x, the diagonal of H, and any diagonal block of H, with which a
sweep over some coordinates keeps value and gradient up to date in O(m) for each.
"""

import numpy as np


class Ridge:
    """q(x) = constant + 1/2 x'x.

    Parameters
    ----------
    p : int
        Coordinates.
    constant : float, default=0.5
        q(0). With 1/2, the scale at which a ratio to a norm is least has x'x = 1 where
        there is no other term.
    """

    lipschitz = 1.0

    def __init__(self, p, constant=0.5):
        self.diagonal = np.ones(p)
        self.origin = float(constant), np.zeros(p)

    def evaluate(self, x):
        """Return the value and the gradient."""
        return self.origin[0] + 0.5 * float(x @ x), x.copy()

    def gram(self, ids):
        """Return the block of H."""
        return np.eye(ids.size)


class LeastSquares:
    """q(x) = constant + 1/2 abs(Ax - y)^2.

    Parameters
    ----------
    A : ndarray of shape (n, p)
        Matrix, float64.
    y : ndarray of shape (n,), default=None
        None for zero.
    constant : float, default=0.0
        Added to the value.
    """

    def __init__(self, A, y=None, constant=0.0):
        self.A, self.constant = np.asfortranarray(A), float(constant)
        self.y = np.zeros(A.shape[0]) if y is None else y
        self.diagonal = np.einsum("ij,ij->j", A, A)
        value = self.constant + 0.5 * float(self.y @ self.y)
        self.origin = value, -(self.A.T @ self.y)

    @property
    def lipschitz(self):
        """Largest eigenvalue of H."""
        return float(np.linalg.norm(self.A, 2)) ** 2

    def evaluate(self, x):
        """Return the value and the gradient."""
        r = self.A @ x - self.y
        return self.constant + 0.5 * float(r @ r), self.A.T @ r

    def gram(self, ids):
        """Return the block of H."""
        columns = self.A[:, ids]
        return columns.T @ columns


class LocalForm:
    """A form on some coordinates, while a sweep moves them.

    Parameters
    ----------
    form : form
        See the module.
    value : float
        Where the sweep starts.
    gradient : ndarray of shape (p,)
        There.
    ids : ndarray of int of shape (m,)
        The coordinates.
    """

    def __init__(self, form, value, gradient, ids):
        self.value, self.gradient = value, gradient[ids]
        self.H = form.gram(ids)
        self.diagonal = self.H.diagonal().tolist()

    def slope(self, k):
        """Return the derivative for the k-th coordinate."""
        return self.gradient.item(k)

    def move(self, k, eta):
        """Step along the k-th coordinate."""
        self.value += (self.gradient.item(k) + 0.5 * self.diagonal[k] * eta) * eta
        self.gradient += eta * self.H[k]


def scaled(form, gradient, x, t):
    """Return value and gradient at t x from those at x."""
    constant, b = form.origin
    slope, curvature = ray(form, gradient, x)
    return (
        constant + (slope + 0.5 * curvature * t) * t,
        t * (gradient - b) + b,
    )


def ray(form, gradient, x):
    """Return b'x and x'Hx, the coefficients of q along the ray through x."""
    b = form.origin[1]
    return float(b @ x), float((gradient - b) @ x)
