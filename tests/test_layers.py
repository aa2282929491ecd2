"""The layers of the package, read from the syntax trees."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import skopt2

ROOT = Path(__file__).resolve().parent.parent
# Not beside the tests when they hold an installed wheel to the same.
PACKAGE = Path(skopt2.__file__).resolve().parent
LAYERS = {
    "_core": 0,
    "losses": 1,
    "penalties": 1,
    "kernels": 1,
    "solvers": 2,
    "linear_model": 3,
    "covariance": 3,
    "decomposition": 3,
    "transport": 3,
    "kernel_machine": 3,
    "gaussian_process": 3,
    "portfolio": 3,
    "privacy": 3,
    "semi_supervised": 3,
    "neural_network": 3,
    "structure_learning": 3,
    # Works on the estimators of the families.
    "model_selection": 4,
    "inspection": 4,
    "callbacks": 4,
    # Generators use no other part, and no other part uses them.
    "datasets": 4,
}
# Siblings on these layers do not import each other.
SEPARATE = {1, 3, 4}
# Public modules of scikit-learn that are experimental all the same.
EXPERIMENTAL = {"sklearn.callback", "sklearn.experimental"}
SEAM = PACKAGE / "_core" / "sklearn_seam.py"
CUDA = PACKAGE / "_core" / "cuda.py"


class Import(NamedTuple):
    """One imported module or name, and whether a function encloses the import."""

    path: Path
    line: int
    target: str
    inside_function: bool

    def __str__(self):
        return f"{named(self.path)}:{self.line} imports {self.target}"


def named(path):
    """Return the path from the folder that holds the package or the tests."""
    return path.relative_to(PACKAGE.parent if PACKAGE in path.parents else ROOT)


def absolute(path, node):
    """Return the dotted module that a ``from`` import reads."""
    if node.level == 0:
        return node.module
    package = named(path).with_suffix("").parts
    base = ".".join(package[: len(package) - node.level])
    return f"{base}.{node.module}" if node.module else base


def imports_of(path):
    """Yield every import of a file, written or made through importlib."""

    def visit(node, inside):
        inside = inside or isinstance(
            node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        )
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name, inside)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(path, node)
            for alias in node.names:
                yield Import(path, node.lineno, f"{module}.{alias.name}", inside)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0] if node.args else None
            if name in ("import_module", "__import__") and isinstance(
                first, ast.Constant
            ):
                yield Import(path, node.lineno, str(first.value), inside)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), False)


FILES = sorted(PACKAGE.rglob("*.py"))
IMPORTS = [found for path in FILES for found in imports_of(path)]


def part_of(path):
    """Return the subpackage of a file, None for the root module."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else None


def is_private(target):
    """Return True for a scikit-learn module or name that may change without notice."""
    return any(part.startswith("_") for part in target.split(".")[1:]) or any(
        target == name or target.startswith(f"{name}.") for name in EXPERIMENTAL
    )


def test_every_part_has_a_layer():
    parts = {part_of(path) for path in FILES} - {None}
    assert parts <= set(LAYERS), f"no layer for {parts - set(LAYERS)}"


def test_imports_point_downwards():
    wrong = []
    for found in IMPORTS:
        here = part_of(found.path)
        names = found.target.split(".")
        if names[0] != "skopt2" or here is None or len(names) == 1:
            continue
        there = names[1]
        if there == here:
            continue
        if there not in LAYERS:
            # The root module holds the version and lazy names of higher layers.
            wrong.append(f"{found} (the root module)")
        elif LAYERS[there] > LAYERS[here]:
            wrong.append(f"{found} (upwards)")
        elif LAYERS[there] == LAYERS[here] and LAYERS[here] in SEPARATE:
            wrong.append(f"{found} (a sibling)")
    assert not wrong, "\n".join(wrong)


def test_root_module_imports_nothing_at_once():
    root = [found for found in IMPORTS if part_of(found.path) is None]
    assert {found.target for found in root if not found.inside_function} <= {
        "importlib"
    }


