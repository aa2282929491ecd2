"""What a private model, its pickle, its errors and warnings may tell: nothing."""

import pickle
import struct
import warnings

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor

import skopt2._core.random as random_module
from skopt2.solvers.privacy.noise import NoiseSource, PoissonSampling
from tests.privacy.private_estimators import (
    NAMES,
    data_for,
    has,
    make,
    quiet_fit,
    released,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore::skopt2.privacy.PrivacyLeakWarning",
)


def variants(name):
    """Return the forms of an estimator whose fits go different ways."""
    found = [make(name)]
    if has(name, "batch_size", "solver"):
        found.append(make(name, batch_size=20))
    if has(name, "relation"):
        found.append(make(name, relation="replace_one"))
    solvers = {
        "DPLinearRegressor": ("adassp", "gd"),
        "DPLogisticClassifier": ("dicesgd", "diff2"),
    }
    found += [make(name, solver=solver) for solver in solvers.get(name, ())]
    if has(name, "center", "bounds"):
        found.append(make(name, center="private"))
    if name in ("DPLogisticClassifier", "DPScaler"):
        found.append(make(name, noise="discrete"))
    return found


CASES = [(name, form) for name in NAMES for form in range(len(variants(name)))]


def form_of(name, form):
    return variants(name)[form]


def pieces_of(array):
    """Return the byte strings by which numbers would be found in a pickle."""
    numbers = np.ravel(array)
    pieces = [struct.pack(order, value) for value in numbers for order in ("<d", ">d")]
    # Four bytes alone are found anywhere by chance.
    pairs = zip(numbers, numbers[1:], strict=False)
    return pieces + [np.array(pair, dtype=np.float32).tobytes() for pair in pairs]


@pytest.mark.parametrize(("name", "form"), CASES)
def test_pickle_holds_no_value_of_the_data(name, form):
    model = form_of(name, form)
    X, y = data_for(model, n=40)
    if is_regressor(model):
        y = y + 1e-3 * np.random.default_rng(9).random(len(y)) - 2e-3
    data = pickle.dumps(quiet_fit(model, X, y))
    numbers = X if y is None or is_classifier(model) else np.append(X.ravel(), y)
    found = [piece for piece in pieces_of(numbers) if piece in data]
    assert not found


@pytest.mark.parametrize(("name", "form"), CASES)
def test_pickle_holds_no_label_sequence(name, form):
    model = form_of(name, form)
    if not is_classifier(model):
        pytest.skip("has no labels")
    X, y = data_for(model)
    data = pickle.dumps(quiet_fit(model, X, y))
    for dtype in (np.int64, np.int32, np.int8, np.float64, np.float32, bool):
        assert y[:8].astype(dtype).tobytes() not in data
    # Nor its one-hot form, nor signs.
    assert np.eye(3)[y][:4].tobytes() not in data


@pytest.mark.parametrize(("name", "form"), CASES)
def test_pickle_holds_no_noise_and_no_seed(monkeypatch, name, form):
    drawn, seeds = [], []
    draw, sequence = NoiseSource.draw, random_module.seed_sequence

    def recorded(source, *args, **kwargs):
        noise = draw(source, *args, **kwargs)
        drawn.append(np.array(noise, dtype=float).ravel())
        return noise

    def seeded(random_state):
        seeds.append(sequence(random_state))
        return seeds[-1]

    monkeypatch.setattr(NoiseSource, "draw", recorded)
    monkeypatch.setattr(random_module, "seed_sequence", seeded)
    model = form_of(name, form)
    data = pickle.dumps(quiet_fit(model, *data_for(model)))
    assert drawn or model.noise == "discrete"
    assert seeds
    for noise in drawn:
        assert not any(piece in data for piece in pieces_of(noise[:20]))
    # None is fresh entropy, which nobody has.
    for seed in filter(None, seeds):
        entropy = int(seed.entropy)
        size = (entropy.bit_length() + 7) // 8
        for order in ("little", "big"):
            assert entropy.to_bytes(size, order) not in data
        assert str(entropy).encode() not in data
        assert hex(entropy)[2:].encode() not in data


