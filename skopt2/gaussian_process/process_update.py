"""Rows that are added to a fitted Gaussian process."""

import functools
from dataclasses import replace
from numbers import Real

from skopt2._core.array import move, namespace
from skopt2._core.chunks import gathered
from skopt2._core.estimator import fit_method
from skopt2._core.transfer import convert
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.gaussian_process.posterior_plan import plan_posterior, working_dtype
from skopt2.gaussian_process.process_run import ProcessRun
from skopt2.gaussian_process.targets import Targets, added
from skopt2.kernels.process import ProcessKernel


class ProcessUpdate:
    """Base of Gaussian process regression: further rows."""

    @fit_method
    def partial_fit(self, X, y):
        """Add rows to the model.

        The first call is :meth:`fit`. Further ones keep its hyperparameters, ``alpha``
        and the shift and scale of the targets, and give the posterior of all rows so
        far. A Cholesky factor gets more rows instead of being computed anew; an
        iterative solution starts from the former coefficients, and the draws for the
        variance keep their prior functions and their noise at the former rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), Dask collection or iterator
            New rows, in the form that :meth:`fit` takes.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Their targets.

        Returns
        -------
        self : GaussianProcessRegressor
            Fitted to all rows.

        Raises
        ------
        ValueError
            If the rows are unlike those before, or ``alpha`` was one number for each
            row.

        Warns
        -----
        ConvergenceWarning
            If the residual did not reach ``tol``.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.gaussian_process.kernels import RBF
        >>> from skopt2.gaussian_process import GaussianProcessRegressor
        >>> X, y = np.arange(4.0)[:, None], np.array([0.0, 1.0, 0.0, -1.0])
        >>> model = GaussianProcessRegressor(RBF(), alpha=0.1, optimizer=None)
        >>> model = model.partial_fit(X[:3], y[:3]).partial_fit(X[3:], y[3:])
        >>> bool(np.allclose(model.predict(X), model.fit(X, y).predict(X)))
        True
        """
        if not hasattr(self, "X_train_"):
            return self._fit_anew(X, y)
        self._check_parameters()
        if not isinstance(self._noise, Real):
            raise ValueError(
                "partial_fit needs one alpha for all rows, but fit got an array with "
                "one for each of its rows: fit all rows together, or with a number."
            )
        X, y = gathered(X, y)
        names = vars(self).get("feature_names_in_")
        check_predict_input(
            self, X, accept_sparse=False, attribute="X_train_", method="partial_fit"
        )
        data = check_fit_input(self, X, y, accept_sparse=False, y_kind="multioutput")
        if names is not None:
            self.feature_names_in_ = names
        if tuple(data.y.shape[1:]) != tuple(self.y_train_.shape[1:]):
            raise ValueError(
                f"y has the shape {tuple(data.y.shape)}, but the targets of the rows "
                f"before had {tuple(self.y_train_.shape)}: their columns must agree."
            )
        with data.target.activate():
            return self._add(data)

    def _add(self, data):
        """Solve for the posterior of the rows before and those of the data."""
        process, noise = ProcessKernel(self.kernel_), self._noise
        former, targets = convert((self.posterior_, self._targets()), data.target)
        xp, number = namespace(data.X), self._n_updates
        X = xp.concat([former.X, xp.astype(data.X, former.X.dtype, copy=False)])
        lam = added(noise, process.noise(X), X)
        # More rows may need more digits.
        dtype = working_dtype(process.signal, X, lam, float(self.tol))
        X = xp.astype(X, dtype, copy=False)
        targets = targets.more(data.y, dtype)
        shared = {
            "_noise": noise,
            "_n_updates": number + 1,
            "_center": targets.center,
            "_unit": targets.unit,
        }
        run = ProcessRun(
            self,
            self._all_rows(data, X, targets),
            functools.partial(self._describe, shared),
        )
        # The noise of the new rows must not be that of the rows before.
        streams = run.streams(5 + 2 * number)[-2:]
        plan = plan_posterior(
            process.signal, X, targets.Y, lam, self._options(), streams[0], former
        )
        return run.solve(plan, process, streams[1])

    def _targets(self):
        """Return the targets of the rows before."""
        y = self.y_train_
        Y = y[:, None] if y.ndim == 1 else y
        return Targets(Y, self._center, self._unit)

    def _all_rows(self, data, X, targets):
        """Return the data of a fit of all rows, for callbacks and checkpoints."""
        y = self._shape(targets.Y * targets.unit + targets.center)
        return replace(
            data, X=X, y=y, X_source=move(X, data.source), y_source=move(y, data.source)
        )
