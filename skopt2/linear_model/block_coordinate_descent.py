"""Options of block coordinate descent with greedy rules."""

from sklearn.base import BaseEstimator

from skopt2._core.parameters import check_count, check_flag
from skopt2.solvers.block_coordinate_descent.rules import BlockRules
from skopt2.solvers.choice import check_solver


class BlockCoordinateDescent(BaseEstimator):
    """Rules of block coordinate descent, for ``solver=`` of the sparse models.

    ``solver="bcd"`` stands for this object with its defaults, which are the best of the
    rules on the problems of the user guide. Other rules are there to be compared.

    Parameters
    ----------
    partition : {"variable", "order", "lipschitz", "forest", "variable forest"}, \
            default="variable"
        ``"variable"`` forms a new block for each update, of the coordinates with the
        largest scores. ``"order"`` keeps blocks of neighbouring columns,
        ``"lipschitz"`` blocks of columns with norms of one size.  ``"forest"`` and
        ``"variable forest"`` are for sparse ``X``, the squared loss and
        ``fit_intercept=False``: blocks are forests in the graph of the columns that
        share samples, and are solved by messages.
    selection : {"cyclic", "random", "gs", "gsl", "gsd", "gsq"}, default="gsd"
        Which block is next: in turn, at random, or that of the largest gradient
        (Gauss-Southwell), or of the largest decrease that a model promises which knows
        the curvature of the block as one number (``"gsl"``), as a diagonal
        (``"gsd"``) or as a matrix (``"gsq"``). Penalties are part of the models.
    update : {"gradient", "diagonal", "matrix", "newton"}, default="newton"
        How a block moves: by a proximal gradient step with the curvature of the block,
        or with that of each coordinate, to the minimum of the model with a fixed bound
        of the Hessian of the block, or with the Hessian itself and a line search.
    block_size : int, default=50
        Coordinates in a block.
    finish : bool, default=True
        Whether Newton steps on all nonzero coefficients end the descent once the set
        of them, with their signs, has come to rest.
    extrapolate : bool, default=False
        Whether to extrapolate sweeps (Anderson), which helps first-order updates where
        ``finish=False``.
    random_state : int, RandomState instance or None, default=None
        Seed of ``selection="random"``; None for that of the model.

    See Also
    --------
    SparseRegressor : ``solver=BlockCoordinateDescent(...)``.
    SparseClassifier : The same for classification.

    References
    ----------
    Nutini, Laradji and Schmidt, Let's make block coordinate descent converge faster,
    JMLR 23:131, 2022.

    Examples
    --------
    >>> from skopt2.datasets import make_sparse_regression
    >>> from skopt2.linear_model import BlockCoordinateDescent, SparseRegressor
    >>> X, y, coef = make_sparse_regression(
    ...     n_samples=100, n_features=300, n_informative=4, random_state=0
    ... )
    >>> rules = BlockCoordinateDescent(selection="gsq", partition="order", block_size=5)
    >>> model = SparseRegressor(alpha=0.3, solver=rules).fit(X, y)
    >>> model.converged_
    True
    """

    def __init__(
        self,
        partition="variable",
        selection="gsd",
        update="newton",
        *,
        block_size=50,
        finish=True,
        extrapolate=False,
        random_state=None,
    ):
        self.partition = partition
        self.selection = selection
        self.update = update
        self.block_size = block_size
        self.finish = finish
        self.extrapolate = extrapolate
        self.random_state = random_state

    def make_solver(self, problem, tol, random_state=None):
        """Return the solver of a problem.

        Parameters
        ----------
        problem : LinearProblem
            In host memory.
        tol : float
            Tolerance of the certificate.
        random_state : None, int, RandomState or Generator, default=None
            Seed where the rules have none.

        Returns
        -------
        solver : RuledDescent
            With ``init`` and ``step``.

        Raises
        ------
        ValueError
            If there is no such rule, two do not go together, or they do not fit the
            problem.
        """
        # Imported where it is used: a default fit does not wait for it.
        from skopt2.solvers.block_coordinate_descent.ruled_descent import RuledDescent

        check_count("block_size", self.block_size)
        for name in ("finish", "extrapolate"):
            check_flag(name, getattr(self, name))
        check_solver("bcd", problem.loss, problem.penalty)
        rules = self.get_params(deep=False)
        if self.random_state is None:
            rules["random_state"] = random_state
        return RuledDescent(problem, tol, BlockRules(**rules))
