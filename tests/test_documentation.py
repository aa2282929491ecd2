"""The map of estimators leads to everything that can be fitted or called."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

PAGE = (
    Path(__file__).resolve().parent.parent
    / "doc"
    / "user_guide"
    / "choosing_estimator.rst"
)
FAMILIES = (
    "covariance",
    "decomposition",
    "gaussian_process",
    "kernel_machine",
    "linear_model",
    "model_selection",
    "neural_network",
    "portfolio",
    "privacy",
    "semi_supervised",
    "structure_learning",
    "transport",
)


def public(family):
    """Names of the estimators and functions of a family."""
    module = importlib.import_module(f"skopt2.{family}")
    members = {name: getattr(module, name) for name in module.__all__}
    return [
        name
        for name, member in members.items()
        if inspect.isfunction(member) or hasattr(member, "fit")
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_map_names_every_estimator_and_function(family):
    linked = set(re.findall(r":(?:class|func):`\.(\w+)`", PAGE.read_text("utf-8")))
    assert set(public(family)) <= linked


def test_map_forgets_no_family():
    package = Path(importlib.import_module("skopt2").__file__).parent
    fitted = {
        folder.name
        for folder in package.iterdir()
        if (folder / "__init__.py").exists()
        and not folder.name.startswith("_")
        and folder.name not in {"losses", "penalties", "kernels", "solvers"}
        and public(folder.name)
    }
    # Generated data are not fitted, and pictures and callbacks have a list below.
    assert fitted - {"datasets", "inspection", "callbacks"} == set(FAMILIES)
