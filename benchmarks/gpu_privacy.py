"""Private descent in the device benchmark.

Times are those of fits with noise, which is drawn where the data is. Errors are those
of the same fits without noise, in the same steps and with the same Poisson batches,
which a seed on the host draws, so that both sides end at the same point. In float32
that point is another by up to a thousandth: gradients are clipped a little below their
norm, so that rounding cannot exceed it.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.gpu_timing import Row, seconds_of
from skopt2._core.array import HOST, move, to_numpy
from skopt2.privacy import DPLogisticClassifier

# Standard deviation of the noise of a step over what a row can add to its sum.
_NOISE = 5.0


@dataclass(frozen=True)
class Labelled:
    """Rows of norm 1 at most, and labels 0, 1, ..., in host memory."""

    X: np.ndarray
    y: np.ndarray


def make_labelled(n, d, n_classes=2, seed=0):
    """Draw rows, and labels from a softmax of linear scores.

    Parameters
    ----------
    n, d, n_classes : int
        Rows, features, labels.
    seed : int, default=0
        Of everything.

    Returns
    -------
    data : Labelled
        In float64.
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    scores = X @ rng.standard_normal((d, n_classes))
    scores *= 2.0 / scores.std()
    y = np.argmax(scores + rng.gumbel(size=scores.shape), axis=1)
    X /= np.maximum(np.linalg.norm(X, axis=1, keepdims=True), np.sqrt(d))
    return Labelled(X, y)


DATA = {
    "P": lambda: make_labelled(1_000_000, 100),
    "P-softmax": lambda: make_labelled(200_000, 100, 10),
    "quick-private": lambda: make_labelled(500, 5),
    "quick-softmax": lambda: make_labelled(400, 5, 3),
}


@dataclass(frozen=True)
class Case:
    """One private fit.

    Attributes
    ----------
    name, data : str
        Names of the case and of its rows.
    batch_size : int or None
        Expected rows of a Poisson batch; None for all rows.
    n_steps : int
        Steps.
    dtype : str
        Precision on the device.
    """

    name: str
    data: str
    batch_size: int | None = None
    n_steps: int = 50
    dtype: str = "float32"


CASES = (
    Case("DP-GD P", "P"),
    Case("DP-GD P f64", "P", dtype="float64"),
    Case("DP-SGD P", "P", batch_size=20_000, n_steps=200),
    Case("DP-GD P-softmax", "P-softmax"),
)
QUICK = (
    Case("DP-GD", "quick-private", n_steps=10),
    Case("DP-GD f64", "quick-private", n_steps=10, dtype="float64"),
    Case("DP-SGD", "quick-private", batch_size=50, n_steps=10, dtype="float64"),
    Case("DP softmax", "quick-softmax", n_steps=10),
)


def _model(case, n_classes, noisy, device=None):
    """Estimator with settings that depend on no budget, with noise or without."""
    return DPLogisticClassifier(
        epsilon=np.inf,
        noise_multiplier=_NOISE if noisy else None,
        delta=1e-8,
        classes=list(range(n_classes)),
        batch_size=case.batch_size,
        max_iter=case.n_steps,
        max_grad_norm=0.5,
        learning_rate=4.0,
        # Batches are the same on both sides, and so is no noise.
        random_state=None if noisy else 0,
        device=device,
    )


def _parameters(model):
    parts = (model.coef_, model.intercept_)
    return np.concatenate([to_numpy(a).astype(np.float64).ravel() for a in parts])


def _loss(model, data, n_classes):
    """Mean logistic loss on the host, in float64."""
    W = to_numpy(model.coef_).astype(np.float64)
    scores = data.X @ W.T + to_numpy(model.intercept_).astype(np.float64)
    if n_classes == 2:
        scores = np.column_stack([np.zeros(len(scores)), scores])
    scores -= scores.max(axis=1, keepdims=True)
    right = scores[np.arange(len(data.y)), data.y]
    return float(np.mean(np.log(np.exp(scores).sum(axis=1)) - right))


def run(case, data, target, repeat):
    """Fit one case on the CPU and on the device.

    Parameters
    ----------
    case : Case
        What to fit.
    data : Labelled
        From :func:`make_labelled`.
    target : Target
        The device.
    repeat : int
        Timed fits after the first.

    Returns
    -------
    row : Row
        The figures. A step reads each of its rows once if they stay in cache between
        the two products with them, and twice if not; the rates count two.
    """
    n_classes = int(data.y.max()) + 1
    _, cpu, _ = seconds_of(
        lambda: _model(case, n_classes, True).fit(data.X, data.y), HOST, repeat
    )
    reference = _model(case, n_classes, False).fit(data.X, data.y)
    X = data.X.astype(case.dtype)
    device = None if target.kind == "numpy" else target.label
    with target.activate():
        there = move(X, target), move(data.y, target)
        first, seconds, private = seconds_of(
            lambda: _model(case, n_classes, True, device).fit(*there), target, repeat
        )
        _, from_host, _ = seconds_of(
            lambda: _model(case, n_classes, True, device).fit(X, data.y), target, 1
        )
        found = _model(case, n_classes, False, device).fit(*there)
    rate = 1.0 if case.batch_size is None else case.batch_size / len(data.y)
    passes = 2.0 * rate * case.n_steps
    outputs = 1 if n_classes == 2 else n_classes
    wanted, values = _parameters(reference), _parameters(found)
    before = _loss(reference, data, n_classes)
    return Row(
        name=case.name,
        cpu=cpu,
        device=seconds,
        first=first,
        from_host=from_host,
        bytes_rate=passes * X.nbytes / seconds,
        flop_rate=passes * 2.0 * X.size * outputs / seconds,
        error=float(np.abs(values - wanted).max() / np.abs(wanted).max()),
        objective=_loss(found, data, n_classes) / before - 1.0,
        certificate=str(private.certificate_),
    )
