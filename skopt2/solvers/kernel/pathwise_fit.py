"""Parameters of a kernel by stochastic gradients of the likelihood of all rows.

Problem: maximise the log marginal likelihood L(theta)
(:mod:`skopt2.solvers.kernel.likelihood`) over log parameters theta (p,) within a box,
for so many rows n that H = K + Lambda (n, n) has no factor. The derivative of L is

    dL = 1/2 tr a' dH a - c/2 tr H^-1 dH,    H a = Y (n, c),

and with probes xi_j ~ N(0, H), j = 1 .. m, and H z_j = xi_j, the covariance of z_j is
H^-1 H H^-1 = H^-1:

    tr H^-1 dH = E z_j' dH z_j.

Probes are draws of the prior by random features, with noise
(:mod:`skopt2.solvers.kernel.prior`). Their random numbers are drawn once and for all:
the probes move smoothly with theta, so the solutions of one step are close to those of
the next, and after the first step a few passes over K (m + c columns at a time) are
enough. The gradient is one further pass for all parameters at once. Because the probes
are what they are, (a, z) are also the coefficients of the posterior mean and of m
posterior samples.

The steps are those of Adam, with a step size that decays geometrically. The change of
the likelihood along the way is the sum of (theta_t+1 - theta_t)' (g_t + g_t+1) / 2, the
trapezoid rule on the gradients, which needs no determinant; it tells which parameters
were the best.

Symbols: g (p,) the gradient; u, v (p,) running means of it and of its square.

Source: J. A. Lin, S. Padhy, B. Mlodozeniec, J. Antoran, J. M. Hernandez-Lobato,
Improving linear system solvers for hyperparameter optimisation in iterative Gaussian
processes, NeurIPS 2024, equations 5 to 8 and section 4; D. P. Kingma, J. Ba, Adam: a
method for stochastic optimization, ICLR 2015, algorithm 1. The decay, the running value
and the best parameters are ours.
"""

from skopt2._core.iterate import iterate
from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_number,
    check_positive,
)
from skopt2.solvers.kernel.pathwise_ascent import STEP, PathwiseAscent
from skopt2.solvers.kernel.solve import SOLVERS

CERTIFICATE = "mean gradient of the likelihood of a target"


def fit_pathwise(
    process,
    X,
    Y,
    noise,
    *,
    n_probes=32,
    n_features=2000,
    solver="auto",
    max_epochs=3,
    step_size=STEP,
    tol=5e-3,
    max_iter=30,
    time_limit=None,
    rng=None,
    monitor=None,
    resume=None,
):
    """Maximise the likelihood of all rows by stochastic gradients.

    Parameters
    ----------
    process : ProcessKernel
        Kernel with the parameters to start from, such as those of
        :func:`~skopt2.solvers.kernel.subset_fit.fit_on_subset`: from far away the steps
        are too short.
    X : array of shape (n, d)
        Points, of any namespace.
    Y : array of shape (n,) or (n, c)
        Targets, beside the points.
    noise : float or array of shape (n,)
        Variance of the noise of each row, beyond the white part of the kernel.
    n_probes : int, default=32
        m.
    n_features : int, default=2000
        Random features of the prior.
    solver : {"auto", "cholesky", "sap", "sdd", "eigenpro", "cg"}, default="auto"
        Of the systems; "auto" is "cholesky" where it is predicted to be faster than the
        passes of a step, else "sap".
    max_epochs : float, default=3
        Passes over K for the solutions of a step, four times as many for the first.
    step_size : float, default=0.1
        First step of a log parameter; in all, none moves by more than twenty of them.
    tol : float, default=5e-3
        Tolerance of the running mean of the gradient by the log parameters, those at
        a bound that it points out of left out, divided by n c. The error of the
        gradient by 32 probes of ten thousand rows is about half of the default.
    max_iter : int, default=30
        Largest number of steps.
    time_limit : float or None, default=None
        Seconds after which to stop.
    rng : None, int, Generator, RandomState or SeedSequence, default=None
        Of probes and blocks.
    monitor, resume : object or None, default=None
        As for :func:`skopt2._core.iterate.iterate`.

    Returns
    -------
    result : Result
        Its solution is a :class:`PathwiseFit`, its objective minus the gain divided by
        n c. The history has the gain, residuals and passes of the steps.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the kernel has no random features.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.gaussian_process.kernels import RBF, WhiteKernel
    >>> from skopt2.kernels.process import ProcessKernel
    >>> from skopt2.solvers.kernel.pathwise_fit import fit_pathwise
    >>> X = np.linspace(0.0, 6.0, 200)[:, None]
    >>> start = ProcessKernel(RBF(0.5) + WhiteKernel(0.01))
    >>> fit = fit_pathwise(start, X, np.sin(X), 0.0, max_iter=5, rng=0).solution
    >>> bool(fit.gain > 0.0), fit.probe_coef.shape
    (True, (200, 32))
    """
    _check_options(n_probes, solver, max_epochs, step_size, tol, max_iter)
    ascent = PathwiseAscent(
        process,
        X,
        Y,
        noise,
        n_probes=n_probes,
        n_features=n_features,
        solver=solver,
        max_epochs=max_epochs,
        step_size=step_size,
        rng=rng,
    )
    state = None if (resume or {}).get("state") is not None else ascent.start()
    return iterate(
        ascent,
        state,
        tol=tol,
        max_iter=max_iter,
        time_limit=time_limit,
        monitor=monitor,
        name=CERTIFICATE,
        resume=resume,
    )


def _check_options(n_probes, solver, max_epochs, step_size, tol, max_iter):
    """Raise ValueError for a parameter out of range."""
    check_choice("solver", solver, SOLVERS)
    check_count("n_probes", n_probes)
    check_count("max_iter", max_iter)
    check_positive("max_epochs", max_epochs, infinite=True)
    check_positive("step_size", step_size)
    check_number("tol", tol, 0)
