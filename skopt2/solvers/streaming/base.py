"""What every step rule shares: the sample it gets, the mean that it keeps.

Problem: min_x E f_i(x) + pen(x) from one minibatch after the other; x (q,) or (q, K)
holds the p coefficients and, where there is one, the intercept as the last row.

Symbols: g_t (q,) or (q, K), the gradient of the minibatch t, centred (see
:mod:`skopt2.solvers.streaming.space`); f_t its loss, l_t a lower bound of it; eta_t the
step size. A rule has four methods: ``init(x)`` returns its run, ``query(run)`` the
point at which it wants the next gradient, ``update(run, sample)`` the run after a
minibatch, and ``answer(run)`` the model.

Mean: x_mean <- x_mean + (1 + c) / (t + c) * (x_t - x_mean), after O. Shamir and T.
Zhang, ICML 2013, section 4. M. Ivgi, O. Hinder and Y. Carmon, ICML 2023, take c = 8 for
nets, and for their proofs weights r_t, the distances of DoG, which soon are equal. With
c = 1 the weights are 1, 2, 3, ...: the noise is averaged over most of the run, and the
beginning counts little.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from skopt2.solvers.streaming.space import Space

# c, how fast the mean forgets.
DECAY = 1.0


@dataclass(frozen=True)
class Sample:
    """What a minibatch says at the point that a rule asked for.

    Parameters
    ----------
    gradient : array of shape (q,) or (q, K)
        Of the loss, centred.
    value : float
        Mean loss.
    space : Space
        Metric and penalty.
    excess : callable
        Returns how far the loss is above the mean of the lower bounds of its samples.
    slope : callable
        Returns the root mean square of the derivatives of the losses.
    curvature : callable
        Returns the diagonal of the Hessian of the loss, of the shape of the gradient.
    """

    gradient: Any
    value: float
    space: Space
    excess: Callable
    slope: Callable
    curvature: Callable


@dataclass(frozen=True)
class Run:
    """Where a rule stands.

    Parameters
    ----------
    x : array of shape (q,) or (q, K)
        Iterate.
    start : array of the shape of x
        Where it began.
    steps : int
        Steps taken.
    eta : float
        Last step size.
    mean : array of the shape of x
        Mean of the iterates.
    drift : array of the shape of x or None
        Mean of the gradients, with the same weights.
    """

    x: Any
    start: Any
    steps: int = 0
    eta: float = 0.0
    mean: Any = None
    drift: Any = None

    def pack(self):
        """Return the fields by name, without those that are None."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in named.items() if value is not None}


class StepRule:
    """Base of the rules that move one iterate along each gradient."""

    name = ""
    # Whether the number of steps must be known before the first.
    needs_horizon = False
    run = Run
    # Arrays of the run that stay in host memory.
    host_fields = ()
    # Points of the space among the fields of the run.
    iterates = ("x", "mean")

    def init(self, x):
        """Return the run that begins at a point."""
        return self.run(x, x, mean=x)

    def query(self, run):
        """Return the point at which the next gradient is wanted."""
        return run.x

    def update(self, run, sample):
        """Return the run after a minibatch."""
        raise NotImplementedError

    def shrunk(self, run, factor):
        """Return the run with its iterates nearer to the start.

        Parameters
        ----------
        run : Run
            As it is.
        factor : array of shape (q,) or (q, 1)
            In (0, 1], for each row.
        """
        near = {
            name: run.start + factor * (getattr(run, name) - run.start)
            for name in self.iterates
        }
        return replace(run, **near)

    def moved(self, run, x, gradient, eta, **changes):
        """Return the run at its next iterate, with the means carried on.

        Parameters
        ----------
        run : Run
            Before the step.
        x : array
            Next iterate.
        gradient : array
            Gradient that led there.
        eta : float
            Step size.
        **changes : dict
            Further fields of the run.
        """
        steps = run.steps + 1
        share = (1.0 + DECAY) / (steps + DECAY)
        drift = gradient
        if run.drift is not None:
            drift = run.drift + share * (gradient - run.drift)
        mean = run.mean + share * (x - run.mean)
        return replace(
            run, x=x, steps=steps, eta=eta, mean=mean, drift=drift, **changes
        )

    def answer(self, run, space):
        """Return the model: a proximal step from the mean along the mean gradient.

        A mean of sparse iterates is not sparse. Where it is close to a minimiser the
        proximal step is close to none, but sets to exact zero what the penalty holds
        there.

        Parameters
        ----------
        run : Run
            After any number of steps.
        space : Space
            Metric and penalty.
        """
        if run.drift is None or not run.eta > 0.0 or not space.has_kinks:
            return run.mean
        return space.move(run.mean, run.drift, run.eta)


def first_distance(sample):
    """Return the distance to begin with.

    (f - l) / norm(grad f), Polyak's quotient, is at most the way to a minimiser where
    f = l, has the unit of x, and is the longest step that a linear model does not take
    below the bound. But where f > l even at a minimiser, small gradients make it far
    too long. Uncorrelated columns of variance 1 have sum_j (E l' x_j)^2 <= E l'^2, by
    Bessel's inequality: the root mean square of the slopes is the largest norm they can
    have, and the smallest that counts here. Gradients are longer where columns are
    correlated, or so many that a minibatch is mostly noise.

    Parameters
    ----------
    sample : Sample
        The first.
    """
    slopes = sample.slope() * sample.space.deviation
    steepness = max(slopes, sample.space.dual_norm(sample.gradient))
    return sample.excess() / steepness if steepness > 0.0 else 0.0
