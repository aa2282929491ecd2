"""Private centring beside public bounds: the table of the user guide.

Run from the root of the repository::

    python -m benchmarks.privacy_center --splits 20

Test accuracy of ``DPLogisticClassifier`` with its defaults on four inputs: features
mapped to [0, 1] by the range of the whole set, divided by the root of their number and
given without bounds, or as they come with that range as ``bounds``; each with a private
centre and without. Seeds of splits and of noise are the number of the split.
"""

import argparse
import statistics
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.model_selection import train_test_split

from skopt2.privacy import DPLogisticClassifier, PrivacyLeakWarning

SETS = {
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
    "wine": load_wine,
}
DELTA = 1e-5


def scores(name, epsilon, *, bounded, private, n_splits):
    """Return the accuracies of all splits.

    Parameters
    ----------
    name : str
        Data set.
    epsilon : float
        Budget of each fit.
    bounded : bool
        Whether the model gets the bounds, or rows in [0, 1].
    private : bool
        Whether it finds a private centre.
    n_splits : int
        How many.

    Returns
    -------
    scores : list of float
        One for each split.
    """
    X, y = SETS[name](return_X_y=True)
    low, high = X.min(axis=0), X.max(axis=0)
    high = np.where(high > low, high, low + 1)
    if not bounded:
        X = (X - low) / (high - low) / np.sqrt(X.shape[1])
    public = "midpoint" if bounded else None
    found = []
    for seed in range(n_splits):
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, test_size=0.2, stratify=y, random_state=seed
        )
        model = DPLogisticClassifier(
            epsilon,
            delta=DELTA,
            classes=np.unique(y),
            bounds=(low, high) if bounded else None,
            center="private" if private else public,
            random_state=seed,
        )
        found.append(model.fit(X_train, y_train).score(X_test, y_test))
    return found


def main(argv=None):
    """Print one line for each data set and input."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.privacy_center", description=__doc__
    )
    parser.add_argument("--data", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument(
        "--epsilon", nargs="+", type=float, default=[0.5, 1.0, 2.0, 4.0, 8.0]
    )
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore", PrivacyLeakWarning)
    print(f"{'data':15}{'input':9}{'centre':9}", *options.epsilon, sep="  ")
    for name in options.data:
        for bounded in (False, True):
            for private in (False, True):
                means = [
                    statistics.fmean(
                        scores(
                            name,
                            epsilon,
                            bounded=bounded,
                            private=private,
                            n_splits=options.splits,
                        )
                    )
                    for epsilon in options.epsilon
                ]
                given = "middle" if bounded else "[0, 1]"
                centre = "private" if private else "public"
                line = "  ".join(f"{mean:.3f}" for mean in means)
                print(f"{name:15}{given:9}{centre:9}  {line}", flush=True)


if __name__ == "__main__":
    main()
