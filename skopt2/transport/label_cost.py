"""Labels in a transport problem: costs of classes, and the classes around a point.

Symbols: x_i (n) points of classes k(i), some unknown, with masses a_i; y_j (m) points
with masses b_j, of known classes or not; P (n, m) the plan; C (n, m) the costs;
q_kj = sum_{i in class k} P_ij / b_j the share of class k in column j. L (K + 1, m) is
added to the costs, C_ij + L_{k(i) j}, its last row for points of no known class.

Known classes of both sides: L_kj = limit where y_j has a known class that is not k.

Group penalty: with h(q) = sqrt(q + delta) - sqrt(delta), which is concave and prefers
columns that come from one class, the objective has the further term

    eta * sum_j b_j sum_k h(q_kj).

Its tangent at the present plan is a cost, L_kj = eta h'(q_kj), so each round minimises
a majorant and the objective never rises. The weight b_j makes eta a cost for each unit
of mass: a column that is split in two changes nothing.

Source: N. Courty, R. Flamary and D. Tuia, Domain adaptation with regularized optimal
transport, ECML 2014, section 3.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import asarray_like, namespace, sum64, take, to_numpy
from skopt2.solvers.transport.cost import ground_cost

# Share of a class below which the tangent of the group penalty gets no steeper.
DELTA = 1e-6


@dataclass(frozen=True)
class Labels:
    """Classes of the points of two measures.

    Parameters
    ----------
    classes : ndarray of shape (K,)
        Sorted labels.
    source, target : ndarray of shape (n,), (m,)
        Positions in ``classes``, -1 where unknown.
    """

    classes: Any
    source: Any
    target: Any

    @property
    def count(self):
        """Number of classes."""
        return len(self.classes)


def check_labels(y, target_labels, n, m, unlabelled):
    """Return the classes of both measures, in host memory.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels of the source, of any dtype.
    target_labels : array-like of shape (m,) or None
        Labels of the target; None if all are unknown.
    n, m : int
        Numbers of points.
    unlabelled : object
        Label that means an unknown class.

    Returns
    -------
    labels : Labels

    Raises
    ------
    ValueError
        If there is not one label for each point, no point of the source has a known
        class, or none of the known classes of the target is one of the source.
    """
    if np.ndim(unlabelled) != 0:
        raise ValueError(
            f"unlabelled must be one label, such as -1 or None; got {unlabelled!r}."
        )
    source = _check_one(y, n, "y", "X", unlabelled)
    target = np.full(m, None)
    if target_labels is not None:
        target = _check_one(target_labels, m, "target_labels", "target", unlabelled)
    known = {label for label in [*source, *target] if label is not None}
    if not known & set(source):
        raise ValueError(
            f"y holds no known class: every label is unlabelled={unlabelled!r}. Pass "
            "the classes of some rows of X, or neither target_labels nor label_reg."
        )
    try:
        classes = np.array(sorted(known))
    except TypeError as error:
        raise ValueError(
            "y and target_labels must hold labels of one type, all strings or all "
            f"numbers: {error}."
        ) from error
    _check_shared(source, target)
    position = {label: k for k, label in enumerate(classes.tolist())}
    codes = [
        np.array([-1 if v is None else position[v] for v in side], dtype=np.int64)
        for side in (source, target)
    ]
    return Labels(classes, *codes)


def _check_one(values, n, name, of, unlabelled):
    """Return labels as a list, None where they are unknown."""
    values = to_numpy(values) if cuda.target_of(values).kind != "numpy" else values
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.shape != (n,):
        raise ValueError(
            f"{name} has the shape {values.shape}, expected ({n},): one label for "
            f"each row of {of}."
        )
    none = str(unlabelled) if values.dtype.kind in "US" else unlabelled
    unknown = [_is_unknown(label, none) for label in values]
    items = values.tolist()
    return [None if gone else v for v, gone in zip(items, unknown, strict=True)]


def _is_unknown(label, none):
    """Tell whether a label means an unknown class, or is missing altogether."""
    if label is None or label is none:
        return True
    try:
        return bool(label == none) or bool(label != label)
    except TypeError:
        # pandas.NA, which is not even known to equal itself.
        return True


def _check_shared(source, target):
    """Raise ValueError if both sides have known classes, and none in common."""
    sides = [set(side) - {None} for side in (source, target)]
    if sides[1] and sides[0].isdisjoint(sides[1]):
        shown = [", ".join(repr(v) for v in sorted(side)[:3]) for side in sides]
        raise ValueError(
            "target_labels has no class in common with y: it holds labels such as "
            f"{shown[1]}, and y such as {shown[0]}. Write the classes of both alike, "
            "strings or numbers."
        )


class LabelCost:
    """The costs L of classes, on the device that computes.

    Parameters
    ----------
    labels : Labels
        Of both measures.
    limit : float
        Cost of a pair of different known classes.
    eta : float
        Weight of the group penalty, in the unit of the cost; 0 for none.
    like : array
        Whose namespace, device and dtype the costs get.
    """

    def __init__(self, labels, limit, eta, like):
        self.labels, self.eta, K = labels, eta, labels.count
        # Unknown classes are the last.
        source, target = labels.source % (K + 1), labels.target % (K + 1)
        every = np.arange(K + 1)
        known = every < K
        pairs = known[:, None] & known & (every[:, None] != every)
        self.pairs = asarray_like(limit * pairs, like)
        self.rows, self.cols = (
            asarray_like(codes, like, namespace(like).int64)
            for codes in (source, target)
        )
        self.fixed = self.costs = take(self.pairs, self.cols, axis=1)
        # Shares, plus DELTA, of the tangent of the group penalty.
        self.tangent = None
        self.in_row, self.in_col = (
            asarray_like((codes[:, None] == every).astype(np.float64), like)
            for codes in (source, target)
        )

    @property
    def parts(self):
        """Class of each row, and the costs (K + 1, m) of the classes."""
        return self.rows, self.costs

    def add_to(self, C):
        """Return the costs C_ij + L_{k(i) j}."""
        return C + take(self.costs, self.rows)

    def shares_of(self, found, b):
        """Return the shares q (K, m) of the known classes in each column.

        Parameters
        ----------
        found : TransportResult
            With the plan.
        b : array of shape (m,)
            Masses of the columns, of sum one.
        """
        xp = namespace(b)
        moved = found.apply_t(self.in_row[:, :-1]).T
        return moved / xp.where(b > 0, b, xp.ones_like(b))

    def tighten(self, q):
        """Make the tangent of the group penalty at shares q part of the costs."""
        self.tangent = q + DELTA
        self.costs = self.fixed + _slopes(self.tangent, self.eta)

    def penalty(self, q, b):
        """Return the group penalty at shares q."""
        height = namespace(q).sqrt(q + DELTA) - DELTA**0.5
        return self.eta * sum64(height * b)

    def change(self, old, new, b):
        """Return the mean over the mass of how much the shares of a column changed."""
        return sum64(namespace(new).abs(new - old) * b)

    def part_of(self, found):
        """Return sum_ij P_ij L_{k(i) j}, the part of the cost that labels make."""
        return sum64(found.apply_t(self.in_row).T * self.costs)

    def around_rows(self, points, mass, reg, metric):
        """Return the classes around the points of the rows."""
        return Neighbourhood(points, mass, self.in_row, self.costs, reg, metric)

    def around_cols(self, points, mass, reg, metric):
        """Return the classes around the points of the columns."""
        penalties = take(self.pairs, self.rows, axis=1)
        parts = (points, mass, self.in_col, penalties, reg, metric)
        if self.tangent is None:
            return Neighbourhood(*parts)
        return Neighbourhood(*parts, self.tangent.T, self.rows, self.eta)


def _slopes(tangent, eta):
    """Return eta h' at shares plus DELTA (K, m), and zeros for no known class."""
    xp = namespace(tangent)
    slopes = (0.5 * eta) / xp.sqrt(tangent)
    return xp.concat([slopes, xp.zeros_like(slopes[:1, :])])


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """Classes around a point, and the costs that they make.

    The share of a group at x is that of its points among all, weighted by
    mass * exp(-c(x, x_i) / eps): near a point of the problem that point decides.

    Parameters
    ----------
    points : array of shape (n, d)
        Of the problem, relative to the centre of their cloud.
    mass : array of shape (n,)
        Theirs.
    members : array of shape (n, G)
        One where a point belongs to a group, of one group for each point.
    penalties : array of shape (G, m)
        Cost of a group at each anchor.
    reg : float
        Regularisation.
    metric : str or callable
        Ground cost.
    near : array of shape (n, K), default=None
        Where costs vary within groups: shares of the classes in each point, plus DELTA.
        Their mean around x is what the group penalty has its tangent at; the mean of
        its slopes would change by far more than ``reg`` over a small part of the way.
    rows : array of shape (m,), default=None
        Class of each anchor.
    eta : float, default=0.0
        Weight of the group penalty.
    """

    points: Any
    mass: Any
    members: Any
    penalties: Any
    reg: float
    metric: Any
    near: Any = None
    rows: Any = None
    eta: float = 0.0

    def groups(self, x):
        """Yield for each group its share at points x, (k,), and its costs, (k, m).

        The costs of groups that do not vary have one row.
        """
        xp = namespace(x)
        z = -ground_cost(self.metric).block(x, self.points) / self.reg
        z = xp.where(self.mass > 0, z, xp.zeros_like(z) - np.inf)
        w = xp.exp(z - xp.max(z, axis=1, keepdims=True)) * self.mass
        total = xp.sum(w, axis=1)
        sizes = to_numpy(xp.sum(self.members, axis=0))
        for k in np.flatnonzero(sizes).tolist():
            inside = w * self.members[:, k]
            weight = xp.sum(inside, axis=1)
            costs = self.penalties[k, :][None, :]
            if self.near is not None:
                safe = xp.where(weight > 0, weight, xp.ones_like(weight))
                mean = (inside @ self.near) / safe[:, None]
                mean = xp.where(weight[:, None] > 0, mean, xp.ones_like(mean))
                costs = costs + take(_slopes(mean.T, self.eta).T, self.rows, axis=1)
            yield weight / total, costs
