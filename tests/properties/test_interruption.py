"""A fit that was interrupted at any check goes on to what the whole fit finds."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skopt2.callbacks import Checkpoint
from skopt2.callbacks.checkpoint_file import read_checkpoint
from skopt2.gaussian_process import CoresetGPRegressor
from skopt2.kernel_machine import EigenProClassifier, EigenProRegressor
from skopt2.linear_model import SparseRegressor
from skopt2.transport import SinkhornTransport
from tests.callbacks.test_checkpoint import Interrupt
from tests.properties.estimators import CASES, Case, classification, regression
from tests.properties.estimators import two_clouds as clouds
from tests.properties.fitted import assert_same_fit

# Fits of one iteration in the table, with more of them here.
LONGER = [
    Case(CoresetGPRegressor(n_coreset=6, max_iter=300, random_state=0), regression),
    Case(EigenProRegressor(solver="eigenpro", random_state=0), regression),
    Case(EigenProClassifier(solver="sap", random_state=0), classification),
    Case(SparseRegressor("huber", "scad", alpha=0.02, solver="ag"), regression),
    Case(SinkhornTransport(0.02, solver="sinkhorn"), clouds),
]
# Fits of folds, grids and pairs have no iterations of their own, streamed and direct
# ones have a single one, and private ones may not be saved.
WITHOUT = (
    "CV",
    "Coreset",
    "DP",
    "EigenPro",
    "GaussianProcess",
    "GraphLabel",
    "KernelNewton",
    "KernelThinning",
    "MirrorSinkhorn",
    "ReferenceTransport",
    "SparseClassifier",
    "SparseRegressor",
    "Sparsemax",
    "WassersteinKMeans",
)
TIGHT = {"tol": 1e-13}
FITS = [
    (case, TIGHT if "tol" in case.parameters else {})
    for case in CASES
    if not any(word in case.name for word in WITHOUT)
    or case.name.startswith(("SketchedRidge", "HyperGradient"))
] + [(case, {}) for case in LONGER]
# The error of a converged fit is what is left of its certificate: rounding.
NOISE = ("marginal_error_", "dual_gap_", "displacement_", "n_iter_")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def fit(case, changes, *callbacks):
    """Fit a case in silence; private ones and short ones warn."""
    estimator = case.fresh(**changes)
    if callbacks:
        estimator.set_callbacks(*callbacks)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return case.data().fit(estimator)


def interrupted(case, changes, path, at):
    """Whether a fit was interrupted after that many checks, its state saved."""
    try:
        fit(case, changes, Checkpoint(path, min_seconds=0), Interrupt(at))
    except KeyboardInterrupt:
        return True
    return False


@pytest.mark.parametrize(("case", "changes"), FITS, ids=[case.name for case, _ in FITS])
@given(place=st.floats(0.0, 1.0))
def test_interrupted_anywhere(case, changes, place):
    whole = fit(case, changes)
    checks = len(whole.history_["certificate"])
    assert checks > 1
    at = 1 + int(place * (checks - 1) * 0.999)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fit.npz")
        assert interrupted(case, changes, path, at)
        assert len(read_checkpoint(path).history["certificate"]) == at
        rest = fit(case, changes, Checkpoint(path))
    assert rest.stop_reason_ == whole.stop_reason_
    assert len(rest.history_["certificate"]) >= at
    # tol bounds a gap, which is quadratic in the error.
    assert_same_fit(whole, rest, atol=1e-6, ignore=NOISE)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The file of an interrupted fit."""
    path = tmp_path_factory.mktemp("saved") / "fit.npz"
    assert interrupted(*FITS[0], path, 2)
    return path.read_bytes()


@given(place=st.floats(0.0, 1.0), kind=st.sampled_from(["cut", "flip", "zero"]))
def test_a_spoilt_file_is_refused(saved, place, kind):
    """It never ends in another error, and never in another answer."""
    case, changes = FITS[0]
    at = int(place * (len(saved) - 1))
    if kind == "cut":
        spoilt = saved[:at]
    elif kind == "flip":
        spoilt = saved[:at] + bytes([saved[at] ^ 0x15]) + saved[at + 1 :]
    else:
        spoilt = saved[:at] + bytes(min(40, len(saved) - at)) + saved[at + 40 :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fit.npz")
        path.write_bytes(spoilt)
        # Bytes that no reader looks at, such as the times of the archive, are no error.
        refused = contextlib.nullcontext()
        try:
            read_checkpoint(path)
        except ValueError:
            refused = pytest.raises(ValueError, match=r"checkpoint.*mismatch='overwr")
        with refused:
            rest = fit(case, changes, Checkpoint(path))
            assert_same_fit(fit(case, changes), rest, atol=1e-6, ignore=NOISE)
        anew = fit(case, changes, Checkpoint(path, mismatch="overwrite"))
        assert_same_fit(fit(case, changes), anew, atol=1e-6, ignore=NOISE)


def test_a_file_of_another_problem_is_refused(saved, tmp_path):
    path = tmp_path / "fit.npz"
    case, changes = FITS[0]
    for other in (
        replace(case, make=lambda rng: FITS[0][0].make(np.random.default_rng(9))),
        replace(case, estimator=case.fresh(alpha=0.2)),
    ):
        path.write_bytes(saved)
        with pytest.raises(ValueError, match="belongs to another problem"):
            fit(other, changes, Checkpoint(path))
    with pytest.raises(ValueError, match="was written by SparseInverseCovariance"):
        fit(LONGER[3], {}, Checkpoint(path))


KILLED = """
import os, signal, sys
import numpy as np
sys.path.insert(0, {root!r})
from skopt2.callbacks import Checkpoint
from tests.properties.test_interruption import LONGER, fit

class Kill:
    def setup(self, estimator, context): pass
    def teardown(self, estimator, context): pass
    def on_fit_task_end(self, estimator, context): pass
    def on_fit_task_begin(self, estimator, context):
        if context.parent is not None and context.task_id == {at}:
            os.kill(os.getpid(), signal.SIGKILL)

fit(LONGER[{number}], {{}}, Checkpoint({path!r}, min_seconds=0), Kill())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize(("number", "at"), [(3, 3), (4, 2)])
def test_a_killed_process(tmp_path, number, at):
    path = str(tmp_path / "fit.npz")
    root = str(Path(__file__).parents[2])
    code = textwrap.dedent(KILLED).format(root=root, at=at, number=number, path=path)
    environment = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert len(read_checkpoint(path).history["certificate"]) == at
    rest = fit(LONGER[number], {}, Checkpoint(path))
    assert_same_fit(fit(LONGER[number], {}), rest, atol=1e-9, ignore=NOISE)
