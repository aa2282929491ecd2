"""What a private mechanism may ask of the data: a sum over rows, each row bounded.

Query: q(W) = sum_i g_i(W), norm(g_i(W)) <= C for every row that there can be, whatever
its values. Symbols: W the parameters, an array of any shape; g_i of the shape of W; C
the clipping norm; norms are Euclidean, over all elements.

The noise asks the query for its sensitivity, so that the two cannot drift apart:

- "zero_out": neighbours differ in one row, which counts as nothing in one of them; the
  number of rows is public. The sum changes by at most C.
- "replace_one": neighbours differ in the values of one row. It changes by at most 2 C.

Source: C. Dwork and A. Roth, The Algorithmic Foundations of Differential Privacy, 2014,
section 3; M. Abadi and others, Deep learning with differential privacy, CCS 2016, for
sums of clipped gradients.
"""

from skopt2._core.parameters import check_choice

RELATIONS = ("zero_out", "replace_one")


class ClippedSum:
    """Base of the queries.

    Attributes
    ----------
    shape : tuple of int
        Of the parameters and of the sum.
    clipping_norm : float
        Bound C of the norm of what one row contributes.
    n_rows : int
        Rows, a public number.
    """

    shape = ()
    clipping_norm = 0.0
    n_rows = 0

    def clipped_sum(self, W, rows=None):
        """Return the sum of the clipped contributions of rows.

        Parameters
        ----------
        W : array of ``shape``
            Parameters, float64.
        rows : array of int or None, default=None
            Which rows; None for all.

        Returns
        -------
        total : array of ``shape``
            float64, before any noise: not to be released.
        """
        raise NotImplementedError

    def sensitivity(self, relation):
        """Return by how much the sum can change between neighbours.

        Parameters
        ----------
        relation : {"zero_out", "replace_one"}
            Which data sets are neighbours.

        Returns
        -------
        sensitivity : float
            In the Euclidean norm.
        """
        return sensitivity(self.clipping_norm, relation)


def sensitivity(clipping_norm, relation):
    """Return the sensitivity of a sum of rows of bounded norm.

    Parameters
    ----------
    clipping_norm : float
        Bound of the norm of one row's part.
    relation : {"zero_out", "replace_one"}
        Which data sets are neighbours.

    Returns
    -------
    sensitivity : float
        ``clipping_norm`` once or twice.

    Raises
    ------
    ValueError
        If there is no such relation.
    """
    check_choice("relation", relation, RELATIONS)
    return clipping_norm * (2.0 if relation == "replace_one" else 1.0)
