"""Which solver of risk parity."""

from skopt2.solvers.risk_parity.coordinate import RiskDescent
from skopt2.solvers.risk_parity.newton import RiskNewton

SOLVERS = ("auto", "ccd", "newton")


def get_solver(name, C, b):
    """Return the solver of a name.

    Parameters
    ----------
    name : {"auto", "ccd", "newton"}
        "auto" is Newton, which is the faster one at every number of assets and whatever
        the matrix: see the user guide.
    C : array of shape (n, n)
        Correlation matrix.
    b : array of shape (n,)
        Budget.

    Returns
    -------
    solver : RiskProblem
        With ``init`` and ``step``.
    """
    return RiskDescent(C, b) if name == "ccd" else RiskNewton(C, b)
