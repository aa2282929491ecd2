"""DPScaler: what it finds, what it spends, and that it keeps nothing else."""

import math
import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skopt2.privacy import (
    BudgetError,
    DPLogisticClassifier,
    DPScaler,
    PrivacyAccountant,
    PrivacyLeakWarning,
)
from skopt2.solvers.privacy.accounting import epsilon_of
from skopt2.solvers.privacy.gaussian import gaussian_mu
from skopt2.solvers.privacy.private_center import radius_edges


class Purse:
    """An accountant that counts, and can refuse."""

    def __init__(self, empty=False):
        self.spent = []
        self.empty = empty

    def __sklearn_clone__(self):
        return self

    def spend(self, events, label=""):
        if self.empty:
            raise RuntimeError("nothing left")
        self.spent.append((label, tuple(events)))


class Unread(np.ndarray):
    """Rows that must not be read."""

    def __array_ufunc__(self, *args, **kwargs):
        raise AssertionError("the rows were read")


@pytest.fixture
def rows(rng):
    return 0.4 + 0.05 * rng.standard_normal((4000, 3))


def test_centre_and_radius_without_noise(rows):
    scaler = DPScaler(math.inf).fit(rows)
    center = rows.mean(axis=0)
    assert_allclose(scaler.center_, center)
    distance = np.median(np.linalg.norm(rows - center, axis=1))
    edges = radius_edges(1.0)
    assert scaler.radius_ == edges[edges > distance][0]
    assert_array_equal(scaler.scale_, np.full(3, scaler.radius_))
    assert scaler.privacy_.epsilon == math.inf


def test_with_noise_it_is_near(rows):
    exact = DPScaler(math.inf).fit(rows)
    noisy = DPScaler(1.0, delta=1e-5).fit(rows)
    mean = noisy.privacy_.events[0]
    assert np.abs(noisy.center_ - exact.center_).max() < 5 * mean.noise_multiplier / 4e3
    assert (noisy.center_ != exact.center_).all()
    assert noisy.radius_ == exact.radius_


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_transform_and_back(rows, dtype):
    X = rows.astype(dtype)
    scaler = DPScaler(1.0).fit(X)
    Z = scaler.transform(X)
    assert Z.dtype == dtype
    assert_allclose(Z, (X - scaler.center_) / scaler.scale_, rtol=1e-6)
    assert_allclose(scaler.inverse_transform(Z), X, rtol=1e-5)
    assert 0.7 < np.median(np.linalg.norm(Z, axis=1)) < 1.0


def test_bounds_give_each_feature_its_scale(rng):
    X = rng.uniform([0, -50, 1e4], [1, 50, 1e4 + 1], (2000, 3))
    low, high = np.array([0, -50, 1e4]), np.array([1, 50, 1e4 + 1])
    scaler = DPScaler(math.inf, bounds=(low, high)).fit(X)
    Z = (2 * (X - low) / (high - low) - 1) / math.sqrt(3)
    expected = (Z - Z.mean(axis=0)) / scaler.radius_
    assert_allclose(scaler.transform(X), expected, atol=1e-7)
    # Values beyond the bounds are clipped in the fit alone.
    far = X.copy()
    far[0] = 1e6
    again = DPScaler(math.inf, bounds=(low, high)).fit(far)
    assert np.abs(again.center_ - scaler.center_).max() < 0.1
    assert np.isfinite(again.transform(far)).all()


@pytest.mark.parametrize("relation", ["zero_out", "replace_one"])
@pytest.mark.parametrize(
    ("centering", "scaling"), [(True, True), (True, False), (False, True)]
)
def test_whole_budget_is_spent_and_no_more(rows, relation, centering, scaling):
    scaler = DPScaler(
        0.8,
        delta=1e-6,
        with_centering=centering,
        with_scaling=scaling,
        relation=relation,
    ).fit(rows)
    record = scaler.privacy_
    assert len(record.events) == centering + scaling
    squared = sum(event.squared_mu for event in record.events)
    assert_allclose(math.sqrt(squared), gaussian_mu(0.8, 1e-6))
    assert 0.79999 < epsilon_of(record.events, 1e-6) <= 0.8
    assert (record.epsilon, record.delta, record.relation) == (0.8, 1e-6, relation)
    assert (scaler.center_ != 0).all() == centering
    assert (scaler.radius_ != 1.0) == scaling


def test_neither_centre_nor_radius_costs_nothing(rows):
    purse = Purse()
    scaler = DPScaler(
        bounds=(0, 2), with_centering=False, with_scaling=False, accountant=purse
    ).fit(rows)
    assert scaler.privacy_.epsilon == 0.0
    assert purse.spent == [("DPScaler", ())]
    assert_allclose(scaler.transform(rows), (rows - 1) / math.sqrt(3))


def test_noise_multiplier_of_both_together(rows):
    scaler = DPScaler(noise_multiplier=12.0).fit(rows)
    squared = sum(event.squared_mu for event in scaler.privacy_.events)
    assert_allclose(squared, 12.0**-2)
    assert scaler.privacy_.noise_multiplier == pytest.approx(12.0)
    expected = epsilon_of(scaler.privacy_.events, scaler.privacy_.delta)
    assert scaler.privacy_.epsilon == expected


def test_spending_comes_before_reading():
    rows = np.ones((20, 2)).view(Unread)
    for epsilon in (1.0, math.inf):
        scaler = DPScaler(epsilon, accountant=Purse(empty=True))
        with pytest.raises(RuntimeError, match="nothing left"):
            scaler.fit(rows)
        assert not hasattr(scaler, "center_")


def test_no_noise_is_charged_as_such(rows):
    purse = Purse()
    DPScaler(math.inf, accountant=purse).fit(rows)
    ((_, events),) = purse.spent
    assert epsilon_of(events, 1e-5) == math.inf


