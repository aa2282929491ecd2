"""The indicator of a box.

Penalty: pen(w; lam) = 0 for lower <= w <= upper, inf outside, with lower <= 0 <= upper.
The level does not matter, except that lam = inf excludes a feature. The prox is the
projection, the conjugate the support function max(lower * u, upper * u).

Source: N. Parikh and S. Boyd, Proximal algorithms, Foundations and Trends in
Optimization 1, 2014, section 6.2.
"""

import copy
import math
from numbers import Real

import numpy as np

from skopt2._core.array import asarray_like, namespace, sum64
from skopt2.penalties.base import Penalty, on_host, select


class Box(Penalty):
    """Bounds on the coefficients: lower <= w <= upper.

    Parameters
    ----------
    lower : float or array-like of shape (p,), default=0.0
        Lower bounds, at most 0; may be -inf.
    upper : float or array-like of shape (p,), default=inf
        Upper bounds, at least 0.

    References
    ----------
    Parikh and Boyd, Foundations and Trends in Optimization 1, 2014, section 6.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import Box
    >>> Box(0.0, 1.0).prox(np.array([-3.0, 0.5, 3.0]), 1.0, np.ones(3)).tolist()
    [0.0, 0.5, 1.0]
    """

    name = "box"

    def __init__(self, lower=0.0, upper=math.inf):
        self.lower = lower
        self.upper = upper

    def check_parameters(self, n_features=None):
        """Raise ValueError unless lower <= 0 <= upper, one bound or one per feature."""
        limits = {}
        for name in ("lower", "upper"):
            given = getattr(self, name)
            try:
                limit = on_host(given).astype(np.float64)
            except (TypeError, ValueError):
                limit = None
            if limit is None or limit.ndim > 1 or np.isnan(limit).any():
                raise ValueError(
                    f"{name} of the box penalty must be a number or a vector with one "
                    f"number per feature, got {name}={given!r}."
                )
            if n_features is not None and limit.ndim and limit.shape[0] != n_features:
                raise ValueError(
                    f"{name} of the box penalty has {limit.shape[0]} entries, but X "
                    f"has {n_features} features; give one number, or one per feature."
                )
            limits[name] = limit
        shown = f"lower={self.lower!r} and upper={self.upper!r}"
        try:
            crossed = (limits["lower"] > limits["upper"]).any()
        except ValueError:
            raise ValueError(
                f"lower and upper of the box penalty must have one length, got {shown}."
            ) from None
        if crossed:
            raise ValueError(
                "lower of the box penalty must not exceed upper, got "
                f"{shown}; swap them."
            )
        if (limits["lower"] > 0).any() or (limits["upper"] < 0).any():
            raise ValueError(
                "lower and upper of the box penalty must enclose 0, the start of every "
                f"fit, got {shown}; use lower <= 0 <= upper."
            )

    @property
    def bounds(self):
        """Bounds as given: (lower, upper)."""
        return self.lower, self.upper

    @property
    def has_gap(self):
        """False where a bound is infinite: no scaling makes a dual point feasible."""
        limits = on_host(self.lower), on_host(self.upper)
        return all(bool(np.isfinite(limit).all()) for limit in limits)

    def _copy(self, change):
        changed = copy.copy(self)
        for name in ("lower", "upper"):
            limit = getattr(self, name)
            if not isinstance(limit, Real):
                setattr(changed, name, change(limit))
        return changed

    def restrict(self, index):
        """Return the penalty of the features ``index``."""
        return self._copy(lambda limit: select(limit, index))

    def beside(self, x):
        """Return the penalty with bounds per feature as arrays beside ``x``."""
        return self._copy(lambda limit: asarray_like(limit, x))

    def _limits(self, w):
        """Bounds as Python floats or as arrays that broadcast to w."""
        limits = []
        for limit in (self.lower, self.upper):
            if isinstance(limit, Real):
                limits.append(float(limit))
                continue
            limit = asarray_like(limit, w)
            if w.ndim == 2 and limit.ndim == 1:
                limit = namespace(w).reshape(limit, (-1, 1))
            limits.append(limit)
        return limits

    def value(self, w, lam):
        """Zero inside the box and inf outside, as a float."""
        lower, upper = self._limits(w)
        outside = (w < lower) | (w > upper)
        return math.inf if bool(namespace(w).any(outside)) else 0.0

    def terms(self, w, lam):
        """Zero where a coefficient is inside the box and inf elsewhere."""
        xp = namespace(w)
        lower, upper = self._limits(w)
        return xp.where((w < lower) | (w > upper), math.inf, xp.zeros_like(w))

    def prox(self, z, step, lam):
        """Projection of z on the box; 0 for excluded features."""
        xp = namespace(z)
        lower, upper = self._limits(z)
        inside = xp.minimum(xp.maximum(z, lower), upper)
        return xp.where(xp.isinf(lam), 0.0, inside)

    def slope_at_zero(self, lam):
        """Right derivative at 0: inf for excluded features and where upper is 0."""
        xp = namespace(lam)
        _, upper = self._limits(lam)
        shut = xp.where(xp.isinf(lam), lam, 0.0)
        if isinstance(upper, float):
            return shut if upper > 0 else xp.full_like(shut, math.inf)
        return xp.where(upper > 0, shut, math.inf)

    def derivative(self, w, lam):
        """Derivative inside the box: zero."""
        return namespace(w).zeros_like(w)

    def region(self, w, lam):
        """Code 1 inside, 2 at a nonzero upper bound, -2 at a nonzero lower, else 0."""
        xp = namespace(w)
        inside = self.free(w, lam)
        held = xp.astype(xp.sign(w), xp.int8) * 2
        return xp.where(inside, 1, held)

    def free(self, w, lam):
        """True strictly inside the box."""
        lower, upper = self._limits(w)
        return (w > lower) & (w < upper) & ~namespace(lam).isinf(lam)

    def unpenalised(self, lam):
        """False everywhere: the bounds hold at every level."""
        xp = namespace(lam)
        return xp.zeros_like(lam, dtype=xp.bool)

    def subdiff_distance(self, w, grad, lam):
        """Distance of -grad to the normal cone of the box, per coordinate."""
        xp = namespace(w)
        lower, upper = self._limits(w)
        rise = xp.where(w < upper, xp.maximum(-grad, 0.0), 0.0)
        fall = xp.where(w > lower, xp.maximum(grad, 0.0), 0.0)
        return xp.where(xp.isinf(lam), 0.0, rise + fall)

    def alpha_max(self, grad_abs, factor, steps=None):
        """Zero: the level has no influence."""
        return 0.0

    def strong_rule(self, lam_new, lam_old):
        """No rule is known: 0, which keeps every feature, inf for excluded ones."""
        xp = namespace(lam_new)
        return xp.where(xp.isinf(lam_new), lam_new, 0.0)

    def dual_scale(self, u, lam):
        """Return 1, or 0 where an infinite bound makes the conjugate at u infinite."""
        xp = namespace(u)
        lower, upper = self._limits(u)
        unbounded = ((u > 0) & (upper == math.inf)) | ((u < 0) & (lower == -math.inf))
        return 0.0 if bool(xp.any(unbounded & ~xp.isinf(lam))) else 1.0

    def conjugate(self, u, lam):
        """Sum of max(lower * u, upper * u); infinite bounds and levels count 0."""
        xp = namespace(u)
        u = xp.where(xp.isinf(lam), 0.0, u)
        total = 0.0
        for limit, part in zip(
            self._limits(u), (xp.minimum(u, 0.0), xp.maximum(u, 0.0)), strict=True
        ):
            if isinstance(limit, float):
                total += limit * sum64(part) if math.isfinite(limit) else 0.0
            else:
                total += sum64(xp.where(xp.isinf(limit), 0.0, limit) * part)
        return total
