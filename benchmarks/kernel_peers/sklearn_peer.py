"""scikit-learn: kernel ridge regression, support vectors, and Nystrom features.

``KernelRidge`` and the support vector machines get the same Laplacian kernel as a
function; libsvm's own Gaussian kernel is timed too, with the length scale that is best
for its error on these data.
"""

import numpy as np
import sklearn
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC, SVR

from benchmarks.kernel_peers.base import Peer

_MOST = 15_000


def _laplacian(length_scale):
    def kernel(A, B):
        squares = (A * A).sum(axis=1)[:, None] - 2.0 * (A @ B.T) + (B * B).sum(axis=1)
        return np.exp(-np.sqrt(np.maximum(squares, 0.0)) / length_scale)

    return kernel


class SklearnPeer(Peer):
    """Adapter of scikit-learn."""

    version = sklearn.__version__

    def variants(self, problem):
        few = problem.X.shape[0] <= _MOST
        return ("krr", "svm") if few else ("svm",)

    def budgets(self, variant):
        return (None,) if variant == "krr" else (0.5, 1.0, 2.0)

    def fit(self, problem, variant, budget):
        if variant == "krr":
            kernel = _laplacian(problem.case.length_scale)
            model = KernelRidge(alpha=problem.case.alpha, kernel="precomputed")
            model.fit(kernel(problem.X, problem.X), problem.Y)
            return (lambda X: model.predict(kernel(X, problem.X))), ""
        gamma = 0.5 / (budget * problem.case.length_scale) ** 2
        if problem.case.labels:
            model = SVC(C=10.0, gamma=gamma, cache_size=2000)
            model.fit(problem.X, problem.Y.argmax(axis=1))
            columns = np.arange(problem.Y.shape[1])
            return (
                lambda X: (model.predict(X)[:, None] == columns).astype(float)
            ), f"gamma={gamma:.2g}"
        model = SVR(C=1.0, gamma=gamma, cache_size=2000)
        model.fit(problem.X, problem.Y[:, 0])
        return (lambda X: model.predict(X)[:, None]), f"gamma={gamma:.2g}"


ADAPTER = SklearnPeer()