def test_pipeline_spends_twice_and_learns(rng):
    y = rng.integers(0, 2, 3000)
    X = 0.5 + 0.02 * rng.standard_normal((3000, 2)) + 0.04 * y[:, None]
    purse = Purse()
    model = make_pipeline(
        DPScaler(0.5, accountant=purse),
        DPLogisticClassifier(1.0, classes=[0, 1], accountant=purse),
    )
    assert model.fit(X, y).score(X, y) > 0.85
    assert [label for label, _ in purse.spent] == ["DPScaler", "DPLogisticClassifier"]
    copy = clone(model)
    copy.fit(X, y)
    assert len(purse.spent) == 4
    plain = DPLogisticClassifier(1.5, classes=[0, 1]).fit(X, y)
    assert plain.score(X, y) < model.score(X, y)


def test_budget_of_an_accountant_is_composed_and_kept(rows):
    accountant = PrivacyAccountant(1.0, delta=1e-5)
    pipeline = make_pipeline(
        DPScaler(0.4, delta=1e-5, accountant=accountant),
        DPScaler(0.4, delta=1e-5, accountant=accountant),
    )
    pipeline.fit(rows)
    epsilon, _ = accountant.total()
    # Two of 0.4 cost 0.4 sqrt(2) and a little more, not 0.8.
    assert 0.4 * math.sqrt(2) < epsilon < 0.7
    before = pipeline[1].center_
    with pytest.raises(BudgetError):
        pipeline[1].set_params(epsilon=1.0).fit(rows)
    assert accountant.total() == (epsilon, 1e-5)
    assert pipeline[1].center_ is before


def test_rows_that_are_not_finite_count_as_nothing_and_pass(rows):
    X = rows.copy()
    X[0, 0], X[1, 2], X[2] = np.nan, np.inf, 1e300
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaler = DPScaler(math.inf).fit(X)
        Z = scaler.transform(X)
    assert_allclose(scaler.center_, rows[3:].sum(axis=0) / 4000)
    assert np.isnan(Z[0, 0])
    assert np.isinf(Z[1, 2])
    assert_allclose(Z[3:], (rows[3:] - scaler.center_) / scaler.scale_)


def test_names_and_frames(rows):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows, columns=["a", "b", "c"])
    scaler = DPScaler().set_output(transform="pandas").fit(frame)
    assert scaler.get_feature_names_out().tolist() == ["a", "b", "c"]
    out = scaler.transform(frame)
    assert list(out.columns) == ["a", "b", "c"]
    assert_allclose(out.to_numpy(), (rows - scaler.center_) / scaler.scale_)


def test_chunks_give_the_same_scaler(rows):
    da = pytest.importorskip("dask.array")
    scaler = DPScaler(1.0, random_state=0)
    found = []
    chunks = [(rows[:1000], None), (rows[1000:1003], None), (rows[1003:], None)]
    for X in (rows, da.from_array(rows, chunks=(900, 3)), iter(chunks)):
        with pytest.warns(PrivacyLeakWarning, match="random_state=0"):
            found.append(clone(scaler).fit(X))
    for other in found[1:]:
        assert_allclose(other.center_, found[0].center_, rtol=1e-9)
        assert other.radius_ == found[0].radius_


@pytest.mark.usefixtures("cuda_stand_in")
def test_device(rows):
    found = []
    for device in ("cpu", "cuda"):
        with pytest.warns(PrivacyLeakWarning):
            found.append(DPScaler(5.0, random_state=0, device=device).fit(rows))
    assert found[1].device_ == "cuda:0"
    assert type(found[1].center_) is np.ndarray
    assert found[1].radius_ == found[0].radius_
    assert np.abs(found[1].center_ - found[0].center_).max() < 0.01


def test_array_api(rows, backend, dispatch):
    X = backend.asarray(rows)
    scaler = DPScaler(math.inf).fit(X)
    host = DPScaler(math.inf).fit(rows)
    Z = scaler.transform(X)
    assert type(scaler.center_) is type(X)
    assert_allclose(backend.to_numpy(Z), host.transform(rows), rtol=1e-10)
    back = scaler.inverse_transform(Z)
    assert_allclose(backend.to_numpy(back), rows, rtol=1e-10)


def test_noise_is_new_in_every_fit(rows):
    scaler = DPScaler()
    assert (scaler.fit(rows).center_ != clone(scaler).fit(rows).center_).all()


def test_only_released_numbers_are_kept(rows):
    scaler = DPScaler().fit(rows)
    fitted = {name for name in vars(scaler) if name.endswith("_")}
    assert fitted == {
        "center_",
        "scale_",
        "radius_",
        "privacy_",
        "n_features_in_",
        "device_",
    }
    assert len(pickle.dumps(scaler)) < 3000


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epsilon": 0.0}, "epsilon must be a positive number"),
        ({"epsilon": "1"}, "epsilon must be a positive number"),
        ({"delta": 1.0}, r"delta must be a number in \(0, 1\) or None"),
        ({"noise_multiplier": -1.0}, "noise_multiplier must be a positive number"),
        ({"feature_norm": 0.0}, "feature_norm must be a positive number"),
        ({"bounds": (1, 0)}, "bounds must have low below high"),
        ({"relation": "add"}, "relation must be one of"),
        ({"noise": "laplace"}, "noise must be one of"),
    ],
)
def test_bad_parameters(rows, parameters, message):
    with pytest.raises(ValueError, match=message):
        DPScaler(**parameters).fit(rows)


def test_sparse_rows_are_refused(rows):
    with pytest.raises(TypeError, match="[Ss]parse"):
        DPScaler().fit(sparse.csr_array(rows))
