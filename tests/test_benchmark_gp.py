"""The Gaussian process benchmark on a problem that takes no time."""

import gzip
import json

import numpy as np
import pytest
from scipy.stats import norm

from benchmarks import gp_cases, gp_worker
from benchmarks.gp_cases import Case, Problem
from benchmarks.gp_peers.base import load_peer

CASE = Case("pol", 0)


@pytest.fixture
def folder(tmp_path, rng):
    X = rng.standard_normal((120, 3))
    y = np.sin(X[:, 0]) + 0.1 * rng.standard_normal(120)
    mask = np.stack([np.arange(120) % 10 == k for k in range(2)], axis=1)
    for kind, table in (("data", np.column_stack([X, y])), ("test_mask", mask)):
        with gzip.open(tmp_path / f"uci_pol_{kind}.csv.gz", "wt") as file:
            np.savetxt(file, table.astype(float), delimiter=",")
    found = {"split": 0, "noise_scale": 0.1, "signal_scale": 1.0}
    published = {"pol": [{**found, "length_scale": [1.0, 9.0, 9.0]}]}
    path = tmp_path / "gp_published_hyperparameters.json"
    path.write_text(json.dumps(published))
    return tmp_path


@pytest.mark.parametrize("peer", ["skopt2", "sklearn"])
@pytest.mark.parametrize("fitted", [False, True])
def test_every_method_runs(folder, peer, fitted):
    gp_cases.prepare(CASE, folder, folder)
    worker = gp_worker.Worker(load_peer(peer), folder, 1)
    request = {"name": CASE.name, "fitted": fitted}
    variants = worker.variants(request)["variants"]
    assert variants
    for variant in variants:
        answer = worker.case({**request, "variant": variant})
        assert answer["rmse"] < 0.8
        assert answer["cpu"] > 0.0
        assert answer["nll"] < 1.3


def test_scores_are_those_of_normal_densities(rng):
    y, mean = rng.standard_normal((2, 30))
    variance = rng.uniform(0.5, 2.0, 30)
    problem = Problem(CASE, None, None, None, y, 1.0, 1.0, None)
    rmse, nll = problem.scores(mean, variance)
    assert rmse == pytest.approx(np.sqrt(np.mean((y - mean) ** 2)))
    assert nll == pytest.approx(-norm.logpdf(y, mean, np.sqrt(variance)).mean())
