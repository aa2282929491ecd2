"""What the online kernel estimators share: a stream of rows, and prediction.

The state of a stream is in host memory. Kernel values of a block of rows are computed
on the device of the fit; the Newton steps that use them are sequential, and small.
"""

import copy
import math
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator

from skopt2._core import cuda
from skopt2._core.array import asarray_like, index_like, move, namespace, to_numpy
from skopt2._core.named_objects import NamedObjects
from skopt2._core.parameters import check_count, check_positive
from skopt2._core.random import spawn
from skopt2._core.shared_parameters import check_shared
from skopt2._core.transfer import convert
from skopt2._core.validation import check_predict_input
from skopt2.kernels import Kernel, KernelOperator, get_kernel
from skopt2.losses import get_loss
from skopt2.solvers.kernel.kernel_newton import Dictionary, NewtonModel, advance
from skopt2.solvers.kernel.loss_curvature import CURVED

# Rows whose kernel values are computed at a time.
ROWS = 256


@dataclass
class Stream:
    """All that goes on from one call to the next.

    Parameters
    ----------
    kernel : Kernel
        With numbers for parameters.
    model : NewtonModel
        Coefficients and their matrix A.
    dictionary : Dictionary
        Factors of the kernel matrix of the dictionary.
    centers : ndarray of shape (j, n_features)
        Its rows, in host memory.
    loss : float
        Total loss of the predictions so far.
    n_seen : int
        Rows so far.
    """

    kernel: Kernel
    model: NewtonModel
    dictionary: Dictionary
    centers: np.ndarray
    loss: float = 0.0
    n_seen: int = 0


