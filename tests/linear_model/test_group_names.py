"""Groups by name: columns, patterns, columns before a ColumnTransformer, labels."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler

from skopt2.linear_model import GroupClassifier, GroupRegressor, GroupRegressorCV
from skopt2.linear_model.grouping import check_groups

NAMES = np.array(
    [
        "onehot__city_Lima",
        "onehot__city_Oslo",
        "onehot__city_size_large",
        "onehot__city_size_small",
        "scale__age",
        "scale__age_of_car",
        "spline__age_sp_0",
        "spline__age_sp_1",
        "spline__income_sp_0",
        "spline__income_sp_1",
    ],
    dtype=object,
)


def columns_of(groups, names=NAMES):
    """Return the columns of the groups that were asked for."""
    partition, labels = check_groups(groups, len(names), names)
    n_groups = len(groups)
    assert len(labels) == partition.n_groups
    return [partition.members(g).tolist() for g in range(n_groups)]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        # Columns by their own names, then by those before the transformer.
        ([["scale__age", "spline__income_sp_1"]], [[4, 9]]),
        ([["age", "income"]], [[4, 8, 9]]),
        (["age", "age_of_car"], [[4], [5]]),
        # The longer name has the column; a shorter one alone takes both.
        (["city", "city_size"], [[0, 1], [2, 3]]),
        (["city_size", "city"], [[2, 3], [0, 1]]),
        (["city"], [[0, 1, 2, 3]]),
        # Transformers and patterns.
        (["onehot", "spline"], [[0, 1, 2, 3], [6, 7, 8, 9]]),
        (["onehot__city_[LO]*", "*__age_sp_?"], [[0, 1], [6, 7]]),
        ([["spline__age_*", 4], [-1]], [[4, 6, 7], [9]]),
        # Indices, keys, and names that are not in lists.
        ({"place": "city", "person": ["age", 5]}, [[0, 1, 2, 3], [4, 5]]),
        ([[8, "spline__income_sp_0"], 9], [[8], [9]]),
    ],
)
def test_names_stand_for_columns(groups, expected):
    assert columns_of(groups) == expected


def test_columns_in_no_group_are_on_their_own_with_their_names():
    partition, labels = check_groups({"place": "onehot"}, 10, NAMES)
    assert labels.tolist() == ["place", *NAMES[4:]]
    assert partition.index.tolist() == [0] * 4 + list(range(1, 7))
    assert check_groups([[0, 2], [1]], 5)[1].tolist() == [0, 1, 2, 3]
    assert check_groups(["b", "a", "b"], 3)[1].tolist() == ["b", "a"]


def test_a_category_may_contain_what_joins_names():
    names = np.array(["cat__town_New__York", "cat__town_Oslo", "num__x"], dtype=object)
    assert columns_of(["town"], names) == [[0, 1]]


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (["cty"], "Did you mean 'city'"),
        (["incme"], "Did you mean 'income'"),
        (["zzz"], "X has 'onehot__city_Lima'"),
        (["onehot__town_*"], "no such column"),
        # Two transformers made columns of it, and none has its very name.
        (["income", "spline", "inc"], "no such column"),
        (["onehot__*", "onehot__city_*"], "matches a pattern"),
        (["onehot__*", ["onehot__city_Lima"]], "matches a pattern"),
        ([["age", 99]], "99"),
        ([["age", True]], "True"),
        ([[]], "not empty"),
        (sorted(NAMES, reverse=True), "in another order"),
        (["city", "city_size", "city_Oslo", "city_Lima"], "longer names"),
    ],
)
def test_names_that_stand_for_nothing_or_too_much(groups, words):
    with pytest.raises(ValueError, match=words.replace("[", r"\[")):
        check_groups(groups, 10, NAMES)


def test_a_column_that_is_written_out_may_be_in_two_groups():
    lists = [["onehot__*", "onehot__city_Lima"], ["onehot__city_Lima", "age"]]
    cover, _ = check_groups(lists, 10, NAMES)
    assert [cover.members(g).tolist() for g in (0, 1)] == [[0, 1, 2, 3], [0, 4]]
    cover, _ = check_groups([["income", "age"], ["spline", "age"]], 10, NAMES)
    assert [cover.members(g).tolist() for g in (0, 1)] == [[4, 8, 9], [4, 6, 7]]


def test_ambiguous_names():
    names = np.array(["bins__age_0", "bins__age_1", "spline__age_sp_0"], dtype=object)
    with pytest.raises(ValueError, match="may stand for .* such as 'bins__age_\\*'"):
        check_groups(["age"], 3, names)
    assert columns_of(["bins__age_*", "spline__age"], names) == [[0, 1], [2]]
    names = np.array(["age__age", "age__pay", "other"], dtype=object)
    # A column of that name settles it.
    assert columns_of(["age"], names) == [[0]]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    n = 200
    frame = pd.DataFrame(
        {
            "city": rng.choice(["Lima", "Oslo", "Pune", "Rome"], n),
            "job": rng.choice(["baker", "clerk", "smith"], n),
            "age": rng.uniform(20, 70, n),
            "noise": rng.standard_normal(n),
        }
    )
    level = {"Lima": 0.0, "Oslo": 2.0, "Pune": -1.0, "Rome": 1.0}
    y = frame["city"].map(level) + np.sin(frame["age"] / 10)
    return frame, y + 0.3 * rng.standard_normal(n)


def pipeline(model, sparse=False):
    onehot = OneHotEncoder(sparse_output=sparse, handle_unknown="ignore")
    return Pipeline(
        [
            (
                "columns",
                ColumnTransformer(
                    [
                        ("onehot", onehot, ["city", "job"]),
                        ("spline", SplineTransformer(6), ["age"]),
                        ("scale", StandardScaler(), ["noise"]),
                    ]
                ),
            ),
            ("model", model),
        ]
    )


GROUPS = {"city": "city", "job": "job", "age": "age"}


def used_groups(model):
    """Return the labels of the groups in a model."""
    return set(model.group_labels_[np.unique(model.groups_[model.coef_.ravel() != 0])])


def test_original_columns_through_a_column_transformer(table):
    frame, y = table
    pipe = pipeline(GroupRegressor(groups=GROUPS, alpha=0.05, tol=1e-10))
    pipe.set_output(transform="pandas").fit(frame, y)
    model = pipe["model"]
    assert used_groups(model) == {"city", "age"}
    assert model.groups_.tolist() == [0] * 4 + [1] * 3 + [2] * 8 + [3]
    assert model.group_labels_.tolist() == ["city", "job", "age", "scale__noise"]
    assert pipe.score(frame, y) > 0.75
    # The same groups as labels need no names: sparse columns, and no set_output.
    labels = model.group_labels_[model.groups_].tolist()
    by_label = pipeline(clone(model).set_params(groups=labels), sparse=True)
    by_label.fit(frame, y)
    assert_allclose(by_label["model"].coef_, model.coef_, atol=1e-7)
    assert used_groups(by_label["model"]) == {"city", "age"}
    short = pipeline(clone(model).set_params(groups=["city", "job", ["age", "noise"]]))
    short["columns"].set_params(verbose_feature_names_out=False)
    short.set_output(transform="pandas").fit(frame, y)
    assert short["model"].groups_.tolist() == [0] * 4 + [1] * 3 + [2] * 9


def test_without_names_the_error_says_what_to_do(table):
    frame, y = table
    pipe = pipeline(GroupRegressor(groups=GROUPS))
    with pytest.raises(ValueError, match="set_output\\(transform='pandas'\\)"):
        pipe.fit(frame, y)


def test_a_search_and_paths_over_a_table(table):
    frame, y = table
    pipe = pipeline(GroupRegressor(groups=GROUPS)).set_output(transform="pandas")
    # Where a city is missing there is one column less: groups are those of each fit.
    rows = np.arange(200)
    oslo = (frame["city"] == "Oslo").to_numpy()
    folds = [(rows[~oslo], rows[oslo]), (rows[::2], rows[1::2])]
    search = GridSearchCV(
        pipe, {"model__alpha": [0.05, 1.0]}, cv=folds, error_score="raise"
    ).fit(frame, y)
    assert search.best_params_["model__alpha"] == 0.05
    path = GroupRegressorCV(groups=GROUPS, alphas=8, eps=0.01, cv=3, selection="1se")
    pipe = pipeline(path).set_output(transform="pandas").fit(frame, y)
    assert {"city", "age"} <= used_groups(pipe["model"])
    classifier = GroupClassifier(groups=GROUPS, alpha=0.02)
    pipe = pipeline(classifier).set_output(transform="pandas").fit(frame, y > 0.5)
    assert used_groups(pipe["model"]) == {"city"}
    assert pipe.score(frame, y > 0.5) > 0.8
