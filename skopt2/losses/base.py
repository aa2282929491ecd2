"""What every loss shares.

Problem: min_(w, b) sum_i s_i l(y_i, eta_i) + penalty(w), eta_i = x_i'w + b.

Symbols: y (n,) targets, for several classes (n, K) one-hot; eta of the shape of y; s
(n,) nonnegative weights with sum 1; theta of the shape of y, a dual point: theta_i lies
in the domain of the convex conjugate l*(y_i, .), as every gradient dl/deta does. The
domains are intervals that contain 0.
"""

from sklearn.base import BaseEstimator

from skopt2._core.array import dot64, namespace


class Loss(BaseEstimator):
    """Base of the losses: defaults for a scalar loss with a full dual domain."""

    name = ""
    task = "regression"
    is_quadratic = False
    has_lipschitz = True
    smoothable = False
    probabilistic = False

    def check_parameters(self):
        """Raise ValueError if a parameter is out of range."""

    def check_target(self, y):
        """Raise ValueError if y is outside the domain of the loss.

        Parameters
        ----------
        y : array of shape (n,) or (n, K)
            Targets.
        """

    def value(self, y, eta, s):
        """Weighted sum of the loss.

        Parameters
        ----------
        y : array of shape (n,) or (n, K)
            Targets.
        eta : array of the shape of y
            Linear predictor.
        s : array of shape (n,)
            Weights with sum 1.

        Returns
        -------
        value : float
            Accumulated in float64.
        """
        raise NotImplementedError

    def gradient(self, y, eta):
        """Derivative in eta of each sample's loss, without the weights.

        Parameters
        ----------
        y : array of shape (n,) or (n, K)
            Targets.
        eta : array of the shape of y
            Linear predictor.

        Returns
        -------
        gradient : array of the shape of eta
            A point of the domain of the conjugate.
        """
        raise NotImplementedError

    def curvature(self, y, eta):
        """Second derivative in eta of each sample's loss, without the weights.

        Parameters
        ----------
        y : array of shape (n,) or (n, K)
            Targets.
        eta : array of the shape of y
            Linear predictor.

        Returns
        -------
        curvature : array of the shape of eta
            For several classes what ``curvature_product`` needs.
        """
        raise NotImplementedError

    def curvature_product(self, curvature, v):
        """Second derivative applied to a direction.

        Parameters
        ----------
        curvature : array of shape (n,) or (n, K)
            What ``curvature`` returned.
        v : array of shape (n,) or (n, K)
            Change of eta.

        Returns
        -------
        product : array of the shape of v
            Change of the gradient to first order.
        """
        return curvature * v

    def curvature_diagonal(self, curvature):
        """Diagonal of the second derivative of each sample.

        Parameters
        ----------
        curvature : array of shape (n,) or (n, K)
            What ``curvature`` returned.

        Returns
        -------
        diagonal : array of the shape of curvature
            The curvature itself, where classes are not tied.
        """
        return curvature

    @property
    def lipschitz(self):
        """Upper bound of the second derivative in eta; None where there is none."""
        return 1.0

    def conjugate(self, y, theta, s):
        """Weighted sum of the convex conjugates in eta.

        Parameters
        ----------
        y : array of shape (n,) or (n, K)
            Targets.
        theta : array of the shape of y
            Dual point, in the domain up to rounding.
        s : array of shape (n,)
            Weights with sum 1.

        Returns
        -------
        value : float
            Accumulated in float64.
        """
        raise NotImplementedError

    def to_domain(self, y, theta):
        """Largest t in [0, 1] such that t * theta is in the domain of the conjugate.

        Parameters
        ----------
        y : array of shape (n,) or (n, K)
            Targets.
        theta : array of the shape of y
            Dual point.

        Returns
        -------
        t : float
            0.0 only if theta leaves the domain at once, in a direction in which the
            domain ends at 0.
        """
        return 1.0

    def balance(self, y, theta, s):
        """Dual point near theta, in the domain, orthogonal to constants.

        An unpenalised intercept demands sum_i s_i theta_i = 0. Shifting theta could
        leave the domain; shrinking its heavier sign to the weight of the lighter
        cannot.

        Parameters
        ----------
        y : array of shape (n,) or (n, K)
            Targets.
        theta : array of the shape of y
            Dual point, in the domain.
        s : array of shape (n,)
            Weights with sum 1.

        Returns
        -------
        theta : array of the shape of y
            With sum_i s_i theta_i = 0 for every class.
        """
        xp = namespace(theta)
        up, down = xp.maximum(theta, 0.0), xp.minimum(theta, 0.0)
        rise, fall = dot64(s, up), -dot64(s, down)
        if rise > fall:
            return (fall / rise) * up + down
        return up + (rise / fall) * down if fall > 0 else theta

    def inverse_link(self, eta):
        """Prediction from the linear predictor; eta itself where there is no link.

        Parameters
        ----------
        eta : array of shape (n,) or (n, K)
            Linear predictor.

        Returns
        -------
        mean : array of the shape of eta
            Mean of y, or probabilities of the class y = 1 or of all K classes.
        """
        return eta

    def intercept_start(self, y, s):
        """Minimiser of the loss over a constant eta.

        Parameters
        ----------
        y : array of shape (n,) or (n, K)
            Targets.
        s : array of shape (n,)
            Weights with sum 1.

        Returns
        -------
        start : float or array of shape (K,)
            Finite in any case.
        """
        raise NotImplementedError

    def null_value(self, y, s):
        """Value at eta = 0, the scale of certificates without an intercept.

        Parameters
        ----------
        y : array of shape (n,) or (n, K)
            Targets.
        s : array of shape (n,)
            Weights with sum 1.

        Returns
        -------
        value : float
            Accumulated in float64.
        """
        return self.value(y, namespace(y).zeros_like(y), s)


