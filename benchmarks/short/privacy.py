"""Short cases of :mod:`benchmarks.privacy`: error at equal budgets, and seconds."""

from dataclasses import dataclass

import numpy as np

from benchmarks.privacy_cases import find, prepare
from benchmarks.short.contest import Contest, Outcome, choose

# Noise of runs that are shown is not that by which peers' settings were chosen.
_DRAW = 200_000


@dataclass(frozen=True, kw_only=True)
class PrivateContest(Contest):
    """A contest whose libraries have adapters in :mod:`benchmarks.privacy_peers`.

    Attributes
    ----------
    case : str
        Of :data:`benchmarks.privacy_cases.CASES`.
    epsilon : float
        The budget.
    splits : int
        Splits of the data that errors are means of.
    """

    case: str
    epsilon: float
    splits: int = 4

    def enter(self, library, place):
        """Fit every method of the library to the splits."""
        from benchmarks.privacy_peers.base import load_peer
        from benchmarks.privacy_worker import Worker

        case = find(self.case)
        prepare(case, place.cache, place.data, self.splits)
        peer = load_peer(library)
        worker, outcomes = Worker(peer, place.cache, 1), []
        for variant in peer.variants(case, self.epsilon):
            if variant.startswith("batch") or "usual" in variant:
                continue
            request = {"name": case.name, "epsilon": self.epsilon, "variant": variant}
            request["repeat"] = 3 if case.kind == "regression" else 1
            answers = [
                worker.fit({**request, "split": split, "draw": _DRAW})
                for split in range(self.splits)
            ]
            seconds = [answer["cpu"] for answer in answers]
            # A regression of a small budget fails altogether now and then.
            centre = np.median if case.kind == "regression" else np.mean
            error = 1.0 - float(centre([answer["score"] for answer in answers]))
            outcomes.append(
                Outcome(library, min(seconds), error, seconds[0], setting=variant)
            )
        if not outcomes:
            return Outcome(library, error="does not have the model")
        return choose(self, outcomes)


def _contest(name, case, epsilon, peers, measure="wrong labels", **options):
    return PrivateContest(
        family="private learning",
        name=name,
        case=case,
        epsilon=epsilon,
        measure=measure,
        margin=0.01,
        peers=peers,
        **options,
    )


_BOTH = "diffprivlib", "opacus"

_SPEED = (
    "One smooth problem with noise in its objective, solved once by diffprivlib; here "
    "noisy steps pass over the rows many times."
)

CONTESTS = (
    _contest("digits, epsilon 1", "accuracy-digits", 1.0, _BOTH),
    _contest("breast cancer, epsilon 0.5", "accuracy-breast_cancer", 0.5, _BOTH),
    _contest(
        "regression, epsilon 1",
        "regression-generated",
        1.0,
        ("diffprivlib",),
        "1 - R2",
    ),
    _contest("100000 x 100, epsilon 1", "speed", 1.0, _BOTH, splits=1, remark=_SPEED),
)
