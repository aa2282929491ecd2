"""The cases of the sparse-learning benchmark.

``alphas`` are given as fractions of lmax, the smallest alpha with a null solution; a
path of k values is geometric from lmax to its last fraction. ``targets`` are the
certificates (see :mod:`benchmarks.certificates`) at which times are compared; on a
path the worst value of the path counts.
"""

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.certificates import alpha_max


@dataclass(frozen=True)
class Case:
    """One row group of the table.

    Attributes
    ----------
    name : str
        Name used on the command line.
    data : str
        Name of the data set.
    model : {"lasso", "logistic", "mcp", "l0", "group_lasso", "group_logistic"}
        Objective.
    fractions : tuple of float
        alpha / lmax. With ``n_path`` > 0 the only entry is the end of the path.
    targets : tuple of float
        Certificates to reach, loosest first.
    n_path : int
        Number of values of a geometric path from lmax, 0 for a single fit.
    support : int
        Model size for l0 libraries that take a size instead of a penalty.
    optional : bool
        Needs files given by ``--data``.
    group_size : int
        Features in each of the consecutive groups.
    """

    name: str
    data: str
    model: str
    fractions: tuple
    targets: tuple
    n_path: int = 0
    support: int = 0
    optional: bool = False
    group_size: int = 1


@dataclass(frozen=True)
class Problem:
    """What a library is asked to solve, for each alpha in turn.

    Attributes
    ----------
    model : str
        Objective, see :class:`Case`.
    X : ndarray of shape (n, p), Fortran order, or csc_matrix
        Design.
    y : ndarray of shape (n,)
        Target, or labels in {-1, +1}.
    alphas : ndarray of shape (n_alphas,)
        Penalties, decreasing.
    is_path : bool
        Whether all the alphas are wanted or a single fit was asked for.
    gamma : float
        Shape of MCP.
    support : int
        Size of the l0 model.
    n_threads : int
        For libraries that take it as a parameter.
    group_size : int
        Features in each of the consecutive groups.
    """

    model: str
    X: object
    y: np.ndarray
    alphas: np.ndarray
    is_path: bool = False
    gamma: float = 3.0
    support: int = 0
    n_threads: int = 1
    group_size: int = 1

    @property
    def alpha_max(self):
        """Smallest alpha with a null solution."""
        return alpha_max(self.model, self.X, self.y, self.group_size)

    def first(self, count):
        """Return the same problem for the first alphas only."""
        return replace(self, alphas=self.alphas[:count])

    def with_design(self, X):
        """Return the same problem on another memory layout of the design."""
        return replace(self, X=X)


_TIGHT = (1e-4, 1e-6, 1e-8)

CASES = (
    Case("lasso-D-10", "D", "lasso", (1e-1,), _TIGHT),
    Case("lasso-D-100", "D", "lasso", (1e-2,), _TIGHT),
    Case("lasso-S-10", "S", "lasso", (1e-1,), _TIGHT),
    Case("lasso-S-100", "S", "lasso", (1e-2,), _TIGHT),
    Case("lasso-T-10", "T", "lasso", (1e-1,), _TIGHT),
    Case("lasso-T-100", "T", "lasso", (1e-2,), _TIGHT),
    Case("lasso-T-1000", "T", "lasso", (1e-3,), _TIGHT),
    Case("path-D", "D", "lasso", (1e-2,), (1e-4, 1e-6), n_path=100),
    Case("mcp-path-D", "Dstd", "mcp", (1 / 20,), (1e-3, 1e-4, 1e-6), n_path=50),
    Case("logistic-D-10", "D", "logistic", (1e-1,), (1e-4, 1e-6)),
    Case("logistic-D-100", "D", "logistic", (1e-2,), (1e-4, 1e-6)),
    Case("logistic-S-10", "S", "logistic", (1e-1,), (1e-4, 1e-6)),
    Case("l0-D-50", "D", "l0", (), (np.inf,), support=50),
    *(
        Case(f"group-{name}", data, model, (fraction,), (1e-4, 1e-6), group_size=10)
        for name, data, model, fraction in (
            ("D-10", "D", "group_lasso", 1e-1),
            ("D-100", "D", "group_lasso", 1e-2),
            ("W-20", "W", "group_lasso", 5e-2),
            ("S-10", "S", "group_lasso", 1e-1),
            ("T-100", "T", "group_lasso", 1e-2),
            ("logistic-D-10", "D", "group_logistic", 1e-1),
        )
    ),
    Case("group-path-D", "D", "group_lasso", (1e-1,), (1e-4, 1e-6), 50, group_size=10),
    Case("golub-10", "golub", "logistic", (1e-1,), (1e-4, 1e-6), optional=True),
    Case("golub-100", "golub", "logistic", (1e-2,), (1e-4, 1e-6), optional=True),
    Case("colon-10", "colon", "logistic", (1e-1,), (1e-4, 1e-6), optional=True),
    Case("colon-100", "colon", "logistic", (1e-2,), (1e-4, 1e-6), optional=True),
    Case("a9a-10", "a9a", "logistic", (1e-1,), (1e-4, 1e-6), optional=True),
    Case("a9a-100", "a9a", "logistic", (1e-2,), (1e-4, 1e-6), optional=True),
    Case("a9a-1000", "a9a", "logistic", (1e-3,), (1e-4, 1e-6), optional=True),
    Case("mnist-10", "mnist", "logistic", (1e-1,), (1e-4, 1e-6), optional=True),
    Case("mnist-100", "mnist", "logistic", (1e-2,), (1e-4, 1e-6), optional=True),
    Case("mnist-1000", "mnist", "logistic", (1e-3,), (1e-4, 1e-6), optional=True),
)

# the cold start and the tiny fit are measured apart, on these problems
COLD = {
    "lasso": Case("cold-lasso", "cold", "lasso", (1e-1,), (1e-6,)),
    "mcp": Case("cold-mcp", "cold", "mcp", (1e-1,), (1e-4,)),
    "logistic": Case("cold-logistic", "cold", "logistic", (1e-1,), (1e-4,)),
}
TINY = Case("tiny", "tiny", "lasso", (1e-1,), (1e-4,))

# alpha of the l0 case: the loss that the last of ``support`` well-chosen features of
# D is worth, about 1/1000 of |y|^2 / 2n
_L0_FRACTION = 1e-3


def build(case, data, n_threads):
    """Problem of a case on its data."""
    y = data.labels if case.model.endswith("logistic") else data.y
    if case.model == "l0":
        alphas = np.array([_L0_FRACTION * float(y @ y) / (2 * len(y))])
    else:
        lmax = alpha_max(case.model, data.X, y, case.group_size)
        alphas = lmax * np.array(case.fractions)
        if case.n_path:
            alphas = lmax * np.geomspace(1.0, case.fractions[0], case.n_path)
    return Problem(
        model=case.model,
        X=data.X,
        y=y,
        alphas=alphas,
        is_path=case.n_path > 0,
        support=case.support,
        n_threads=n_threads,
        group_size=case.group_size,
    )
