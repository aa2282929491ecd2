"""What a fitted matrix of low rank says of tables: completed rows, factors, scores."""

import math

import numpy as np
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skopt2._core import cuda
from skopt2._core.array import (
    asarray_like,
    dot64,
    index_like,
    is_sparse,
    move,
    namespace,
    to_numpy,
)
from skopt2._core.validation import check_predict_input
from skopt2.decomposition.completion_data import (
    dense_mask,
    known_entries,
    standardised,
)
from skopt2.decomposition.factorization_arrays import plain_array
from skopt2.solvers.low_rank.new_rows import fit_rows

# Share of the known entries that score holds out.
SCORED = 0.2


class CompletedTable(OneToOneFeatureMixin, TransformerMixin):
    """Base of estimators that complete tables by components and intercepts."""

    def _checked(self, X, method):
        """Return X for a fitted model, where it was."""
        return check_predict_input(
            self,
            X,
            accept_sparse=("csr",),
            attribute="components_",
            method=method,
            finite=False,
        )

    def _entries(self, X):
        """Return what is known of rows, as it is and scaled, beside the model."""
        _, target = cuda.resolve(self.device, X)
        X = to_numpy(X) if is_sparse(X) else move(X, target)
        entries = known_entries(X, self.missing_values)
        V, b, scales = (
            asarray_like(to_numpy(A), entries.like)
            for A in (self.components_, self.intercept_, self.scale_)
        )
        return entries, standardised(entries, b, scales), V, b, scales

    def _factors(self, scaled, V, scales):
        """Return the factors of rows of which scaled entries are known."""
        B = namespace(V).matrix_transpose(V) / scales[:, None]
        return fit_rows(scaled, B, self._level, self._loss), B

    def transform(self, X):
        """Complete rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data. Rows may be others than those of the fit.

        Returns
        -------
        completed : ndarray of shape (n_samples, n_features_out)
            Every row with the values of the model where it has none, from the row
            factors that its known entries ask for; rows without any are the intercepts.
            In the namespace and dtype of ``X``, dense.

        Raises
        ------
        ValueError
            If ``X`` is infinite somewhere or has other features.
        """
        X = self._checked(X, "transform")
        _, target = cuda.resolve(self.device, X)
        with target.activate():
            entries, scaled, V, b, scales = self._entries(X)
            U, _ = self._factors(scaled, V, scales)
            completed = U @ V + b[None, :]
            if self.keep_observed:
                known, values = dense_mask(entries)
                completed = namespace(V).where(known, values, completed)
            kept = to_numpy(self.empty_features_)
            if kept.any() and not self.keep_empty_features:
                ids = index_like(np.flatnonzero(~kept), V)
                completed = namespace(V).take(completed, ids, axis=1)
        like = X.data if is_sparse(X) else X
        return plain_array(completed, like)

    def encode(self, X):
        """Return the factors of rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        factors : ndarray of shape (n_samples, rank)
            Their products with ``components_``, plus ``intercept_``, are the rows of
            the model.

        Raises
        ------
        ValueError
            If ``X`` is infinite somewhere or has other features.
        """
        X = self._checked(X, "encode")
        _, target = cuda.resolve(self.device, X)
        with target.activate():
            _, scaled, V, _, scales = self._entries(X)
            U, _ = self._factors(scaled, V, scales)
        return plain_array(U, X.data if is_sparse(X) else X)

    def predict_entries(self, rows, columns):
        """Return values of the model at positions of the table of the fit.

        Parameters
        ----------
        rows, columns : array-like of int of shape (n_positions,)
            Positions.

        Returns
        -------
        values : ndarray of shape (n_positions,)
            Values of the model, without a matrix of all of them.

        Raises
        ------
        ValueError
            If a position is not in the table, or there are not as many rows as columns.
        """
        check_is_fitted(self, "components_")
        U, V, b = self.row_factors_, self.components_, self.intercept_
        xp = namespace(U)
        places = [
            checked_positions(name, values, size)
            for name, values, size in (
                ("rows", rows, int(U.shape[0])),
                ("columns", columns, int(V.shape[1])),
            )
        ]
        if places[0].size != places[1].size:
            raise ValueError(
                "rows and columns must have the same length; got "
                f"{places[0].size} and {places[1].size}."
            )
        i, j = (index_like(ids, U) for ids in places)
        left, right = xp.take(U, i, axis=0), xp.take(V, j, axis=1)
        return xp.sum(left * xp.matrix_transpose(right), axis=1) + xp.take(b, j)

    def score(self, X, y=None):
        """Return the share of the variance of held-out entries that is explained.

        Of the known entries one in five is hidden, the same ones at every call; the
        factors of rows come from the others.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data with known entries.
        y : None
            Ignored.

        Returns
        -------
        score : float
            One minus the ratio of squared errors to those of the intercepts, columns
            scaled as in the fit: 1 is perfect, 0 no better than the intercepts.

        Raises
        ------
        ValueError
            If ``X`` has fewer than two known entries.
        """
        X = self._checked(X, "score")
        _, target = cuda.resolve(self.device, X)
        with target.activate():
            _, scaled, V, _, scales = self._entries(X)
            count = int(scaled.known(scaled.ones()).size)
            hidden = int(math.ceil(SCORED * count))
            if not 0 < hidden < count:
                raise ValueError(
                    f"score hides some of the known entries of X, which has {count}: "
                    "pass rows with more of them."
                )
            kept = np.ones(count, dtype=bool)
            kept[np.random.default_rng(0).choice(count, hidden, replace=False)] = False
            U, B = self._factors(scaled.masked(kept), V, scales)
            test = scaled.masked(~kept)
            left = test.X - test.forward(U, B)
            total, lost = dot64(test.X, test.X), dot64(left, left)
        if not total > 0.0:
            return 1.0 if lost == 0.0 else 0.0
        return 1.0 - lost / total

    def get_feature_names_out(self, input_features=None):
        """Return the names of the features of ``transform``.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the features; None for those of the fit.

        Returns
        -------
        names : ndarray of str
            Without the features that ``transform`` leaves out.
        """
        names = super().get_feature_names_out(input_features)
        if self.keep_empty_features:
            return names
        return names[~to_numpy(self.empty_features_)]


def checked_positions(name, values, size):
    """Return positions as integers of host memory, or raise ValueError.

    Parameters
    ----------
    name : str
        Of the argument, for the messages.
    values : array-like of int of shape (n_positions,)
        Positions.
    size : int
        How many there are.
    """
    ids = np.asarray(to_numpy(values) if hasattr(values, "dtype") else values)
    if ids.ndim != 1 or (ids.dtype.kind not in "iu" and ids.size):
        raise ValueError(
            f"{name} must be a vector of integers; got the shape {ids.shape} and the "
            f"dtype {ids.dtype}."
        )
    ids = ids.astype(np.int64)
    if ids.size and (ids.min() < 0 or ids.max() >= size):
        raise ValueError(
            f"{name} must be between 0 and {size - 1}; got values from {ids.min()} to "
            f"{ids.max()}."
        )
    return ids