def test_only_one_file_imports_cupy():
    wrong = [
        str(found)
        for found in IMPORTS
        if {"cupy", "cupyx"} & set(found.target.split("."))
        and (found.path != CUDA or not found.inside_function)
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_seam_has_private_names_of_scikit_learn():
    wrong = [
        str(found)
        for found in IMPORTS
        if found.target.split(".")[0] == "sklearn"
        and is_private(found.target)
        and found.path != SEAM
    ]
    assert not wrong, "\n".join(wrong)


def test_seam_only_re_exports():
    tree = ast.parse(SEAM.read_text(encoding="utf-8"))
    kinds = {type(node) for node in tree.body}
    assert kinds <= {ast.Expr, ast.Import, ast.ImportFrom, ast.Assign}


@pytest.mark.parametrize(
    ("part", "allowed"),
    [
        ("solvers", set()),
        ("losses", {"BaseEstimator", "clone"}),
        ("penalties", {"BaseEstimator", "clone"}),
        # Two files translate scikit-learn's kernels, by name and as kernel objects.
        ("kernels", {"BaseEstimator", "clone", "pairwise_kernels", "kernels"}),
    ],
)
def test_scikit_learn_stays_out_of_the_mathematics(part, allowed):
    wrong = [
        str(found)
        for found in IMPORTS
        if part_of(found.path) == part
        and found.target.split(".")[0] == "sklearn"
        and found.target.split(".")[-1] not in allowed
    ]
    assert not wrong, "\n".join(wrong)


def test_matplotlib_is_imported_in_functions_of_inspection_only():
    wrong = [
        str(found)
        for found in IMPORTS
        if found.target.split(".")[0] == "matplotlib"
        and (part_of(found.path) != "inspection" or not found.inside_function)
    ]
    assert not wrong, "\n".join(wrong)


def test_optional_packages_are_imported_in_functions():
    optional = {"dask", "distributed", "pandas", "rich", "torch"}
    wrong = [
        str(found)
        for found in IMPORTS
        if found.target.split(".")[0] in optional and not found.inside_function
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("outside", ["benchmarks", "tests", "examples", "doc", "tools"])
def test_the_package_imports_nothing_from_beside_it(outside):
    wrong = [str(found) for found in IMPORTS if found.target.split(".")[0] == outside]
    assert not wrong, "\n".join(wrong)


def test_benchmarks_are_imported_by_their_own_tests_alone():
    others = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]
    wrong = [
        str(found)
        for path in others
        if not path.name.startswith("test_benchmark_")
        for found in imports_of(path)
        if found.target.split(".")[0] == "benchmarks"
    ]
    assert not wrong, "\n".join(wrong)


def test_no_file_is_named_after_a_drawer():
    drawers = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py"}
    assert not [str(path) for path in FILES if path.name in drawers]


def test_no_prints():
    wrong = [
        f"{named(path)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert not wrong, "\n".join(wrong)


def test_files_and_functions_stay_small():
    wrong = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > 400:
            wrong.append(f"{named(path)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = node.body[0]
                documented = isinstance(first, ast.Expr) and isinstance(
                    first.value, ast.Constant
                )
                start = first.end_lineno if documented else node.lineno
                if node.end_lineno - start > 60:
                    wrong.append(
                        f"{named(path)}:{node.lineno} {node.name} has "
                        f"{node.end_lineno - start} lines"
                    )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "examples", "tools", "doc"])
def test_files_beside_the_package_stay_readable(folder):
    long = {
        str(path.relative_to(ROOT)): count
        for path in (ROOT / folder).rglob("*.py")
        if (count := path.read_text(encoding="utf-8").count("\n")) > 500
    }
    assert not long


def test_importing_the_package_is_light():
    code = (
        "import sys, skopt2\n"
        "assert skopt2.__version__\n"
        "heavy = {'numpy', 'scipy', 'sklearn', 'cupy', 'torch', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
