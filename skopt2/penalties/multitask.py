"""Penalties of a matrix of coefficients: of the norms of its rows, or of its spectrum.

Problem: min_W f(W) + sum_i pen(t_i(W); lam), lam = alpha in [0, inf).

Symbols: W (p, K), one column per task; t(W) (p,) the Euclidean norms of the rows, or
(min(p, K),) the singular values; pen a scalar penalty of nonnegative numbers.

Both maps t are those for which a function of t has a prox in closed form: the direction
of a row, or the singular vectors, stay, and t moves by the scalar prox. The dual of the
sum of t is its maximum: the largest norm of a row, the spectral norm.

Sources: G. Obozinski, B. Taskar and M. Jordan, Joint covariate selection and joint
subspace selection for multiple classification problems, Statistics and Computing 20,
2010 (rows); M. Fazel, Matrix Rank Minimization with Applications, thesis, Stanford
2002 (nuclear norm); A. Lewis, The convex analysis of unitarily invariant matrix
functions, J. Convex Analysis 2, 1995, theorem 2.4, for the subdifferential; C. Lu et
al., Generalized nonconvex nonsmooth low-rank minimization, CVPR 2014 (concave ones).
"""

import numpy as np
from sklearn.base import BaseEstimator

from skopt2._core.name_hint import name_hint
from skopt2._core.parameters import check_choice
from skopt2.penalties.l1 import L1
from skopt2.penalties.mcp import MCP
from skopt2.penalties.scad import SCAD


class MultiTaskPenalty(BaseEstimator):
    """Base of the penalties of a coefficient matrix."""

    name = ""
    convex = True
    # What the scalar penalty is applied to: "rows" or "spectrum".
    kind = "rows"
    stationarity = "subdifferential"
    separable = False

    @property
    def scalar(self):
        """The scalar penalty of a norm or a singular value."""
        return L1()

    @property
    def has_gap(self):
        """True if scaling a dual point can make it feasible: a duality gap exists."""
        return self.convex

    def check_parameters(self):
        """Raise ValueError if a parameter is out of range."""
        self.scalar.check_parameters()

    def sizes(self, W):
        """Return the norms of the rows, or the singular values, of a matrix.

        Parameters
        ----------
        W : ndarray of shape (p, K)
            Coefficients, in host memory.

        Returns
        -------
        sizes : ndarray
            Nonnegative.
        """
        if self.kind == "rows":
            return np.sqrt(np.einsum("ij,ij->i", W, W))
        if W.size == 0:
            return np.zeros(0)
        return np.linalg.svd(W, compute_uv=False)

    def value(self, W, lam):
        """Return the penalty of a matrix of coefficients.

        Parameters
        ----------
        W : ndarray of shape (p, K)
            Coefficients, in host memory.
        lam : float
            Level.

        Returns
        -------
        value : float
            In float64.
        """
        return self.scalar.value(self.sizes(W), np.float64(lam))


class RowLasso(MultiTaskPenalty):
    """Sum of the norms of the rows: features are selected for all tasks together.

    References
    ----------
    Obozinski, Taskar and Jordan, Statistics and Computing 20, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import RowLasso
    >>> RowLasso().value(np.array([[3.0, 4.0], [0.0, 0.0]]), 2.0)
    10.0
    """

    name = "row_lasso"


class RowMCP(MultiTaskPenalty):
    """Minimax concave penalty of the norms of the rows.

    Parameters
    ----------
    gamma : float, default=3.0
        Concavity, greater than 1: the penalty is flat beyond ``gamma * alpha``.

    References
    ----------
    Zhang, Annals of Statistics 38, 2010, eq. 2.1; Breheny and Huang, Statistics and
    Computing 25, 2015, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import RowMCP
    >>> RowMCP(gamma=2.0).value(np.array([[3.0, 4.0], [0.0, 0.0]]), 2.0)
    4.0
    """

    name = "row_mcp"
    convex = False

    def __init__(self, gamma=3.0):
        self.gamma = gamma

    @property
    def scalar(self):
        """The minimax concave penalty."""
        return MCP(self.gamma)