def check_signs(y, name):
    """Raise ValueError unless every target of a two-class loss is -1 or 1."""
    xp = namespace(y)
    if not bool(xp.all(xp.abs(y) == 1)):
        raise ValueError(
            f"The {name} loss needs targets y in {{-1, 1}}, got values from "
            f"{float(xp.min(y))} to {float(xp.max(y))}; encode the classes as -1 and 1."
        )


def share_above(y, theta):
    """Return the largest t in [0, 1] with t * theta >= -y, for nonnegative y."""
    xp = namespace(theta)
    falling = theta < 0
    # Not above 1, where a theta of the smallest numbers would overflow.
    bottom = xp.maximum(y, -theta)
    ratio = xp.where(falling, y, 1.0) / xp.where(falling, bottom, 1.0)
    return float(xp.min(ratio))


def constant_minimiser(loss, y, s, low, high):
    """Minimise a convex scalar loss over a constant eta in [low, high].

    Newton on the derivative, safeguarded by bisection: every third step halves the
    bracket, so that curvatures that vanish or mislead cannot stall it.

    Parameters
    ----------
    loss : Loss
        Scalar loss.
    y, s : array of shape (n,)
        Targets and weights.
    low, high : float
        Bracket of the minimiser.

    Returns
    -------
    b : float
        Minimiser to machine precision.
    """
    one = namespace(y).ones_like(y)
    resolution = 1e-15 * max(abs(low), abs(high))
    b = 0.5 * (low + high)
    for iteration in range(200):
        eta = b * one
        slope = dot64(s, loss.gradient(y, eta))
        if slope == 0 or high - low <= resolution:
            break
        low, high = (low, b) if slope > 0 else (b, high)
        bend = dot64(s, loss.curvature(y, eta))
        new = b - slope / bend if bend > 0 else low
        if not low < new < high or iteration % 3 == 2:
            new = 0.5 * (low + high)
        if abs(new - b) <= resolution:
            return new
        b = new
    return b
