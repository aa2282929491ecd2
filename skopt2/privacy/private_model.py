"""What all private estimators share: budget first, then data, then a record.

A ``fit`` checks parameters and shapes, counts the rows, finds the noise, spends on the
accountant, and only then reads values. What it leaves behind is what was released: no
objective, no time, no count, no seed.
"""

import math
from numbers import Integral

import numpy as np

from skopt2._core.estimator import IterativeEstimator
from skopt2._core.iterate import iterate
from skopt2._core.parameters import parameter_error
from skopt2._core.random import seed_sequence
from skopt2._core.result import Certificate, StopReason
from skopt2._core.transfer import convert
from skopt2.losses import get_loss
from skopt2.privacy.leak import warn_leak
from skopt2.privacy.private_record import PrivacyRecord
from skopt2.solvers.privacy.accounting import epsilon_of
from skopt2.solvers.privacy.noise import NoiseSource, separate_seeds

CERTIFICATE = "privacy loss epsilon"


class PrivateModel(IterativeEstimator):
    """Base of the private estimators."""

    def _makers(self):
        return {"loss": get_loss}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Rows with NaN count as nothing; the noise is fresh unless it is seeded.
        tags.input_tags.allow_nan = True
        tags.non_deterministic = self.random_state is None
        return tags

    def _spend(self, events, delta, *, epsilon, multiplier, n_rows):
        """Spend on the accountant, before any value is read.

        Parameters
        ----------
        events : tuple
            Mechanisms of the fit.
        delta : float
            Of the record.
        epsilon : float or None
            What the noise was calibrated to; None to work it out.
        multiplier : float
            Noise multiplier of a step.
        n_rows : int
            Public number of rows.

        Returns
        -------
        record : PrivacyRecord
            What ``privacy_`` will be.

        Raises
        ------
        BudgetError
            If the accountant's budget does not suffice; nothing is recorded then.
        """
        if epsilon is None:
            epsilon = epsilon_of(events, delta)
        if self.random_state is None or isinstance(self.random_state, Integral):
            seed_sequence(self.random_state)  # raises before anything is spent
        if self.accountant is not None:
            if not callable(getattr(self.accountant, "spend", None)):
                what = "a PrivacyAccountant or None"
                raise parameter_error("accountant", self.accountant, what)
            self.accountant.spend(events, label=type(self).__name__)
        seeded = self.random_state is not None
        if seeded and math.isfinite(epsilon):
            warn_leak(
                f"random_state={self.random_state!r} fixes the noise: whoever knows it "
                "can subtract the noise, and fits with the same seed share it. Use "
                "random_state=None for a model that leaves your hands."
            )
        return PrivacyRecord(
            epsilon=float(epsilon),
            delta=delta,
            relation=self.relation,
            events=tuple(events),
            noise_multiplier=float(multiplier),
            n_rows=int(n_rows),
            accounting="pld" if any(map(_is_sampled, events)) else "exact",
            noise=getattr(self, "noise", "gaussian"),
            seeded=seeded,
        )

    def _streams(self, target):
        """Return the source of noise, and the seeds of sampling and of the start.

        Parameters
        ----------
        target : Target
            Where the noise is drawn.

        Returns
        -------
        noise : NoiseSource
            Of this fit alone.
        sampling, start : SeedSequence
            Independent of it and of each other.
        """
        seeds = separate_seeds(self.random_state)
        kind = getattr(self, "noise", "gaussian")
        fresh = self.random_state is None
        noise = NoiseSource(seeds[0], target, kind, secure=fresh)
        return noise, seeds[1], seeds[2]

    def _iterate(self, solver, start, data, describe, record, n_steps):
        """Run a descent to its last step and store what was released.

        Parameters
        ----------
        solver : PrivateDescent
            Or any solver whose certificate falls to 0 with the last step.
        start : object
            Its starting state.
        data : PrivateInput
            For devices and callbacks.
        describe : callable
            ``describe(solution)`` returns the fitted attributes.
        record : PrivacyRecord
            Of the fit.
        n_steps : int
            Public number of steps.

        Returns
        -------
        self : estimator
            Fitted.
        """
        monitor = self._start(
            data, describe, tol=0.0, certificate=CERTIFICATE, max_checks=n_steps
        )
        result = iterate(
            solver,
            start,
            tol=0.0,
            max_iter=n_steps,
            check_every=n_steps if monitor is None else 1,
            monitor=monitor,
            name=CERTIFICATE,
        )
        self._record(describe(result.solution), data, record, result.n_iter)
        self.stop_reason_ = str(result.reason)
        self.converged_ = result.reason == StopReason.CONVERGED
        if monitor is not None:
            monitor.close()
        return self

    def _record(self, attributes, data, record, n_iter):
        """Set the fitted attributes of a private fit.

        Parameters
        ----------
        attributes : dict
            What was released, on the device that computed it.
        data : PrivateInput
            For devices.
        record : PrivacyRecord
            Of the fit.
        n_iter : int
            Public number of steps.
        """
        vars(self).update(
            convert(attributes, data.source),
            privacy_=record,
            n_iter_=int(n_iter),
            converged_=True,
            stop_reason_=str(StopReason.CONVERGED),
            certificate_=Certificate(CERTIFICATE, record.epsilon, record.epsilon),
            history_={
                "iteration": np.array([int(n_iter)]),
                "epsilon": np.array([record.epsilon]),
            },
            device_=data.target.label,
        )


def _is_sampled(event):
    return getattr(event, "sampling_rate", 1.0) < 1
