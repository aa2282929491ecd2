"""Losses as the largest of smooth convex pieces, sample by sample.

Loss: l_i(eta) = max(0, u_1i(eta), ..., u_Ji(eta)), at most one piece positive.

name            pieces
squared         (y - eta)^2 / 2
huber           the Huber loss
absolute        eta - y, y - eta
quantile        q (y - eta), (1 - q) (eta - y)
logistic        log(1 + exp(-y eta)), y in {-1, 1}
squared_hinge   max(0, 1 - y eta)^2
hinge           1 - y eta
"""

from skopt2._core.array import namespace
from skopt2._core.parameters import check_choice
from skopt2.losses import Huber, Logistic, Quantile, Squared, SquaredHinge


class SmoothPiece:
    """A loss of the library with a second derivative, as its own only piece.

    Parameters
    ----------
    loss : Loss
        Squared, Huber, logistic or squared hinge.
    """

    is_quadratic = False
    lipschitz = None
    n_pieces = 1

    def __init__(self, loss):
        self.loss, self.name, self.task = loss, loss.name, loss.task
        self.probabilistic = loss.probabilistic

    def check_target(self, y):
        """Raise ValueError if y is outside the domain of the loss."""
        self.loss.check_target(y)

    def values(self, y, eta):
        """Pieces of the losses, (1, n)."""
        xp = namespace(eta)
        if self.name == "logistic":
            margin = y * eta
            tail = xp.log1p(xp.exp(-xp.abs(margin)))
            return (tail - xp.minimum(margin, 0.0))[None, :]
        if self.name == "squared_hinge":
            return (xp.maximum(1.0 - y * eta, 0.0) ** 2)[None, :]
        slope = self.loss.gradient(y, eta)
        return (slope * ((eta - y) - 0.5 * slope))[None, :]

    def slopes(self, y, eta):
        """First derivatives in eta, (1, n)."""
        return self.loss.gradient(y, eta)[None, :]

    def bends(self, y, eta):
        """Second derivatives in eta, (1, n)."""
        bend = self.loss.curvature(y, eta)
        return (namespace(eta).zeros_like(eta) + bend)[None, :]

    def start(self, y, s):
        """Return the best constant predictor for the mean of the losses."""
        return float(self.loss.intercept_start(y, s))

    def inverse_link(self, eta):
        """Prediction from the linear predictor."""
        return self.loss.inverse_link(eta)


class Lines:
    """Base of the losses whose pieces are linear."""

    is_quadratic = False
    lipschitz = None
    probabilistic = False

    def check_target(self, y):
        """Accept every target."""

    def bends(self, y, eta):
        """Second derivatives in eta: 0."""
        return namespace(eta).zeros_like(self.values(y, eta))


class Pinball(Lines):
    """The pinball loss, or a multiple of it: of level 1/2 and twice, the absolute one.

    Parameters
    ----------
    loss : Quantile
        With its level; a smoothed one is not.
    factor : float, default=1.0
        Multiple.
    """

    task = "regression"
    n_pieces = 2

    def __init__(self, loss, factor=1.0):
        self.loss = loss
        self.name = "absolute" if factor != 1.0 else loss.name
        q = float(loss.quantile)
        self.below, self.above = factor * q, factor * (1.0 - q)

    def values(self, y, eta):
        """Pieces of the losses, (2, n)."""
        r = y - eta
        return namespace(eta).stack([self.below * r, -self.above * r])

    def slopes(self, y, eta):
        """First derivatives in eta, (2, n)."""
        one = namespace(eta).ones_like(eta)
        return namespace(eta).stack([-self.below * one, self.above * one])

    def start(self, y, s):
        """Return the quantile of y."""
        return float(self.loss.intercept_start(y, s))


class Hinge(Lines):
    """The hinge loss max(0, 1 - y eta)."""

    name, task = "hinge", "binary"
    n_pieces = 1

    def check_target(self, y):
        """Raise ValueError unless y is -1 or 1 everywhere."""
        SquaredHinge().check_target(y)

    def values(self, y, eta):
        """Pieces of the losses, (1, n)."""
        return (1.0 - y * eta)[None, :]

    def slopes(self, y, eta):
        """First derivatives in eta, (1, n)."""
        return (-y + 0.0 * eta)[None, :]

    def start(self, y, s):
        """Return the constant that the squared hinge has; it is as good as any."""
        return float(SquaredHinge().intercept_start(y, s))


REGRESSION = ("squared", "absolute", "huber", "quantile")
BINARY = ("logistic", "hinge", "squared_hinge")
_NAMED = {
    "squared": Squared,
    "huber": Huber,
    "quantile": Quantile,
    "logistic": Logistic,
    "squared_hinge": SquaredHinge,
}


def get_pieces(loss, names):
    """Return the pieces of a loss.

    Parameters
    ----------
    loss : str or Loss
        A name, or an object of the library with its parameters.
    names : tuple of str
        Losses of the task.

    Returns
    -------
    pieces : SmoothPiece, Pinball or Hinge
        The loss.

    Raises
    ------
    ValueError
        If there is no such loss for the task, or its parameters are out of range.
    """
    name = loss if isinstance(loss, str) else getattr(loss, "name", None)
    if name not in names:
        check_choice("loss", loss, names, other="an object such as Huber(delta=1.0)")
    if name == "hinge":
        return Hinge()
    if name == "absolute":
        return Pinball(Quantile(0.5), 2.0)
    loss = _NAMED[name]() if isinstance(loss, str) else loss
    loss.check_parameters()
    if name != "quantile":
        return SmoothPiece(loss)
    if loss.smoothing:
        raise ValueError(
            "smoothing of the quantile loss must be 0 here, got smoothing="
            f"{loss.smoothing!r}: the tail is found without it."
        )
    return Pinball(loss)
