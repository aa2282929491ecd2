"""Which solver of risk parity, and sweeps that hand over to Newton.

A sweep costs O(n^2) operations and n short Python statements, a Newton step n^3 / 3.
Newton needs four to a dozen steps; the sweeps range from five to thousands, and nobody
knows before. Where a sweep is much cheaper than a step, ten of them bring the point so
close that two or three steps end it.
"""

from dataclasses import replace

from skopt2.solvers.risk_parity.coordinate import RiskDescent
from skopt2.solvers.risk_parity.newton import RiskNewton

SOLVERS = ("auto", "ccd", "newton")
# Assets from which a sweep on the host is cheaper than a Newton step, and the sweeps
# after which Newton takes over.
LARGE, SWEEPS = 600, 10


class SweepsThenNewton(RiskDescent):
    """Coordinate descent for some sweeps, then Newton from where they ended.

    Parameters
    ----------
    C, b : array
        As in :class:`skopt2.solvers.risk_parity.problem.RiskProblem`.
    n_sweeps : int, default=10
        Sweeps before Newton takes over.
    """

    name = "auto"

    def __init__(self, C, b, n_sweeps=SWEEPS):
        super().__init__(C, b)
        self.n_sweeps = n_sweeps
        self.newton = RiskNewton(C, b)

    def step(self, state):
        """Return the state after a sweep or a Newton step.

        Parameters
        ----------
        state : RiskState
            Any.

        Returns
        -------
        state : RiskState
            With a smaller objective, unless rounding forbids.
        """
        if state.n_steps < self.n_sweeps:
            return super().step(state)
        return self.newton.step(state)

    def certificate(self, state):
        """Measure a state, which is never stalled before Newton has tried.

        Parameters
        ----------
        state : RiskState
            Any.

        Returns
        -------
        measure : Measure
            As of the methods themselves.
        """
        measure = super().certificate(state)
        if state.n_steps < self.n_sweeps and not state.riskless:
            return replace(measure, stalled=False)
        return measure


def get_solver(name, C, b, on_host=True):
    """Return the solver of a name.

    Parameters
    ----------
    name : {"auto", "ccd", "newton"}
        "auto" is Newton for few assets and on a device, and sweeps that hand over to
        Newton for many on the host.
    C : array of shape (n, n)
        Correlation matrix.
    b : array of shape (n,)
        Budget.
    on_host : bool, default=True
        Whether the arrays are in host memory.

    Returns
    -------
    solver : RiskProblem
        With ``init`` and ``step``.
    """
    if name == "newton":
        return RiskNewton(C, b)
    if name == "ccd":
        return RiskDescent(C, b)
    if on_host and int(C.shape[0]) >= LARGE:
        return SweepsThenNewton(C, b)
    return RiskNewton(C, b)
