"""What the estimators of sparse inverse covariance matrices share."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skopt2._core.array import all_finite, asarray_like, namespace, sum64
from skopt2._core.estimator import IterativeEstimator
from skopt2._core.parameters import check_choice
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2._core.weights import check_weights
from skopt2.covariance.empirical import from_matrix, from_rows
from skopt2.covariance.formulation import Formulation, log_likelihood
from skopt2.covariance.parameters import check_parameters, elementwise_penalty
from skopt2.penalties import get_penalty


class InverseCovarianceModel(IterativeEstimator):
    """A normal distribution with a mean and a sparse precision matrix.

    Subclasses have the parameters of the problem, and set ``precision_``,
    ``covariance_`` and ``location_``.
    """

    _remedies = (
        "increase alpha",
        "increase alpha, set penalty='l1', or pass more rows: with a flat penalty a "
        "singular covariance has no maximum of the likelihood",
    )
    _sparse_input = False

    def _makers(self):
        return {"penalty": get_penalty}

    @property
    def _precomputed(self):
        return getattr(self, "covariance", None) == "precomputed"

    def _formulate(self, X, sample_weight):
        """Return the checked input and its problem."""
        check_parameters(self)
        if hasattr(self, "covariance"):
            check_choice("covariance", self.covariance, (None, "precomputed"))
        penalty = elementwise_penalty(self.penalty)
        data = check_fit_input(
            self, X, None, sample_weight, accept_sparse=False, y_kind="none"
        )
        with data.target.activate():
            if not self._precomputed:
                found = from_rows(
                    data.X, data.sample_weight, bool(self.assume_centered)
                )
            elif sample_weight is not None:
                raise ValueError(
                    "sample_weight weighs rows of data, and covariance='precomputed' "
                    "has none: leave it out."
                )
            else:
                found = from_matrix(data.X)
            formulation = Formulation(
                found,
                penalty,
                bool(self.penalize_diagonal),
                bool(self.standardize),
                getattr(self, "feature_names_in_", None),
            )
        return data, formulation

    def _describe(self, solution, formulation, alpha, dtype):
        """Return the fitted attributes of a solution, on its device."""
        xp = namespace(solution[0])
        with np.errstate(over="ignore", invalid="ignore"):
            precision, covariance = formulation.solution(solution, alpha)
            precision = xp.astype(precision, dtype)
        p = int(precision.shape[0])
        if not all_finite(precision):
            raise ValueError(
                "The precision of a feature in these units is beyond the largest "
                f"number of dtype {dtype}: its standard deviation is less than "
                f"{float(xp.finfo(dtype).max) ** -0.5:.0e}. Scale the features."
            )
        return {
            "precision_": precision,
            "covariance_": xp.astype(covariance, dtype),
            "location_": xp.astype(formulation.empirical.location, dtype),
            "n_edges_": (int(xp.count_nonzero(solution[0])) - p) // 2,
        }

    def get_precision(self):
        """Return the precision matrix.

        Returns
        -------
        precision : ndarray of shape (n_features, n_features)
            ``precision_``.
        """
        check_is_fitted(self, "precision_")
        return self.precision_

    def score(self, X, y=None, sample_weight=None):
        """Return the mean log-likelihood of data under the model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights of the rows.

        Returns
        -------
        score : float
            Larger is better; in the units of a density, so that only scores on the same
            features can be compared.
        """
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="precision_", method="score"
        )
        weight = check_weights(sample_weight, X)
        found = from_rows(X - asarray_like(self.location_, X), weight, True)
        return log_likelihood(asarray_like(self.precision_, X), found)

    def error_norm(self, comp_cov, norm="frobenius", scaling=True, squared=True):
        """Return the size of the difference to another covariance matrix.

        Parameters
        ----------
        comp_cov : array-like of shape (n_features, n_features)
            Covariance matrix to compare with.
        norm : {"frobenius", "spectral"}, default="frobenius"
            Root of the sum of squares, or largest singular value.
        scaling : bool, default=True
            Whether to divide the squared norm by the number of features.
        squared : bool, default=True
            Whether to return the squared norm.

        Returns
        -------
        error : float
            Of ``comp_cov - covariance_``.

        Raises
        ------
        ValueError
            If the norm is unknown, or the shapes differ.
        """
        check_is_fitted(self, "covariance_")
        check_choice("norm", norm, ("frobenius", "spectral"))
        xp = namespace(self.covariance_)
        other = asarray_like(comp_cov, self.covariance_)
        if tuple(other.shape) != tuple(self.covariance_.shape):
            raise ValueError(
                f"comp_cov has shape {tuple(other.shape)}, expected "
                f"{tuple(self.covariance_.shape)}: that of covariance_."
            )
        error = other - self.covariance_
        if norm == "frobenius":
            size = sum64(error * error)
        else:
            size = float(xp.max(xp.linalg.svdvals(error))) ** 2
        if scaling:
            size /= int(error.shape[0])
        return size if squared else size**0.5

    def mahalanobis(self, X):
        """Return the squared Mahalanobis distances of rows to the mean.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        distances : ndarray of shape (n_samples,)
            ``(x - location_)' precision_ (x - location_)``.
        """
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="precision_", method="mahalanobis"
        )
        X = X - asarray_like(self.location_, X)
        return namespace(X).sum((X @ asarray_like(self.precision_, X)) * X, axis=1)
