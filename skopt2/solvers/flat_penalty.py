"""A penalty on the flat coordinates of a Newton system.

Problem: pen(v), v = (b_1, ..., b_K, w_11, ..., w_1K, w_21, ...), the free intercepts
followed by the coefficients of m features, K outputs each.

Most penalties need no such view: an intercept has the level 0, at which they vanish,
and all features share one shape. A bound does not vanish with the level, and a penalty
with one parameter per feature must know to which feature a coordinate belongs.
"""

import numpy as np


def flat_penalty(penalty, restricted, n_outputs, n_free):
    """Return what acts on the flat coordinates, the penalty itself where it can.

    Parameters
    ----------
    penalty : Penalty
        Of all features.
    restricted : Penalty
        Of the features of the working set.
    n_outputs : int
        Coefficients per feature.
    n_free : int
        Intercepts in front.
    """
    if penalty.bounds is None and restricted is penalty:
        return penalty
    if n_outputs == 1 and n_free == 0:
        return restricted
    return FlatPenalty(restricted, n_outputs, n_free)


class FlatPenalty:
    """Free coordinates in front, then ``n_outputs`` coordinates of each feature.

    The methods are those of a penalty, for NumPy vectors.

    Parameters
    ----------
    penalty : Penalty
        Of the features of the working set.
    n_outputs : int
        Coefficients per feature.
    n_free : int
        Intercepts in front.
    """

    def __init__(self, penalty, n_outputs, n_free):
        self._penalty, self._n_outputs, self._n_free = penalty, n_outputs, n_free
        self._coordinates = None

    def restrict(self, S):
        """Return the penalty of the coordinates S of this one."""
        part = FlatPenalty(self._penalty, self._n_outputs, self._n_free)
        part._coordinates = S if self._coordinates is None else self._coordinates[S]
        return part

    def _split(self, w):
        """Return where coordinates are penalised, and the penalty of those."""
        places = self._coordinates
        places = np.arange(w.size) if places is None else places
        held = places >= self._n_free
        features = (places[held] - self._n_free) // self._n_outputs
        return held, self._penalty.restrict(features)

    def value(self, w, lam):
        """Return the penalty, a float."""
        held, penalty = self._split(w)
        return penalty.value(w[held], lam[held])

    @property
    def convex(self):
        """Whether the penalty is convex."""
        return self._penalty.convex

    @property
    def bounds(self):
        """Bounds of the coordinates of a restriction, infinite for free ones."""
        if self._penalty.bounds is None:
            return None
        places = self._coordinates
        held, penalty = self._split(places)
        limits = []
        for limit, none in zip(penalty.bounds, (-np.inf, np.inf), strict=True):
            out = np.full(places.size, none)
            out[held] = limit
            limits.append(out)
        return tuple(limits)

    def terms(self, w, lam):
        """Return the penalty of each coordinate."""
        return self._apply("terms", w, lam)

    def region(self, w, lam):
        """Return the code of each smooth piece, 1 for free coordinates."""
        return self._apply("region", w, lam, other=1)

    def free(self, w, lam):
        """Tell where the penalty is smooth, which it is for free coordinates."""
        return self._apply("free", w, lam, other=True)

    def slope_at_zero(self, lam):
        """Return the right derivative at 0, and 0 for free coordinates."""
        held, penalty = self._split(lam)
        out = np.zeros(lam.size)
        out[held] = penalty.slope_at_zero(lam[held])
        return out

    def _apply(self, name, w, lam, other=0.0):
        held, penalty = self._split(w)
        values = getattr(penalty, name)(w[held], lam[held])
        out = np.full(w.size, other, dtype=np.asarray(values).dtype)
        out[held] = values
        return out

    def prox(self, z, step, lam):
        """Return the proximal point; free coordinates stay."""
        held, penalty = self._split(z)
        out = z.copy()
        step = step[held] if isinstance(step, np.ndarray) else step
        out[held] = penalty.prox(z[held], step, lam[held])
        return out

    def derivative(self, w, lam):
        """Return the derivative where w is not 0, and 0 elsewhere."""
        held, penalty = self._split(w)
        out = np.zeros(w.size)
        out[held] = penalty.derivative(w[held], lam[held])
        return out

    def curvature(self, w, lam):
        """Return the second derivative where w is not 0, and 0 elsewhere."""
        held, penalty = self._split(w)
        out = np.zeros(w.size)
        out[held] = penalty.curvature(w[held], lam[held])
        return out

    def unpenalised(self, lam):
        """Tell where a coordinate may cross 0 freely."""
        held, penalty = self._split(lam)
        out = np.ones(lam.size, dtype=bool)
        out[held] = penalty.unpenalised(lam[held])
        return out

    def subdiff_distance(self, w, grad, lam):
        """Return the distance of -grad to the subdifferential, per coordinate."""
        held, penalty = self._split(w)
        out = np.abs(grad)
        out[held] = penalty.subdiff_distance(w[held], grad[held], lam[held])
        return out
