"""Short cases of :mod:`benchmarks.convex_relu`: error on rows not seen."""

import numpy as np

from benchmarks.short.race import Entry, Race

_SEEDS = 3


def _make(name):
    def make(place):
        from sklearn.model_selection import train_test_split

        from benchmarks.convex_relu import load

        X, y = load(name)
        return [
            train_test_split(
                X[:400], y[:400], test_size=0.5, stratify=y[:400], random_state=seed
            )
            for seed in range(_SEEDS)
        ]

    return make


def _mean_error(problem, models):
    """Share of wrong labels, mean of the splits."""
    parts = zip(problem, models, strict=True)
    return float(np.mean([1.0 - m.score(part[1], part[3]) for part, m in parts]))


def _convex(problem, alpha):
    from skopt2.neural_network import ConvexReLUClassifier

    return [
        ConvexReLUClassifier(alpha=alpha, n_gates=30, tol=1e-2, random_state=0).fit(
            X, y
        )
        for X, _, y, _ in problem
    ]


def _mlp(problem, setting):
    from sklearn.neural_network import MLPClassifier

    alpha, width = setting
    return [
        MLPClassifier((width,), alpha=alpha, max_iter=500, random_state=seed).fit(
            part[0], part[2]
        )
        for seed, part in enumerate(problem)
    ]


def _network(name, data, remark=""):
    return Race(
        family="convex networks",
        name=name,
        measure="wrong labels",
        margin=0.01,
        peers=("sklearn",),
        make=_make(data),
        entries={
            "skopt2": (Entry(_convex, (1e-2,)),),
            "sklearn": (
                Entry(_mlp, ((1e-2, 20), (1.0, 20), (1e-2, 100), (1.0, 100)), "MLP"),
            ),
        },
        judge=_mean_error,
        remark=remark,
    )


CONTESTS = (
    _network("moons, 200", "moons"),
    _network("breast cancer", "breast cancer"),
)