class KernelNewton(NamedObjects, BaseEstimator):
    """Base of the online kernel estimators."""

    def _makers(self):
        return {"kernel": self._kernel_of, "loss": get_loss}

    def _kernel_of(self, kernel):
        return get_kernel(kernel, length_scale=self.length_scale)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        return tags

    def _begin(self, X, n_outputs, median, draws):
        """Return the state before the first row.

        Parameters
        ----------
        X : array of shape (n, d)
            Rows that the length scale "median" is taken from.
        n_outputs : int
            Targets, or classes.
        median, draws : numpy.random.Generator
            For the sample of rows for the median, and for the dictionary.

        Returns
        -------
        stream : Stream
        """
        kernel = self._kernel_of(self.kernel)
        if kernel.name == "precomputed":
            raise ValueError(
                "kernel='precomputed' cannot be online: rows that have not been seen "
                "have no column in a kernel matrix. Give a kernel of the rows."
            )
        xp = namespace(X)
        alpha, scores = float(self.alpha), self.dictionary_alpha
        return Stream(
            kernel.resolve(X, median),
            NewtonModel(
                get_loss(self.loss),
                n_outputs,
                alpha,
                None if self.eta == "auto" else float(self.eta),
                math.inf if self.clip is None else float(self.clip),
                int(bool(self.fit_intercept)),
            ),
            Dictionary(
                alpha if scores is None else float(scores),
                float(self.oversampling),
                self.max_dictionary,
                float(xp.finfo(X.dtype).eps) ** (2.0 / 3.0),
                draws,
            ),
            to_numpy(X[:0, :]).copy(),
        )

    def _run(self, stream, X, Y):
        """Go through rows in their order.

        Parameters
        ----------
        stream : Stream
            Changed.
        X : array of shape (n, d)
            Rows, on the device that computes.
        Y : ndarray of shape (n_outputs, n)
            Targets, in host memory.
        """
        n = int(X.shape[0])
        for start in range(0, n, ROWS):
            stop = min(start + ROWS, n)
            known, among = _kernel_values(stream, X[start:stop, :])
            some = np.ascontiguousarray(Y[:, start:stop])
            Z, joined = advance(
                stream.model,
                stream.dictionary,
                known,
                among,
                np.diagonal(among),
                some,
                bool(self.restart),
            )
            rows = to_numpy(X[start:stop, :])[joined]
            stream.centers = np.concatenate([stream.centers, rows])
            y, z = some.ravel(), Z.ravel()
            stream.loss += stream.model.loss.value(y, z, np.ones_like(z))
            stream.n_seen += stop - start

    def _passes(self, data, Y):
        """Return the state after the passes of ``fit``.

        Parameters
        ----------
        data : FitInput
            Checked rows.
        Y : ndarray of shape (n_outputs, n)
            Targets, in host memory.

        Returns
        -------
        stream : Stream
        """
        with data.target.activate():
            median, draws, order = spawn(self.random_state, 3)
            stream = self._begin(data.X, Y.shape[0], median, draws)
            for _ in range(self.n_passes):
                X, targets = data.X, Y
                if self.shuffle:
                    shuffled = order.permutation(Y.shape[1])
                    xp = namespace(X)
                    X = xp.take(X, index_like(shuffled, X), axis=0)
                    targets = Y[:, shuffled]
                self._run(stream, X, targets)
        return stream

    def _more(self, data, Y):
        """Return the state after more rows; that of before is left as it was."""
        with data.target.activate():
            if hasattr(self, "_stream"):
                stream = copy.deepcopy(self._stream)
            else:
                streams = spawn(self.random_state, 2)
                stream = self._begin(data.X, Y.shape[0], *streams)
            self._run(stream, data.X, Y)
        return stream

    def _store(self, stream, data):
        """Set the fitted attributes of a state."""
        offset = stream.model.n_constant
        coefficients = stream.dictionary.span.coefficients(stream.model.W[:, offset:])
        constants = stream.model.W[:, :offset].sum(axis=1)
        single = data.X.dtype == namespace(data.X).float32
        dtype = np.float32 if single else np.float64
        arrays = (stream.centers, coefficients.astype(dtype), constants.astype(dtype))
        centers, coefficients, constants = convert(arrays, data.source)
        vars(self).update(
            centers_=centers,
            dual_coef_=self._shaped(coefficients),
            intercept_=constants,
            kernel_=convert(stream.kernel, data.source),
            n_samples_seen_=stream.n_seen,
            cumulative_loss_=stream.loss,
            device_=data.target.label,
            _stream=stream,
        )

    def _shaped(self, coefficients):
        """Return coefficients (j, n_outputs) in the shape of the attribute."""
        return coefficients

    def _values(self, X, method):
        """Return the values of the functions at rows, shape (n, n_outputs)."""
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="dual_coef_", method=method
        )
        source, target = cuda.resolve(self.device, X)
        with target.activate():
            kernel, centers, coefficients, constants = convert(
                (self.kernel_, self.centers_, self.dual_coef_, self.intercept_), target
            )
            points = move(X, target)
            xp = namespace(points)
            constants = xp.astype(constants, points.dtype)
            coefficients = xp.reshape(coefficients, (-1, constants.shape[0]))
            shape = (points.shape[0], constants.shape[0])
            values = xp.broadcast_to(constants[None, :], shape)
            if centers.shape[0]:
                operator = KernelOperator(kernel, points, asarray_like(centers, points))
                values = values + operator.product(coefficients)
        return move(values, source)

    def _check_parameters(self):
        """Raise ValueError unless the parameters are in range."""
        check_shared(self)
        check_positive("alpha", self.alpha)
        check_positive("dictionary_alpha", self.dictionary_alpha, optional=True)
        check_positive("oversampling", self.oversampling, infinite=True)
        check_positive("clip", self.clip, optional=True)
        check_positive("eta", self.eta, named=("auto",))
        check_count("n_passes", self.n_passes)
        check_count("max_dictionary", self.max_dictionary, optional=True)
        loss = get_loss(self.loss)
        if loss.name not in CURVED or loss.name not in self._losses:
            raise ValueError(
                f"loss={self.loss!r} is no loss of {type(self).__name__}: use "
                f"{' or '.join(repr(name) for name in self._losses)}."
            )
        if self.clip is None and not loss.is_quadratic:
            raise ValueError(
                f"clip=None leaves the {loss.name} loss without curvature, which "
                "vanishes far from 0: give a bound on the predictions, such as 5.0."
            )


def _kernel_values(stream, X):
    """Return the kernel between the dictionary and rows, and among the rows."""
    j = stream.centers.shape[0]
    columns = X
    if j:
        xp = namespace(X)
        columns = xp.concat([asarray_like(stream.centers, X), X], axis=0)
    operator = KernelOperator(stream.kernel, X, columns, store=False)
    values = to_numpy(operator.block(slice(None), slice(None))).astype(np.float64)
    # The two triangles differ in the last digits.
    among = values[:, j:]
    return values[:, :j].T, 0.5 * (among + among.T)