class RowSCAD(MultiTaskPenalty):
    """Smoothly clipped absolute deviation of the norms of the rows.

    Parameters
    ----------
    gamma : float, default=3.7
        Greater than 2: the penalty is flat beyond ``gamma * alpha``.

    References
    ----------
    Fan and Li, Journal of the American Statistical Association 96, 2001; Breheny and
    Huang, Statistics and Computing 25, 2015, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import RowSCAD
    >>> RowSCAD(gamma=3.0).value(np.array([[0.6, 0.8], [0.0, 0.0]]), 2.0)
    2.0
    """

    name = "row_scad"
    convex = False

    def __init__(self, gamma=3.7):
        self.gamma = gamma

    @property
    def scalar(self):
        """The smoothly clipped absolute deviation."""
        return SCAD(self.gamma)


class NuclearNorm(MultiTaskPenalty):
    """Sum of the singular values: tasks share few linear combinations of features.

    References
    ----------
    Fazel, thesis, Stanford 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import NuclearNorm
    >>> round(NuclearNorm().value(np.array([[3.0, 4.0], [0.0, 0.0]]), 2.0), 12)
    10.0
    """

    name = "nuclear"
    kind = "spectrum"


class SpectralMCP(MultiTaskPenalty):
    """Minimax concave penalty of the singular values.

    Parameters
    ----------
    gamma : float, default=3.0
        Concavity, greater than 1: singular values beyond ``gamma * alpha`` are not
        shrunk.

    References
    ----------
    Lu, Tang, Yan and Lin, CVPR 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import SpectralMCP
    >>> SpectralMCP(gamma=2.0).value(np.diag([5.0, 0.0]), 2.0)
    4.0
    """

    name = "spectral_mcp"
    kind = "spectrum"
    convex = False

    def __init__(self, gamma=3.0):
        self.gamma = gamma

    @property
    def scalar(self):
        """The minimax concave penalty."""
        return MCP(self.gamma)


class SpectralSCAD(MultiTaskPenalty):
    """Smoothly clipped absolute deviation of the singular values.

    Parameters
    ----------
    gamma : float, default=3.7
        Greater than 2: singular values beyond ``gamma * alpha`` are not shrunk.

    References
    ----------
    Lu, Tang, Yan and Lin, CVPR 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import SpectralSCAD
    >>> SpectralSCAD(gamma=3.0).value(np.diag([1.0, 0.0]), 2.0)
    2.0
    """

    name = "spectral_scad"
    kind = "spectrum"
    convex = False

    def __init__(self, gamma=3.7):
        self.gamma = gamma

    @property
    def scalar(self):
        """The smoothly clipped absolute deviation."""
        return SCAD(self.gamma)


_PENALTIES = {
    kind.name: kind
    for kind in (RowLasso, RowMCP, RowSCAD, NuclearNorm, SpectralMCP, SpectralSCAD)
}
# What a penalty of single features, or another library's, becomes here.
_SYNONYMS = {
    "l1": "row_lasso",
    "l21": "row_lasso",
    "lasso": "row_lasso",
    "group_lasso": "row_lasso",
    "mcp": "row_mcp",
    "scad": "row_scad",
    "nuclear_norm": "nuclear",
    "trace": "nuclear",
}


def get_multitask_penalty(penalty):
    """Return the penalty object for a name; check the parameters of an object.

    Parameters
    ----------
    penalty : str or MultiTaskPenalty
        ``"row_lasso"``, ``"row_mcp"``, ``"row_scad"``, ``"nuclear"``,
        ``"spectral_mcp"``, ``"spectral_scad"``, or an object, which is returned as it
        is.

    Returns
    -------
    penalty : MultiTaskPenalty
        An object with valid parameters.

    Raises
    ------
    ValueError
        If the name is unknown or a parameter is out of range.

    Examples
    --------
    >>> from skopt2.penalties import get_multitask_penalty
    >>> get_multitask_penalty("row_mcp")
    RowMCP()
    """
    if isinstance(penalty, str) and penalty in _PENALTIES:
        return _PENALTIES[penalty]()
    if not isinstance(penalty, MultiTaskPenalty):
        known = {**_SYNONYMS, **{name: name for name in _PENALTIES}}
        hint = name_hint("penalty", penalty, known)
        other = "an object such as RowMCP(gamma=2.0)"
        check_choice("penalty", penalty, _PENALTIES, other=other, hint=hint)
    penalty.check_parameters()
    return penalty
