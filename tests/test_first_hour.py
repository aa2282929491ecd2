"""What a user of scikit-learn tries in the first hour."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_regressor
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.gaussian_process.kernels import RBF, Matern
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import LabelEncoder

import skopt2
from skopt2.covariance import SparseInverseCovariance, inverse_covariance_path
from skopt2.decomposition import MatrixFactorization, TensorFactorization
from skopt2.gaussian_process import (
    GaussianProcessRegressor,
    GPSearchCV,
    SparseCholeskyGPRegressor,
)
from skopt2.inspection import PathDisplay
from skopt2.kernel_machine import (
    EigenProClassifier,
    EigenProRegressor,
    KernelNewtonRegressor,
    KernelThinning,
)
from skopt2.kernels import Gaussian
from skopt2.kernels import Matern as OwnMatern
from skopt2.linear_model import (
    GroupRegressor,
    LowRankRegressor,
    MultiTaskRegressor,
    SparseClassifier,
    SparsemaxClassifier,
    SparseRegressor,
    sparse_path,
)
from skopt2.losses import Huber
from skopt2.neural_network import ConvexReLURegressor
from skopt2.penalties import MCP, SCAD, GroupMCP, Lq, RowMCP
from skopt2.portfolio import RiskParity
from skopt2.privacy import DPLinearRegressor
from skopt2.semi_supervised import GraphLabelPropagation
from skopt2.transport import (
    PointCloud,
    gromov_wasserstein,
    sinkhorn,
    sinkhorn_batch,
    sinkhorn_divergence,
    sliced_wasserstein,
    wasserstein_barycenter,
)


@pytest.fixture(scope="module")
def diabetes():
    """Return features and targets."""
    return load_diabetes(return_X_y=True)


@pytest.mark.parametrize(
    ("penalty", "hint"),
    [
        ("msp", "Did you mean 'mcp'?"),
        ("MCP", "Did you mean 'mcp'?"),
        ("lasso", "Did you mean 'l1'?"),
        ("l2", "Did you mean 'ridge'?"),
        ("elastic-net", "Did you mean 'elasticnet'?"),
        ("none", "give alpha=0"),
        (None, "give alpha=0"),
        ("weighted_l1", "WeightedL1(weights)"),
        ("group_lasso", "GroupRegressor"),
        (GroupMCP(), "GroupRegressor"),
        ("row_lasso", "MultiTaskRegressor"),
        (RowMCP(), "MultiTaskRegressor"),
        (MCP, "MCP is a class: give an object, penalty=MCP()"),
    ],
)
def test_a_penalty_by_another_name_is_found(diabetes, penalty, hint):
    with pytest.raises(ValueError, match="must be one of") as caught:
        SparseRegressor(penalty=penalty).fit(*diabetes)
    assert hint in str(caught.value)


def test_a_penalty_far_from_all_names_gets_no_guess(diabetes):
    with pytest.raises(ValueError, match=r"got penalty=.xyz.\.$"):
        SparseRegressor(penalty="xyz").fit(*diabetes)


@pytest.mark.parametrize(
    ("estimator", "hint"),
    [
        (SparseRegressor(loss="squared_error"), "Did you mean 'squared'?"),
        (SparseRegressor(0.1), "A level goes by its name, alpha=0.1."),
        (SparseRegressor(loss="hubber"), "Did you mean 'huber'?"),
        (SparseClassifier(loss="log_loss"), "Did you mean 'logistic'?"),
        (EigenProRegressor(kernel="gausian"), "Did you mean 'gaussian'?"),
        (GroupRegressor(groups=[[0, 1]], penalty="mcp"), "Did you mean 'group_mcp'?"),
        (MultiTaskRegressor(penalty="l21"), "Did you mean 'row_lasso'?"),
        (SparseRegressor(loss="logistic"), "use one of 'squared', 'huber', "),
        (SparseRegressor(loss="logistic"), "or a classifier."),
        (SparseClassifier(loss="squared"), "use one of 'logistic', "),
        (SparseClassifier(loss="squared"), "or a regressor."),
    ],
)
def test_other_names_are_found_too(diabetes, estimator, hint):
    X, y = diabetes
    if isinstance(estimator, SparseClassifier):
        y = y > 100
    elif isinstance(estimator, MultiTaskRegressor):
        y = np.stack([y, y], axis=1)
    with pytest.raises(ValueError) as caught:
        estimator.fit(X, y)
    assert hint in str(caught.value)


def test_completion_shows_what_there_is_and_nothing_else():
    shown = [name for name in dir(skopt2) if not name.startswith("_")]
    assert shown == sorted({*skopt2.__all__} - {"__version__"})
    assert "linear_model" in shown
    assert all(hasattr(skopt2, name) for name in dir(skopt2))


def test_the_docstring_names_every_subpackage():
    for name in skopt2._SUBPACKAGES:
        assert f"``{name}``" in skopt2.__doc__


@pytest.mark.parametrize("name", sorted(skopt2._SUBPACKAGES))
def test_completion_in_a_subpackage_shows_what_is_public(name):
    package = getattr(skopt2, name)
    assert sorted(dir(package)) == sorted(package.__all__)
    assert all(hasattr(package, one) for one in dir(package))


def test_a_wrong_name_of_the_package_gets_a_hint():
    with pytest.raises(AttributeError) as caught:
        _ = skopt2.linear_modle
    # Python prints "Did you mean: 'linear_model'?" from these two.
    assert caught.value.name == "linear_modle"
    assert caught.value.obj is skopt2
    with pytest.raises(AttributeError, match="classes are in its subpackages"):
        _ = skopt2.SparseRegressor
    assert not hasattr(skopt2, "SparseRegressor")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_results_are_printed_in_a_few_lines(diabetes):
    X, y = diabetes
    rng = np.random.default_rng(0)
    a = b = np.full(30, 1 / 30)
    points = rng.normal(size=(30, 2))
    cost = ((points[:, None] - points) ** 2).sum(axis=-1)
    results = [
        sinkhorn(a, b, cost, 0.5),
        sinkhorn(a, b, cost, 0.5, reg_marginal=1.0),
        sinkhorn_batch(np.stack([a, a]), np.stack([b, b]), cost, 0.5),
        gromov_wasserstein(cost, cost, reg=1.0, max_iter=3),
        wasserstein_barycenter(np.stack([a, b]), cost=cost, reg=0.5, max_iter=20),
        sparse_path(X, y, alphas=4),
        inverse_covariance_path(np.cov(X.T), alphas=4),
    ]
    for result in results:
        text = repr(result)
        assert text.startswith(f"{type(result).__name__}(")
        assert len(text) < 600
        assert "array(" not in text
    path = repr(results[-2])
    assert "coefs=<array of shape (4, 10)>, intercepts=<array of shape (4,)>" in path
    assert "certificates=<tuple of 4>" in path
    plan = repr(results[0])
    assert "potentials=(<array of shape (30,)>, <array of shape (30,)>)" in plan
    assert f"certificate=<{results[0].certificate}>" in plan
    assert "stop_reason='converged'" in plan


class Interrupted(SparseRegressor):
    """A model whose fifth fit is the moment of a Ctrl-C."""

    fits = 0

    def fit(self, X, y, sample_weight=None):
        """Fit, or be interrupted."""
        type(self).fits += 1
        if type(self).fits == 5:
            raise KeyboardInterrupt
        return super().fit(X, y, sample_weight=sample_weight)


def test_a_search_that_was_interrupted_is_as_before_it(diabetes):
    search = GPSearchCV(Interrupted(), {"alpha": [0.1, 0.2, 0.5]}, n_iter=3, cv=3)
    before = dict(vars(search))
    with pytest.raises(KeyboardInterrupt):
        search.fit(*diabetes)
    assert vars(search) == before
    with pytest.raises(NotFittedError):
        search.predict(diabetes[0])


def test_ranges_in_the_spelling_of_scikit_optimize(diabetes):
    model = SparseRegressor()
    search = GPSearchCV(model, {"alpha": (1e-3, 1.0, "log-uniform")}, cv=2)
    with pytest.raises(ValueError, match=r"scipy\.stats\.loguniform\(0\.001, 1\.0\)"):
        search.fit(*diabetes)
    search = GPSearchCV(model, {"alpha": (1e-3, 1.0)}, cv=2)
    with pytest.warns(UserWarning, match="choice of these two values"):
        search.fit(*diabetes)
    assert search.best_params_["alpha"] in (1e-3, 1.0)
    search.set_params(param_distributions={"alpha": [1e-3, 1.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.fit(*diabetes)


@pytest.mark.parametrize("kernel", ["rbf", 3, Matern])
def test_a_process_takes_kernel_objects(diabetes, kernel):
    with pytest.raises(TypeError, match="kernel must be a kernel object of sklearn"):
        GaussianProcessRegressor(kernel).fit(*diabetes)


def test_a_sparse_cholesky_process_warns_at_a_bound(rng):
    X = rng.normal(size=(60, 2))
    kernel = 1.0 * RBF(1.0, length_scale_bounds=(0.5, 2.0))
    model = SparseCholeskyGPRegressor(kernel, alpha=0.1, n_neighbors=5)
    with pytest.warns(ConvergenceWarning, match="at its upper bound 2; increasing"):
        model.fit(X, X @ [1.0, 2.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(optimizer=None).fit(X, X @ [1.0, 2.0])


@pytest.mark.parametrize("estimator", [SparseRegressor(), LowRankRegressor()])
def test_several_targets_are_sent_to_who_takes_them(diabetes, estimator):
    X, y = diabetes
    with pytest.raises(ValueError, match=r"y should be a 1d .*MultiTaskRegressor, or"):
        estimator.fit(X, np.stack([y, y], axis=1))


def test_columns_of_text_are_named():
    table = pd.DataFrame({"age": [30.0, 40.0, 50.0], "city": ["A", "B", "C"]})
    table["kind"] = table["city"].astype("category")
    with pytest.raises(ValueError, match="no numbers, 'city', 'kind'. Encode them"):
        SparseRegressor().fit(table, [1.0, 2.0, 3.0])
    # The table is not at fault where the target is.
    with pytest.raises(ValueError, match="could not convert") as caught:
        SparseRegressor().fit(table[["age"]], ["a", "b", "c"])
    assert "columns" not in str(caught.value)


@pytest.mark.parametrize(
    ("estimator", "params", "wanted"),
    [
        (SparseRegressor(penalty="mcp"), {"penalty__gamma": 2.0}, MCP(gamma=2.0)),
        (SparseRegressor(), {"penalty__gamma": 2.0, "penalty": "scad"}, SCAD(2.0)),
        (SparseRegressor(), {"penalty": "l_half", "penalty__q": 0.4}, Lq(q=0.4)),
        (GroupRegressor(penalty="group_mcp"), {"penalty__gamma": 5.0}, GroupMCP(5.0)),
        (SparseRegressor(loss="huber"), {"loss__delta": 2.0}, Huber(2.0)),
        (ConvexReLURegressor(loss="huber"), {"loss__delta": 2.0}, Huber(2.0)),
        (DPLinearRegressor(loss="huber"), {"loss__delta": 2.0}, Huber(2.0)),
        (SparseInverseCovariance(penalty="mcp"), {"penalty__gamma": 2.0}, MCP(2.0)),
        (MatrixFactorization(penalty="mcp"), {"penalty__gamma": 2.0}, MCP(2.0)),
        (TensorFactorization(penalty="mcp"), {"penalty__gamma": 2.0}, MCP(2.0)),
        (
            EigenProRegressor(kernel="matern", length_scale=3.0),
            {"kernel__nu": 2.5},
            OwnMatern(length_scale=3.0, nu=2.5),
        ),
        (
            KernelThinning(kernel="matern"),
            {"kernel__nu": 2.5},
            OwnMatern(length_scale="median", nu=2.5),
        ),
        (
            KernelNewtonRegressor(kernel="gaussian"),
            {"kernel__length_scale": 2.5},
            Gaussian(length_scale=2.5),
        ),
    ],
)
def test_parameters_of_a_name_can_be_set(estimator, params, wanted):
    estimator = clone(estimator).set_params(**params)
    name = min(params).partition("__")[0]
    found = getattr(estimator, name)
    assert type(found) is type(wanted)
    assert found.get_params() == wanted.get_params()


def test_parameters_of_a_name_are_searched(diabetes):
    grid = {"penalty": ["mcp", "scad"], "penalty__gamma": [2.5, 30.0]}
    X, y = diabetes
    search = GridSearchCV(SparseRegressor(alpha=3.0), grid, cv=2).fit(X / X.std(0), y)
    assert len(set(search.cv_results_["mean_test_score"].round(10))) == 4
    best = search.best_estimator_.penalty
    assert best.name == search.best_params_["penalty"]
    assert best.gamma == search.best_params_["penalty__gamma"]


def test_a_wrong_parameter_of_a_name_changes_nothing():
    model = SparseRegressor(penalty="mcp")
    with pytest.raises(ValueError, match=r"'gama' for estimator MCP\(\)"):
        model.set_params(penalty__gama=2.0, alpha=3.0)
    assert model.get_params() == SparseRegressor(penalty="mcp").get_params()
    with pytest.raises(ValueError, match="solver of RiskParity has no parameters"):
        RiskParity().set_params(solver__rate=1.0)
    with pytest.raises(ValueError, match="Invalid parameter 'fit' for estimator"):
        model.set_params(fit__rate=1.0)


def test_columns_and_tables_go_wherever_arrays_do(diabetes):
    rng = np.random.default_rng(0)
    points, others = rng.normal(size=(20, 2)), rng.normal(size=(30, 2))
    a, b = rng.dirichlet(np.ones(20)), rng.dirichlet(np.ones(30))
    cost = ((points[:, None] - others) ** 2).sum(axis=-1)
    square = ((points[:, None] - points) ** 2).sum(axis=-1)

    def results(table, column):
        a_, b_ = column(a), column(b)
        x, y = table(points), table(others)
        found = wasserstein_barycenter(
            table(np.stack([a, a[::-1]])),
            reg=1.0,
            cost=table(square),
            weights=column(np.array([0.3, 0.7])),
        )
        return [
            sinkhorn(a_, b_, table(cost), 0.5).objective,
            sinkhorn(a_, b_, PointCloud(x, y), 0.5).objective,
            sinkhorn_divergence(x, y, 0.5, a=a_, b=b_).value,
            sliced_wasserstein(x, y, a=a_, b=b_, random_state=0).value,
            gromov_wasserstein(table(square), table(square), a_, a_, reg=5.0).cost,
            found.objective,
        ]

    plain = results(np.asarray, np.asarray)
    assert_allclose(results(pd.DataFrame, pd.Series), plain, rtol=1e-12)
    X, y = diabetes
    labels = ["body"] * 4 + ["blood"] * 6
    models = [
        GroupRegressor(groups=kind(labels)).fit(X, y) for kind in (list, pd.Series)
    ]
    assert_array_equal(models[0].coef_, models[1].coef_)


def test_a_path_display_says_what_it_draws():
    pytest.importorskip("matplotlib")
    path = inverse_covariance_path(np.eye(3), alphas=2)
    with pytest.raises(TypeError, match=r"sparse_path .* got InverseCovariancePath"):
        PathDisplay.from_path(path)


def test_several_labels_are_sent_to_who_takes_them(diabetes):
    X, y = diabetes
    labels = np.stack([y > 100, y > 150], axis=1)
    with pytest.raises(ValueError, match=r"SparsemaxClassifier, or .*OutputClassifier"):
        SparseClassifier().fit(X, labels)
    assert SparsemaxClassifier().fit(X, labels).predict(X).shape == labels.shape


def test_labels_of_several_types_and_the_text_of_no_label(diabetes):
    X, y = diabetes
    labels = np.where(y > 150, "high", "low")
    known = np.arange(y.size) % 9 == 0
    mixed = np.where(known, labels, None)
    for estimator in (SparseClassifier(), GraphLabelPropagation()):
        with pytest.raises(ValueError, match="y holds text and None of type NoneType"):
            estimator.fit(X, mixed)
    text = np.where(known, labels, "-1")
    with pytest.warns(UserWarning, match="'-1', which is taken for a class"):
        model = GraphLabelPropagation().fit(X, text)
    assert model.classes_.tolist() == ["-1", "high", "low"]
    numbered = np.where(known, LabelEncoder().fit_transform(labels), -1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert GraphLabelPropagation().fit(X, numbered).classes_.tolist() == [0, 1]


@pytest.mark.parametrize(
    "estimator",
    [
        EigenProRegressor(centers=20, random_state=0),
        EigenProClassifier(centers=20, random_state=0),
    ],
)
def test_chunks_need_no_target_beside_them(diabetes, estimator):
    X, y = diabetes
    y = y if is_regressor(estimator) else y > 140
    parts = [slice(0, 200), slice(200, 442)]
    by_name = clone(estimator).fit(((X[part], y[part]) for part in parts), None)
    model = clone(estimator).fit((X[part], y[part]) for part in parts)
    assert_array_equal(model.predict(X), by_name.predict(X))
    with pytest.raises(ValueError, match="requires y to be passed"):
        estimator.fit(X)
