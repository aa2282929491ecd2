"""The cases of the Gaussian process benchmark: data, splits, published figures.

``pol-k``, ``elevators-k``, ``protein-k``: split k of the UCI set of that name, 90 of
100 rows to fit, inputs and target standardised by the training part, float32. The
kernel is Matern-3/2 with a length scale for each feature, plus noise; with ``given``
hyperparameters it has those that were published with stochastic dual descent (J. A. Lin
and others, ICLR 2024), and with ``fitted`` ones it starts at ones and noise 0.1.

The published errors, of table 1 of that paper, are means over splits.
"""

import json
from dataclasses import dataclass

import numpy as np

from benchmarks.kernel_cases import read_split

N_SPLITS = 5
# RMSE and negative log likelihood of stochastic dual descent, means of the splits.
PUBLISHED = {"pol": (0.08, -1.18), "elevators": (0.35, 0.38), "protein": (0.50, 0.63)}


@dataclass(frozen=True)
class Case:
    """One split of one set.

    Attributes
    ----------
    data : str
        Name of the set.
    split : int
        Which of its fixed splits.
    """

    data: str
    split: int

    @property
    def name(self):
        """Name on the command line."""
        return f"{self.data}-{self.split}"


@dataclass(frozen=True)
class Problem:
    """What a library is asked to solve.

    Attributes
    ----------
    case : Case
        Which.
    X, X_test : ndarray of float32 of shape (n, d), (m, d)
        Inputs.
    y, y_test : ndarray of float32 of shape (n,), (m,)
        Standardised targets.
    signal, noise : float
        Published variances of the process and of the noise.
    length_scale : ndarray of shape (d,)
        Published length scales.
    """

    case: Case
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    signal: float
    noise: float
    length_scale: np.ndarray

    def scores(self, mean, variance):
        """RMSE, and mean negative log density of the test targets.

        Parameters
        ----------
        mean, variance : ndarray of shape (m,)
            Of the targets, noise included.
        """
        mean, variance = (np.asarray(a, dtype=np.float64) for a in (mean, variance))
        error = (self.y_test - mean) ** 2
        density = 0.5 * (np.log(2 * np.pi * variance) + error / variance)
        return float(np.sqrt(error.mean())), float(density.mean())


CASES = tuple(Case(data, split) for data in PUBLISHED for split in range(N_SPLITS))


def find(name):
    """Case of a name."""
    return next(case for case in CASES if case.name == name)


def prepare(case, cache, folder):
    """Write the arrays of a case to the cache unless they are there."""
    path = cache / f"gp-{case.name}.npz"
    if path.exists():
        return
    cache.mkdir(parents=True, exist_ok=True)
    X, Y, X_test, Y_test = read_split(folder, case.data, case.split)
    file = folder / "gp_published_hyperparameters.json"
    published = json.loads(file.read_text())[case.data]
    found = next(one for one in published if one["split"] == case.split)
    np.savez(
        path,
        X=X,
        y=Y[:, 0],
        X_test=X_test,
        y_test=Y_test[:, 0],
        signal=found["signal_scale"] ** 2,
        noise=found["noise_scale"] ** 2,
        length_scale=found["length_scale"],
    )


def build(case, cache):
    """Problem of a case from the cache."""
    with np.load(cache / f"gp-{case.name}.npz") as file:
        parts = {name: file[name] for name in file.files}
    signal, noise = float(parts.pop("signal")), float(parts.pop("noise"))
    return Problem(case, signal=signal, noise=noise, **parts)
