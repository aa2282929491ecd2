"""What a private fit says of its privacy."""

from dataclasses import dataclass

from skopt2.solvers.privacy.accounting import epsilon_of


@dataclass(frozen=True)
class PrivacyRecord:
    """Guarantee of one fit, and the mechanisms that it follows from.

    Attributes
    ----------
    epsilon : float
        The fit is (epsilon, delta)-differentially private; infinite without noise.
    delta : float
        Probability that comes with it.
    relation : {"zero_out", "replace_one"}
        Neighbouring data sets: a row counts as nothing in one of them, or has other
        values. The number of rows is public.
    events : tuple of GaussianEvent and SampledGaussianEvent
        What read the data.
    noise_multiplier : float
        Standard deviation of the noise of a step over the sensitivity of its sum.
    n_rows : int
        Public number of rows N.
    accounting : {"exact", "pld"}, default="exact"
        How epsilon follows from the mechanisms: the exact composition of Gaussian ones,
        or a pessimistic privacy loss distribution.
    noise : {"gaussian", "discrete"}, default="gaussian"
        Distribution of the noise.
    seeded : bool, default=False
        Whether ``random_state`` was given: who knows it can compute the noise, and the
        guarantee does not hold against them.

    References
    ----------
    Dong, Roth and Su, Gaussian differential privacy, Journal of the Royal Statistical
    Society B 84, 2022.

    Examples
    --------
    >>> from skopt2.privacy import PrivacyRecord
    >>> from skopt2.solvers.privacy.events import GaussianEvent
    >>> events = (GaussianEvent(20.0, count=100),)
    >>> record = PrivacyRecord(2.0, 1e-5, "zero_out", events, 20.0, n_rows=1000)
    >>> round(record.epsilon_at(1e-5), 4)
    1.9931
    """

    epsilon: float
    delta: float
    relation: str
    events: tuple
    noise_multiplier: float
    n_rows: int
    accounting: str = "exact"
    noise: str = "gaussian"
    seeded: bool = False

    def epsilon_at(self, delta):
        """Return the epsilon of the same fit at another delta.

        Parameters
        ----------
        delta : float
            Between 0 and 1.

        Returns
        -------
        epsilon : float
            An upper bound; exact for full batches.
        """
        return epsilon_of(self.events, delta)
