"""abess: best subset selection by splicing, for the l0 case only.

abess takes the number of features, not a penalty; it gets the size of the case, with
and without its screening of the most correlated features.
"""

from abess import LinearRegression

from benchmarks.peers.base import Peer


class AbessPeer(Peer):
    """Adapter of abess."""

    name = "abess"
    models = ("l0",)

    def variants(self, problem):
        return ("plain", "covariance") if problem.model == "l0" else ()

    def ladder(self, problem, targets):
        return (0.0,)

    def solve(self, problem, variant, tol):
        model = LinearRegression(
            support_size=problem.support,
            fit_intercept=False,
            covariance_update=variant == "covariance",
            thread=problem.n_threads,
        )
        # is_normal would center: the case has no intercept
        model.fit(problem.X, problem.y, is_normal=False)
        return model.coef_[None]


ADAPTER = AbessPeer()
