"""What every separable penalty shares.

Problem: min_w f(w) + sum_j pen(w_j; lam_j), with lam_j = alpha * factor_j in [0, inf].

Symbols: w (p,) or (p, K); lam broadcastable to w, 0 where a feature is unpenalised and
inf where it is excluded; grad, the gradient of f, of the shape of w. Every penalty is
symmetric, nondecreasing in abs(w) and 0 at 0 unless its file says otherwise.
"""

import numpy as np
from sklearn.base import BaseEstimator

from skopt2._core.array import max_abs, namespace, sum64, take, to_numpy


class Penalty(BaseEstimator):
    """Base of the penalties: defaults that hold for a symmetric one with a kink at 0.

    A penalty only knows a shape. Its level arrives with each call as ``lam``, so one
    object serves a whole path, and every method works element by element on any subset
    of the features.
    """

    name = ""
    convex = True
    stationarity = "subdifferential"
    separable = True

    def check_parameters(self, n_features=None):
        """Raise ValueError if a parameter is out of range.

        Parameters
        ----------
        n_features : int, default=None
            If given, parameters with one entry per feature must have this length.
        """

    @property
    def bounds(self):
        """Bounds on w as a pair (lower, upper), None where there are none."""
        return None

    @property
    def has_gap(self):
        """True if scaling a dual point can make it feasible: a duality gap exists."""
        return self.convex

    def for_features(self, n_features):
        """Return the penalty with parameters worked out for so many features.

        Parameters
        ----------
        n_features : int
            Columns of X.

        Returns
        -------
        penalty : Penalty
            The object itself unless a parameter depends on the number of features.
        """
        return self

    def restrict(self, index):
        """Return the penalty of a subset of the features.

        Parameters
        ----------
        index : array of int of shape (k,)
            Features to keep.

        Returns
        -------
        penalty : Penalty
            The object itself unless it holds one parameter per feature.
        """
        return self

    def beside(self, x):
        """Return the penalty with arrays it may hold moved beside ``x``.

        Parameters
        ----------
        x : array
            Example of the namespace, the device and the dtype.

        Returns
        -------
        penalty : Penalty
            The object itself unless it holds one parameter per feature.
        """
        return self

    def pull(self, grad):
        """Force with which the gradient draws coefficients at zero away from it.

        Parameters
        ----------
        grad : array of shape (p,) or (p, K)
            Gradient of the smooth part.

        Returns
        -------
        force : array of the shape of grad
            Nonnegative; a coefficient leaves 0 where it exceeds ``slope_at_zero``.
        """
        return namespace(grad).abs(grad)

    def slope_at_zero(self, lam):
        """Right derivative of the penalty at 0.

        Parameters
        ----------
        lam : array of shape (p,)
            Level per feature, in [0, inf].

        Returns
        -------
        slope : array of the shape of lam
            In [0, inf].
        """
        return lam

    def value(self, w, lam):
        """Sum of the penalty over all coefficients.

        Parameters
        ----------
        w : array of shape (p,) or (p, K)
            Coefficients.
        lam : array broadcastable to w
            Level per feature, in [0, inf].

        Returns
        -------
        value : float
            Accumulated in float64; an excluded feature at 0 counts 0.
        """
        return sum64(self.terms(w, lam))

    def terms(self, w, lam):
        """Penalty of each coefficient.

        Parameters
        ----------
        w : array of shape (p,) or (p, K)
            Coefficients.
        lam : array broadcastable to w
            Level per feature, in [0, inf].

        Returns
        -------
        terms : array of the shape of w
            Separable penalties only; an excluded feature at 0 counts 0.
        """
        raise NotImplementedError

    def prox(self, z, step, lam):
        """Global minimiser over v of (v - z)^2 / (2 step) + pen(v; lam).

        Parameters
        ----------
        z : array of shape (p,) or (p, K)
            Points.
        step : float or array broadcastable to z
            Positive steps of any size.
        lam : array broadcastable to z
            Level per feature: 0 returns z, inf returns 0.

        Returns
        -------
        v : array of the shape of z
            Minimisers; the smaller one where two tie.
        """
        raise NotImplementedError

    def derivative(self, w, lam):
        """Derivative of the penalty where w != 0, and 0 where w == 0.

        Parameters
        ----------
        w : array of shape (p,) or (p, K)
            Coefficients.
        lam : array broadcastable to w
            Level per feature, in [0, inf].

        Returns
        -------
        derivative : array of the shape of w
            With the sign of w.
        """
        raise NotImplementedError

    def curvature(self, w, lam):
        """Second derivative of the penalty where w != 0, and 0 where w == 0.

        Parameters
        ----------
        w : array of shape (p,) or (p, K)
            Coefficients.
        lam : array broadcastable to w
            Level per feature, in [0, inf].

        Returns
        -------
        curvature : array of the shape of w
            Negative where the penalty is concave.
        """
        return namespace(w).zeros_like(w)

    def region(self, w, lam):
        """Code of the smooth piece that holds each coordinate.

        Newton on the support is exact as long as no code changes.

        Parameters
        ----------
        w : array of shape (p,) or (p, K)
            Coefficients.
        lam : array broadcastable to w
            Level per feature, in [0, inf].

        Returns
        -------
        region : array of int8 of the shape of w
            0 where w == 0; elsewhere it carries the sign of w.
        """
        xp = namespace(w)
        return xp.astype(xp.sign(w), xp.int8)

    def free(self, w, lam):
        """Tell where the penalty is smooth around w, so that Newton may move w.

        Parameters
        ----------
        w : array of shape (p,) or (p, K)
            Coefficients.
        lam : array broadcastable to w
            Level per feature, in [0, inf].

        Returns
        -------
        free : array of bool of the shape of w
            False where w == 0.
        """
        return w != 0

    def unpenalised(self, lam):
        """Tell where the penalty vanishes, so that Newton may cross zero.

        Parameters
        ----------
        lam : array of shape (p,)
            Level per feature, in [0, inf].

        Returns
        -------
        unpenalised : array of bool of the shape of lam
            Never True where a bound holds at every level.
        """
        return lam == 0

    def subdiff_distance(self, w, grad, lam):
        """Distance of -grad to the subdifferential of the penalty, per coordinate.

        Parameters
        ----------
        w : array of shape (p,) or (p, K)
            Coefficients.
        grad : array of the shape of w
            Gradient of the smooth part.
        lam : array broadcastable to w
            Level per feature, in [0, inf].

        Returns
        -------
        distance : array of the shape of w
            Nonnegative; 0 for excluded features.
        """
        xp = namespace(w)
        at_zero = xp.maximum(xp.abs(grad) - self.slope_at_zero(lam), 0.0)
        return xp.where(w == 0, at_zero, xp.abs(grad + self.derivative(w, lam)))

    def alpha_max(self, grad_abs, factor, steps=None):
        """Smallest alpha for which w = 0 is stationary.

        Parameters
        ----------
        grad_abs : array of shape (p,) or (p, K)
            ``pull`` of the gradient of the smooth part at w = 0.
        factor : array broadcastable to grad_abs
            Penalty factors; features with factor 0 or inf do not count.
        steps : array broadcastable to grad_abs, default=None
            Coordinate steps 1 / L_j, used where stationarity means a fixed point of the
            prox.

        Returns
        -------
        alpha : float
            0.0 if no feature is penalised.
        """
        return largest_ratio(grad_abs, factor)

    def strong_rule(self, lam_new, lam_old):
        """Threshold of the sequential strong rule.

        A feature is kept on the way from ``lam_old`` to ``lam_new`` if its ``pull``
        reaches the threshold (Tibshirani et al., JRSS B 74, 2012, section 2). The rule
        is a heuristic: stationarity of the features left out must be checked.

        Parameters
        ----------
        lam_new, lam_old : array of shape (p,)
            Levels of this and of the previous problem.

        Returns
        -------
        threshold : array of shape (p,)
            Infinite for excluded features.
        """
        return self.slope_at_zero(extrapolate(lam_new, lam_old, 1.0))


