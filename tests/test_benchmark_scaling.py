"""The curves of cost: slopes, points in processes of their own, pictures."""

import importlib
import json
import multiprocessing
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import scaling, scaling_point
from benchmarks.scaling_cases import CURVES
from benchmarks.scaling_figure import draw
from benchmarks.scaling_point import key, measure


def named(name):
    return next(curve for curve in CURVES if key(curve) == name)


def test_names_tell_curves_apart_and_sizes_grow():
    names = [key(curve) for curve in CURVES]
    assert len(set(names)) == len(names)
    for curve in CURVES:
        assert len(curve.sizes) >= 4
        assert np.all(np.diff(curve.sizes) > 0)


def test_exponent_is_that_of_the_upper_sizes():
    sizes = [10, 20, 40, 80, 160, 320]
    # The smallest sizes take what is there for any size.
    values = [5.0, 5.0] + [1e-3 * size**1.5 for size in sizes[2:]]
    assert scaling.exponent(sizes, values) == pytest.approx(1.5)
    assert np.isnan(scaling.exponent(sizes[:2], values[:2]))
    assert np.isnan(scaling.exponent(sizes, np.ones(6), least=1.0))


def test_a_curve_ends_at_its_slow_point():
    def measured(curve, size):
        seconds = 1e-4 * size
        return {"size": size, "seconds": seconds, "megabytes": 50, "converged": True}

    curve = replace(CURVES[0], sizes=(1000, 10_000, 120_000, 1_000_000))
    result = scaling.run(curve, measured=measured)
    assert [point["size"] for point in result["points"]] == [1000, 10_000, 120_000]
    assert result["time_exponent"] == pytest.approx(1.0)
    assert result["memory_exponent"] == pytest.approx(0.0)
    assert scaling.run(curve, measured=lambda *_: None)["points"] == []


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("sparse/MCP/p features", 60),
        ("transport/stored, share 1e-2/n = m points", 40),
        ("graphical_models/graphical lasso/p features", 10),
    ],
)
def test_points_are_of_fits_that_converge(name, size):
    point = measure(replace(named(name), sizes=(size,)), size)
    assert point["converged"] is True
    assert 0.0 < point["seconds"] < 5.0
    assert point["megabytes"] >= 0.0


class Inline:
    """The part of a context of processes that is used, in this process."""

    Pipe = staticmethod(multiprocessing.Pipe)

    def __init__(self, method):
        assert method == "forkserver"

    def set_forkserver_preload(self, names):
        assert [importlib.import_module(name) for name in names] == [scaling_point]

    def Process(self, target, args):
        self.target, self.args = target, args
        return self

    def start(self):
        try:
            self.target(*self.args)
        except ValueError:
            self.args[-1].close()

    def kill(self):
        self.target = None

    def join(self):
        assert self.target is None


def test_points_come_from_processes_and_failures_are_none(monkeypatch):
    # a new process takes seconds to import what is measured
    monkeypatch.setattr(scaling_point.multiprocessing, "get_context", Inline)
    curve = named("transport/sliced/n = m points")
    point = scaling_point.in_fresh_process(curve, 5000)
    assert point["size"] == 5000
    assert point["seconds"] > 0.0
    assert scaling_point.in_fresh_process(curve, -1) is None


def test_results_are_drawn_and_told(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    sizes = np.array([100, 200, 400, 800])
    points = [
        {
            "size": int(size),
            "seconds": 1e-4 * float(size),
            "megabytes": 10.0,
            "converged": bool(size < 800),
        }
        for size in sizes
    ]
    curves = [
        scaling.run(
            replace(curve, sizes=tuple(sizes)),
            measured=lambda _, size: points[list(sizes).index(size)],
        )
        for curve in CURVES
        if curve.family == "risk_parity"
    ]
    draw(curves, tmp_path / "one.svg")
    text = (tmp_path / "one.svg").read_text()
    assert "equal shares, exponent 1.0" in text
    assert "assets" in text
    saved = tmp_path / "scaling.json"
    other = {"family": "sparse", "points": []}
    saved.write_text(json.dumps({"environment": {}, "curves": [*curves, other]}))
    options = ["--output", str(saved), "--families", "risk_parity"]
    scaling.main([*options, "--read", "--figures", str(tmp_path)])
    told = capsys.readouterr().out
    assert told.count("^ 1.0") == len(curves) == 2
    assert "short of its tolerance" in told
    assert (tmp_path / "scaling_risk_parity.svg").exists()
    rows = (tmp_path / "scaling.csv").read_text().splitlines()
    assert len(rows) == 3
    assert rows[1].startswith(":ref:`risk_parity`,equal shares,")


def test_a_run_of_one_family_keeps_the_others(tmp_path, monkeypatch):
    for name in ("OMP", "OPENBLAS", "MKL", "BLIS"):
        monkeypatch.setenv(f"{name}_NUM_THREADS", "1")
    saved = tmp_path / "scaling.json"
    old = [{"family": "sparse"}, {"family": "risk_parity"}]
    saved.write_text(json.dumps({"environment": {}, "curves": old}))
    monkeypatch.setattr(
        scaling, "run", lambda curve, points: {**scaling_result, "family": curve.family}
    )
    scaling_result = {"label": "a", "axis": "n", "fixed": "", "points": []}
    scaling.main(["--output", str(saved), "--families", "risk_parity"])
    results = json.loads(saved.read_text())
    families = [curve["family"] for curve in results["curves"]]
    assert families == ["sparse", "risk_parity", "risk_parity"]
    assert results["environment"]["numpy"] == np.__version__
