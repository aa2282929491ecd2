"""The GPU benchmark, run on the host against itself."""

import json

import numpy as np
import pytest

from benchmarks import gpu, gpu_kernel, gpu_privacy, gpu_sparse
from skopt2._core import cuda


def test_small_cases_on_the_host(tmp_path, capsys):
    report = tmp_path / "gpu.json"
    assert gpu.main(["--quick", "--device", "cpu", "--json", str(report)]) == 0
    told = capsys.readouterr().out
    found = json.loads(report.read_text())
    assert set(found["ceilings"]) == {"copy", "float64", "float32"}
    assert min(found["ceilings"].values()) > 0
    assert [row["name"] for row in found["rows"]] == [case.name for case in gpu.QUICK]
    for row, case in zip(found["rows"], gpu.QUICK, strict=True):
        assert row["name"] in told
        assert min(row[key] for key in ("cpu", "device", "first", "from_host")) > 0
        assert row["bytes_rate"] > 0
        assert row["flop_rate"] > 0
        # The host agrees with itself, in float32 up to its rounding, for which private
        # sums leave room.
        room = 10.0 if isinstance(case, gpu_privacy.Case) else 1.0
        single = room if case.dtype == "float32" else 0.0
        assert row["error"] <= 1e-4 * single
        assert abs(row["objective"]) <= 1e-5 * single
        if isinstance(case, gpu_sparse.Case):
            assert "gap" in row["certificate"]
        elif isinstance(case, gpu_privacy.Case):
            assert "epsilon" in row["certificate"]
        elif case.solver is not None:
            assert "residual" in row["certificate"] or "grad" in row["certificate"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("case", gpu_kernel.QUICK, ids=lambda case: case.name)
def test_kernel_cases_on_another_device(cuda_stand_in, case):
    data = gpu_kernel.DATA[case.data]()
    row = gpu_kernel.run(case, data, cuda.cuda_target(), 1)
    assert row.error < 1e-4
    assert abs(row.objective) < 1e-5
    assert min(row.cpu, row.device, row.first, row.from_host, row.flop_rate) > 0


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", gpu_privacy.QUICK, ids=lambda case: case.name)
def test_private_cases_on_another_device(cuda_stand_in, case):
    data = gpu_privacy.DATA[case.data]()
    assert np.linalg.norm(data.X, axis=1).max() <= 1.0 + 1e-12
    row = gpu_privacy.run(case, data, cuda.cuda_target(), 1)
    # Without noise, with the same batches: the same model.
    assert row.error < (1e-3 if case.dtype == "float32" else 1e-12)
    assert abs(row.objective) < (1e-4 if case.dtype == "float32" else 1e-12)
    assert min(row.cpu, row.device, row.first, row.from_host, row.flop_rate) > 0


def test_full_cases_have_data():
    for module in (gpu_sparse, gpu_kernel, gpu_privacy):
        assert {case.data for case in module.CASES} <= set(module.DATA)
    assert len({case.name for case in gpu.CASES}) == len(gpu.CASES)


def test_without_a_device(monkeypatch, capsys):
    monkeypatch.setattr(cuda.provider, "problem", "CuPy is not installed", False)
    assert gpu.main(["--quick"]) == 2
    assert "CuPy is not installed" in capsys.readouterr().err


def test_a_case_by_its_name(tmp_path, capsys):
    report = tmp_path / "gpu.json"
    command = ["--quick", "--device", "cpu", "--cases", "ag", "--json", str(report)]
    assert gpu.main(command) == 0
    assert [row["name"] for row in json.loads(report.read_text())["rows"]] == ["ag"]
    assert capsys.readouterr().out.count("\n") == 4


@pytest.mark.gpu
def test_small_cases_on_a_device(tmp_path):
    report = tmp_path / "gpu.json"
    assert gpu.main(["--quick", "--json", str(report)]) == 0
    for row in json.loads(report.read_text())["rows"]:
        assert row["error"] < 1e-3
