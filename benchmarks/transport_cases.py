"""The cases of the optimal transport benchmark.

Every problem is entropic and balanced::

    min <P, C> + reg * sum P (log P - 1)   over P >= 0, P 1 = a, P'1 = b

with the cost divided by its maximum, so that ``reg`` means the same in every case:

- ``u<d>-<n>-<reg>``: n points on each side, uniform in [0, 1]^d, squared Euclidean
  cost, uniform weights. Two dimensions give a plan of overlapping bands; in ten the
  plan falls apart into nearly separate pieces when ``reg`` is small, which is where
  the rate of Sinkhorn's iteration tends to one;
- ``lap-u``, ``lap-n``: assignment, independent uniform or absolute normal costs;
- ``digits-*``: two digits of scikit-learn scaled up to 28 x 28 pixels, ``mnist-*``
  two test images of MNIST, each plus 0.01 of its peak, squared Euclidean or L1
  distance between pixels;
- ``cloud-<n>``: points in three dimensions whose cost matrix nobody should hold. Its
  cost is divided by a bound of the maximum, d.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.distance import cdist

from benchmarks.sparse_data import REAL_FILES, read_idx

SEED = 0
_SIDE = 28
_FLOOR = 0.01


@dataclass(frozen=True)
class Case:
    """One row group of the table.

    Attributes
    ----------
    name : str
        Name used on the command line.
    kind : {"uniform", "lap", "image", "cloud"}
        Where the marginals and costs come from.
    n : int
        Points on each side.
    reg : float
        Regularisation, in units of the largest cost.
    d : int
        Dimension of the points.
    source : str
        Distribution of the costs of ``"lap"``, images of ``"image"``.
    metric : {"sqeuclidean", "cityblock"}
        Cost between points.
    targets : tuple of float
        L1 errors of both marginals to reach, loosest first.
    needs : {None, "data", "long"}
        Run only with ``--data`` or only with ``--long``.
    patience : float
        Multiplies the seconds of a run to give up after.
    """

    name: str
    kind: str
    n: int
    reg: float
    d: int = 2
    source: str = ""
    metric: str = "sqeuclidean"
    targets: tuple = (1e-6, 1e-9)
    needs: str | None = None
    patience: float = 1.0


@dataclass(frozen=True)
class Problem:
    """What a library is asked to solve.

    Attributes
    ----------
    name : str
        Name of the case.
    a, b : ndarray of shape (n,), (m,)
        Marginals, positive, each of sum one.
    reg : float
        Regularisation in the unit of the cost.
    C : ndarray of shape (n, m), or None
        Cost. None where a library is to compute it from the points.
    X, Y : ndarray of shape (n, d), (m, d), or None
        Points, scaled so that ``metric`` between them is the cost.
    metric : str
        Name of the cost in SciPy.
    """

    name: str
    a: np.ndarray
    b: np.ndarray
    reg: float
    C: np.ndarray | None = None
    X: np.ndarray | None = None
    Y: np.ndarray | None = None
    metric: str = "sqeuclidean"


def _uniform(d, n, reg):
    return Case(f"u{d}-{n}-{reg}", "uniform", n, float(reg), d=d)


def _cloud(n, **options):
    return Case(f"cloud-{n}", "cloud", n, 3e-2, d=3, targets=(1e-3,), **options)


_REGS = ("1e-2", "1e-3", "5e-4")
_PIXELS = _SIDE * _SIDE
_ETA = 1.0 / 1200.0

CASES = (
    _uniform(2, 100, "1e-1"),
    _uniform(10, 100, "1e-1"),
    *(_uniform(d, n, reg) for n in (1000, 2000) for d in (2, 10) for reg in _REGS),
    *(_uniform(d, 1000, reg) for d in (2, 10) for reg in ("1e-4", "1e-5")),
    Case("lap-u", "lap", 500, _ETA, source="uniform"),
    Case("lap-n", "lap", 500, _ETA, source="normal"),
    Case("digits-l2", "image", _PIXELS, _ETA, source="digits"),
    Case("digits-l1", "image", _PIXELS, _ETA, source="digits", metric="cityblock"),
    Case("mnist-l2", "image", _PIXELS, _ETA, source="mnist", needs="data"),
    Case(
        "mnist-l1",
        "image",
        _PIXELS,
        _ETA,
        source="mnist",
        metric="cityblock",
        needs="data",
    ),
    _cloud(20_000, patience=5.0),
    _cloud(100_000, needs="long", patience=50.0),
)

# measured apart: what a fresh process pays, and its memory
COLD = Case("cold", "uniform", 1000, 1e-2, targets=(1e-6,))
MEMORY = Case("memory", "cloud", 20_000, 1e-2, d=2, targets=(1e-6,))


def find(name):
    """Case of a name."""
    return next(case for case in (*CASES, COLD, MEMORY) if case.name == name)


def _digits():
    """First 0 and first 1 of scikit-learn's digits, at the size of MNIST."""
    from sklearn.datasets import load_digits

    images = load_digits().images[:2]
    zoom = _SIDE / images.shape[1]
    return [ndimage.zoom(image, zoom, order=1) for image in images]


def _images(source, folder):
    if source == "digits":
        return _digits()
    return list(read_idx(folder / REAL_FILES["mnist"])[:2].astype(float))


def _marginals(images):
    """One histogram an image, every pixel with some mass."""
    weights = [image.ravel() / image.max() + _FLOOR for image in images]
    return [weight / weight.sum() for weight in weights]


def _arrays(case, folder):
    """What is written to the cache, by name of a field of :class:`Problem`."""
    n = case.n
    rng = np.random.default_rng(SEED)
    if case.kind == "image":
        a, b = _marginals(_images(case.source, folder))
        grid = np.indices((_SIDE, _SIDE)).reshape(2, -1).T.astype(float)
        return {"a": a, "b": b, "X": grid, "Y": grid}
    a = np.full(n, 1.0 / n)
    if case.kind == "lap":
        C = rng.random((n, n)) if case.source == "uniform" else None
        C = np.abs(rng.standard_normal((n, n))) if C is None else C
        return {"a": a, "b": a, "C": C / C.max()}
    return {"a": a, "b": a, "X": rng.random((n, case.d)), "Y": rng.random((n, case.d))}


def prepare(case, cache, folder=None):
    """Write the data of a case to the cache unless they are there."""
    path = cache / f"transport-{case.name}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(path, **_arrays(case, folder))


def build(case, cache):
    """Problem of a case from the cache."""
    with np.load(cache / f"transport-{case.name}.npz") as file:
        arrays = dict(file)
    if case.kind != "lap":
        scale = float(case.d)
        if case.kind != "cloud":
            arrays["C"] = cdist(arrays["X"], arrays["Y"], case.metric)
            scale = arrays["C"].max()
            arrays["C"] /= scale
        root = scale if case.metric == "cityblock" else np.sqrt(scale)
        arrays["X"], arrays["Y"] = arrays["X"] / root, arrays["Y"] / root
    return Problem(name=case.name, reg=case.reg, metric=case.metric, **arrays)
