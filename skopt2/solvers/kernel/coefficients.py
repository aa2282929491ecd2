"""What a solver of kernel systems returns."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Coefficients:
    """Solution of a kernel system, and how it was found.

    Parameters
    ----------
    a : array of shape (n, c)
        Dual coefficients: f(x) = sum_i a_i k(x, x_i).
    solver : str
        Algorithm that ran: "cholesky", "sap", "sdd", "eigenpro" or "cg".
    n_epochs : float
        Passes over the kernel matrix, those that only measured the residual included.
    batch_size : int or None
        Rows of a block.
    step_size : float or None
        Last step along the direction of a block; a restart halves it.
    n_components : int or None
        Rank of the preconditioner, or of K where it had no Cholesky factor.
    n_restarts : int
        How often the residual grew so much that the solver went back.
    jitter : float
        What was added to the diagonal of a matrix that was not numerically definite, in
        the units of the kernel. The residual is that without it.
    exact : bool
        Whether the certificate is the residual of ``a``; otherwise an estimate of it,
        each row measured within the last pass.
    """

    a: Any
    solver: str
    n_epochs: float
    batch_size: int | None = None
    step_size: float | None = None
    n_components: int | None = None
    n_restarts: int = 0
    jitter: float = 0.0
    exact: bool = True