def on_host(values):
    """Return a parameter, array-like of any namespace, as a NumPy array."""
    return np.asarray(to_numpy(values) if hasattr(values, "dtype") else values)


def select(values, index):
    """Return the entries of a parameter that holds one number per feature.

    They stay on the device if index is there too, and come as a NumPy array otherwise.
    """
    if hasattr(values, "dtype") and namespace(values) is namespace(index):
        return take(values, index)
    return on_host(values)[to_numpy(index)]


def plain(step):
    """Return a scalar step as a Python float, which leaves float32 arrays float32."""
    return float(step) if isinstance(step, (int, float)) else step


def active_level(w, lam):
    """Return lam where w != 0 and 0 elsewhere, so that inf never meets a zero."""
    return namespace(w).where(w == 0, 0.0, lam)


def soft_threshold(z, threshold):
    """Return sign(z) * max(abs(z) - threshold, 0); an infinite threshold gives 0."""
    xp = namespace(z)
    # z less its projection on [-threshold, threshold]: fewer passes than with signs.
    return z - xp.minimum(xp.maximum(z, -threshold), threshold)


def largest_ratio(top, bottom):
    """Return max_j top_j / bottom_j over bottom_j > 0 as a float; 0.0 over nothing."""
    xp = namespace(top)
    penalised = bottom > 0
    ratio = top / xp.where(penalised, bottom, 1.0)
    return max_abs(xp.where(penalised, ratio, 0.0))


def extrapolate(lam_new, lam_old, rate):
    """Return lam_new + rate * (lam_new - lam_old), inf where lam_new is."""
    xp = namespace(lam_new)
    # inf - inf is NaN: an excluded feature has no previous level to speak of.
    old = xp.where(xp.isinf(lam_old), 0.0, lam_old)
    return (1.0 + rate) * lam_new - rate * old
