"""dp-accounting: noise by its two accountants.

The search of the slow one, of privacy loss distributions, starts from the result of the
quick one, which is never more than a fifth too large, and stops within 1e-4 of it.
"""

from functools import partial
from importlib.metadata import version

import dp_accounting
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant

from benchmarks.privacy_peers.base import Peer


def _event(sigma, rate, steps):
    one = dp_accounting.GaussianDpEvent(sigma)
    if rate < 1.0:
        one = dp_accounting.PoissonSampledDpEvent(rate, one)
    return dp_accounting.SelfComposedDpEvent(one, steps)


class DpAccountingPeer(Peer):
    """Adapter of dp-accounting."""

    version = version("dp-accounting")

    def variants(self, case, epsilon, search=False):
        return ["pld", "rdp"] if case.kind == "accountant" else []

    def noise(self, variant, epsilon, delta, rate, steps):
        event = partial(_event, rate=rate, steps=steps)
        budget = (event, epsilon, delta)
        guess = dp_accounting.LowerEndpointAndGuess(0.1, 10.0)
        sigma = dp_accounting.calibrate_dp_mechanism(RdpAccountant, *budget, guess)
        if variant == "rdp":
            return sigma
        bracket = dp_accounting.ExplicitBracketInterval(0.8 * sigma, 1.001 * sigma)
        return dp_accounting.calibrate_dp_mechanism(
            PLDAccountant, *budget, bracket, tol=1e-4 * sigma
        )

    def spent(self, sigma, delta, rate, steps):
        accountant = PLDAccountant()
        accountant.compose(_event(sigma, rate, steps))
        return accountant.get_epsilon(delta)


ADAPTER = DpAccountingPeer()