@pytest.mark.parametrize(("name", "form"), CASES)
def test_model_keeps_no_array_as_long_as_the_data(name, form):
    model = form_of(name, form)
    n = 61
    fitted = quiet_fit(model, *data_for(model, n=n, d=5))
    long = {
        key: array.shape
        for key, value in vars(fitted).items()
        for array in (value if isinstance(value, list) else [np.asarray(value)])
        if n in np.shape(array)
    }
    assert not long
    kinds = {type(value).__name__ for value in vars(fitted).values()}
    assert not kinds & {"Generator", "RandomState", "SeedSequence", "NoiseSource"}


@pytest.mark.parametrize(("name", "form"), CASES)
def test_sampled_batches_are_forgotten(monkeypatch, name, form):
    batches = []
    draw = PoissonSampling.draw

    def recorded(source):
        batches.append(draw(source))
        return batches[-1]

    monkeypatch.setattr(PoissonSampling, "draw", recorded)
    model = form_of(name, form)
    data = pickle.dumps(quiet_fit(model, *data_for(model)))
    assert bool(batches) == (getattr(model, "batch_size", None) is not None)
    for batch in batches:
        assert batch.size < 4 or batch.astype(np.int64).tobytes() not in data


@pytest.mark.parametrize(("name", "form"), CASES)
def test_fit_leaves_the_parameters_alone(name, form):
    # diffprivlib wrote the norm that it had measured into its own parameter.
    model = clone(form_of(name, form))
    before = {key: repr(value) for key, value in model.get_params().items()}
    model.fit(*data_for(model))
    after = {key: repr(value) for key, value in model.get_params().items()}
    assert before == after


