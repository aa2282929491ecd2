"""Every public object has a complete numpydoc docstring and a page in the reference."""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import textwrap
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import validate
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.linear_model import Ridge
from sklearn.utils import get_tags

import skopt2
from skopt2 import linear_model, losses, penalties

DOC = Path(__file__).resolve().parent.parent / "doc"
API, GUIDE = DOC / "api.rst", DOC / "user_guide" / "sparse.rst"
# Taste, not content: the line on which the summary starts, a name for what is
# returned, and sections that not every object needs.
TASTE = {"GL01", "RT02", "ES01", "SA01", "SA04"}
# One example a class or function is enough; members are shown in it.
MEMBER = TASTE | {"EX01"}
# The pieces of a problem share one interface. A formula's method says what it computes;
# test_shared_interface_is_described_once looks for the parameters.
PIECES = ("skopt2.losses.", "skopt2.penalties.", "skopt2.kernels.")
PIECE_MEMBER = MEMBER | {"PR01", "RT01"}


def public_objects():
    """Return the dotted name and the object for all that is in an ``__all__``."""
    found = [(f"skopt2.{name}", getattr(skopt2, name)) for name in skopt2.__all__]
    for entry in pkgutil.iter_modules(skopt2.__path__):
        if not entry.name.startswith("_"):
            module = importlib.import_module(f"skopt2.{entry.name}")
            names = getattr(module, "__all__", ())
            found += [
                (f"{module.__name__}.{name}", getattr(module, name)) for name in names
            ]
    return [
        (name, value)
        for name, value in found
        if inspect.isclass(value) or inspect.isfunction(value)
    ]


def public_members(cls):
    """Return the names of the methods and properties that this package defines."""
    names = []
    for name in dir(cls):
        if name.startswith("_") or (
            name.startswith("set_") and name.endswith("_request")
        ):
            continue
        owner = next(base for base in cls.__mro__ if name in vars(base))
        value = inspect.getattr_static(cls, name)
        kinds = (property, classmethod, staticmethod)
        if owner.__module__.startswith("skopt2") and (
            inspect.isfunction(value) or isinstance(value, kinds)
        ):
            names.append(name)
    return names


OBJECTS = public_objects()
MEMBERS = [
    f"{path}.{name}"
    for path, value in OBJECTS
    if inspect.isclass(value)
    for name in public_members(value)
]
ESTIMATORS = [
    (path, value)
    for path, value in OBJECTS
    if inspect.isclass(value)
    and issubclass(value, BaseEstimator)
    and hasattr(value, "fit")
]


# What an estimator that searches another one is given.
SEARCHED = {
    "estimator": Ridge(),
    "param_distributions": {"alpha": [0.1, 1.0]},
    "constraints": {"score": (0.0, None)},
    "y_bounds": (-10.0, 10.0),
}


def complaints(path, allowed):
    """Return what numpydoc finds wrong, less what is allowed."""
    errors = validate(path)["errors"]
    return [f"{code} {text}" for code, text in errors if code not in allowed]


def is_base(cls):
    """Say whether another public class is derived from this one."""
    others = [value for _, value in OBJECTS if inspect.isclass(value)]
    return any(other is not cls and issubclass(other, cls) for other in others)


@pytest.mark.parametrize(("path", "value"), OBJECTS)
def test_object_follows_numpydoc(path, value):
    allowed = set(TASTE)
    if inspect.isclass(value) and is_base(value):
        # The examples of the derived classes show it.
        allowed.add("EX01")
    if dataclasses.is_dataclass(value):
        # A result: users read its attributes, and never construct it.
        allowed |= {"EX01", "PR01"}
        fields = {field.name for field in dataclasses.fields(value) if field.repr}
        assert fields <= {item.name for item in ClassDoc(value)["Attributes"]}
    assert not complaints(path, allowed)
    # In a raw docstring a backslash joins no lines.
    assert not any(line.endswith("\\") for line in value.__doc__.splitlines())


@pytest.mark.parametrize("path", MEMBERS)
def test_member_follows_numpydoc(path):
    allowed = PIECE_MEMBER if path.startswith(PIECES) else MEMBER
    assert not complaints(path, allowed)