def outward(model, X, y):
    """Return all that a fit shows beside its released numbers."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fitted = clone(model).fit(X, y)
        except Exception as error:
            return type(error), str(error)
    said = sorted((w.category.__name__, str(w.message)) for w in caught)
    numbers = released(fitted)
    rest = {
        # A single number is released with noise, as arrays are.
        key: "float" if type(value) is float else repr(value)
        for key, value in vars(fitted).items()
        if key.endswith("_") and key not in {name.split(".")[0] for name in numbers}
    }
    shapes = {key: (value.size, value.dtype) for key, value in numbers.items()}
    finite = {key: bool(np.all(np.isfinite(value))) for key, value in numbers.items()}
    assert all(finite.values()), finite
    return said, rest, shapes, sorted(vars(fitted))


WILD_ROWS = {
    "nan": lambda row: np.full_like(row, np.nan),
    "one nan": lambda row: np.where(np.arange(row.size) == 1, np.nan, row),
    "inf": lambda row: np.where(np.arange(row.size) == 0, np.inf, row),
    "minus inf": lambda row: np.full_like(row, -np.inf),
    "1e300": lambda row: np.full_like(row, 1e300),
    "1e160": lambda row: np.where(np.arange(row.size) == 2, -1e160, row),
    "1e30": lambda row: np.full_like(row, 1e30),
    "1e-310": lambda row: np.full_like(row, 1e-310),
    "zeros": np.zeros_like,
    "outside of the bounds": lambda row: row * 100,
}


@pytest.mark.parametrize("wild", list(WILD_ROWS))
@pytest.mark.parametrize(("name", "form"), CASES)
def test_a_wild_row_changes_nothing_that_is_seen(name, form, wild):
    model = form_of(name, form)
    X, y = data_for(model)
    there = X.copy()
    there[7] = WILD_ROWS[wild](X[7])
    with np.errstate(all="raise"):
        assert outward(model, there, y) == outward(model, X, y)


@pytest.mark.parametrize(("name", "form"), CASES)
def test_a_wild_target_changes_nothing_that_is_seen(name, form):
    model = form_of(name, form)
    X, y = data_for(model)
    if y is None:
        pytest.skip("has no targets")
    usual = outward(model, X, y)
    if is_classifier(model):
        values = (7, -1, 2**40)
    else:
        values = (np.nan, np.inf, -np.inf, 1e300, -1e160, 50.0)
    for value in values:
        other = y.copy()
        other[3] = value
        assert outward(model, X, other) == usual, value


@pytest.mark.parametrize("name", NAMES)
def test_labels_of_any_kind_change_nothing_that_is_seen(name):
    model = make(name)
    if not is_classifier(model):
        pytest.skip("has no labels")
    model.set_params(classes=["a", "b", "c"])
    X, codes = data_for(model)
    y = np.array(["a", "b", "c"], dtype=object)[codes]
    usual = outward(model, X, y)
    for value in ("zebra", None, 3, float("nan"), ("a", "b"), "", b"a"):
        other = y.copy()
        other[5] = value
        assert outward(model, X, other) == usual, value


@pytest.mark.parametrize("name", NAMES)
def test_data_without_one_class_or_all_alike_change_nothing(name):
    model = make(name)
    X, y = data_for(model)
    usual = outward(model, X, y)
    cases = [(np.zeros_like(X), y), (np.ones_like(X), y), (np.full_like(X, np.nan), y)]
    if y is not None:
        cases.append((X, np.full_like(y, y[0])))
        cases.append((X, np.full_like(y, 2)))
    for other_X, other_y in cases:
        assert outward(model, other_X, other_y) == usual


@pytest.mark.thorough
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_fuzzed_neighbours_look_alike(name, dtype):
    rng = np.random.default_rng(0)
    model = make(name)
    X, y = data_for(model, n=25)
    X = X.astype(dtype)
    usual = outward(model, X, y)
    exotic = [np.nan, np.inf, -np.inf, 1e300, -1e300, 1e38, 1e19, 5e-324, 0.0, 1e10]
    for _ in range(40):
        other = X.copy()
        row = rng.integers(len(X))
        chosen = rng.random(X.shape[1]) < 0.5
        with np.errstate(over="ignore"):
            other[row, chosen] = rng.choice(exotic, size=int(chosen.sum()))
        assert outward(model, other, y) == usual


@pytest.mark.parametrize("name", NAMES)
def test_number_of_steps_does_not_depend_on_the_data(name):
    model = make(name)
    X, y = data_for(model)
    seen = set()
    for scale in (0.0, 1e-6, 1.0, 1e6):
        fitted = quiet_fit(model, scale * X, y)
        history = getattr(fitted, "history_", {})
        seen.add((getattr(fitted, "n_iter_", None), repr(history)))
    assert len(seen) == 1


@pytest.mark.parametrize("name", NAMES)
def test_no_weights_and_no_data_dependent_options(name):
    import inspect

    cls = type(make(name))
    assert "sample_weight" not in inspect.signature(cls.fit).parameters
    options = set(inspect.signature(cls).parameters)
    assert not options & {"tol", "early_stopping", "class_weight", "warm_start"}
    if hasattr(cls, "partial_fit"):
        assert "accountant" in options


@pytest.mark.parametrize("name", [name for name in NAMES if has(name, "y_bounds")])
def test_missing_bounds_of_the_target_are_an_error_not_a_measurement(name):
    model = make(name, y_bounds=None)
    messages = []
    for seed in range(2):
        with pytest.raises(ValueError, match="y_bounds") as caught:
            model.fit(*data_for(model, seed=seed))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("name", NAMES)
def test_budget_is_checked_before_the_data_are_read(name):
    class Broke:
        def spend(self, events, label=""):
            raise RuntimeError("no budget")

        def __sklearn_clone__(self):
            return self

    class Watched(np.ndarray):
        """Raises as soon as a value is computed with."""

        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            raise AssertionError("the data were read")

    model = make(name, accountant=Broke())
    X, y = data_for(model)
    with pytest.raises(RuntimeError, match="no budget"):
        model.fit(X.view(Watched), y)
    assert not hasattr(model, "privacy_")
    assert not released(model)