def raised(function):
    """Return the names of the errors that the body of a function raises itself."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    raises = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    made = [error.func for error in raises if isinstance(error, ast.Call)]
    return {kind.id for kind in made if isinstance(kind, ast.Name)}


@pytest.mark.parametrize(("path", "value"), OBJECTS)
def test_errors_are_documented(path, value):
    owners = [(path, value)]
    if inspect.isclass(value):
        owners = [
            (f"{path}.{name}", inspect.getattr_static(value, name))
            for name in public_members(value)
        ]
    for name, member in owners:
        member = member.fget if isinstance(member, property) else member
        function = inspect.unwrap(getattr(member, "__func__", member))
        if not function.__module__.startswith("skopt2."):
            continue
        text = inspect.getdoc(function) or ""
        # A method of a piece is described by its base; a check says it in one line.
        if not text.startswith("Raise") and "see :meth:`" not in text:
            documented = {item.type for item in FunctionDoc(function)["Raises"]}
            assert raised(function) <= documented, name


@pytest.mark.parametrize(
    ("package", "name"),
    sorted({(path.split(".")[1], path.split(".")[-1]) for path in MEMBERS}),
)
def test_shared_interface_is_described_once(package, name):
    members = [
        path
        for path in MEMBERS
        if path.split(".")[1] == package and path.split(".")[-1] == name
    ]
    assert not all(complaints(path, MEMBER) for path in members)


@pytest.mark.parametrize("path", [path for path, _ in OBJECTS])
def test_object_is_in_the_reference(path):
    module, _, name = path.rpartition(".")
    section = API.read_text(encoding="utf-8").split(f".. currentmodule:: {module}\n")
    assert len(section) > 1, f"no section {module} in {API.name}"
    listed = section[1].split(".. currentmodule::")[0].split()
    assert name in listed


@pytest.mark.parametrize(
    ("cls", "left_out"),
    [
        (linear_model.SparseRegressor, ()),
        (linear_model.SparseClassifier, ()),
        # No level of a ridge empties the model, so there is no grid to search.
        (linear_model.SparseRegressorCV, ("ridge",)),
        (linear_model.SparseClassifierCV, ("ridge",)),
        (linear_model.StreamingLinearRegressor, ("slope", "fused_lasso")),
        (linear_model.StreamingLinearClassifier, ("slope", "fused_lasso")),
    ],
)
def test_every_loss_and_penalty_is_named(cls, left_out):
    described = {item.name: str(item) for item in ClassDoc(cls)["Parameters"]}
    wanted = {f'"{name}"' for name in penalties._PENALTIES if name not in left_out}
    assert {name for name in wanted if name not in described["penalty"]} == set()
    wanted = {
        f'"{loss.name}"'
        for loss in losses._LOSSES.values()
        if (loss.task == "regression") is is_regressor(cls())
    }
    assert {name for name in wanted if name not in described["loss"]} == set()


@pytest.mark.parametrize("name", [*losses._LOSSES, *penalties._PENALTIES])
def test_loss_or_penalty_is_in_the_user_guide(name):
    assert f'"{name}"' in GUIDE.read_text(encoding="utf-8")


@pytest.mark.parametrize(("path", "cls"), ESTIMATORS)
def test_fitted_attributes_are_documented(path, cls):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 5))
    y = X @ np.array([1.0, -2.0, 0.0, 0.0, 0.5]) + 0.1 * rng.standard_normal(40)
    needed = signature(cls).parameters.keys() & SEARCHED.keys()
    model = cls(**{name: SEARCHED[name] for name in needed})
    if cls.__name__ == "HyperGradientCV":
        # It searches for the penalty of one family of models.
        model.estimator = skopt2.linear_model.SparseRegressor()
    if get_tags(model).input_tags.positive_only:
        X = np.abs(X)
    if not get_tags(model).input_tags.two_d_array:
        X = X[:, 0]
    if not get_tags(model).target_tags.single_output:
        y = y[:, None]
    model.fit(X, (y > 0).astype(int) if is_classifier(model) else y)
    documented = {item.name for item in ClassDoc(cls)["Attributes"]}
    fitted = {
        name for name in vars(model) if name.endswith("_") and not name.startswith("_")
    }
    missing = {name for name in documented if not hasattr(model, name)}
    assert fitted <= documented
    # Only input with column names has them, only a search of a classifier has classes.
    assert missing <= {"feature_names_in_", "classes_"}
