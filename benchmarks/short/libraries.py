"""The libraries of the short benchmark, and which Python has them."""

import importlib
import importlib.metadata
import os
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Library:
    """One library.

    Attributes
    ----------
    title : str
        Name in the table.
    module : str
        What is imported.
    package : str
        What is installed.
    """

    title: str
    module: str
    package: str


LIBRARIES = {
    "skopt2": Library("skopt2", "skopt2", "skopt2"),
    "sklearn": Library("scikit-learn", "sklearn", "scikit-learn"),
    "celer": Library("celer", "celer", "celer"),
    "skglm": Library("skglm", "skglm", "skglm"),
    "adelie": Library("adelie", "adelie", "adelie"),
    "cvxpy": Library("CVXPY", "cvxpy", "cvxpy"),
    "pot": Library("POT", "ot", "POT"),
    "ott": Library("OTT-JAX", "ott", "ott-jax"),
    "geomloss": Library("GeomLoss", "geomloss", "geomloss"),
    "falkon": Library("Falkon", "falkon", "falkon"),
    "gpytorch": Library("GPyTorch", "gpytorch", "gpytorch"),
    "optuna": Library("optuna", "optuna", "optuna"),
    "skopt": Library("scikit-optimize", "skopt", "scikit-optimize"),
    "diffprivlib": Library("diffprivlib", "diffprivlib", "diffprivlib"),
    "opacus": Library("Opacus", "opacus", "opacus"),
    "gglasso": Library("GGLasso", "gglasso", "gglasso"),
    "dagma": Library("DAGMA", "dagma", "dagma"),
    "riskparity": Library(
        "riskparityportfolio", "riskparityportfolio", "riskparityportfolio"
    ),
    "numpy": Library("plain NumPy", "numpy", "numpy"),
    "scipy": Library("SciPy", "scipy", "scipy"),
}


def version_of(name):
    """Import a library and return its version.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    library = LIBRARIES[name]
    module = importlib.import_module(library.module)
    try:
        return importlib.metadata.version(library.package)
    except importlib.metadata.PackageNotFoundError:
        return str(getattr(module, "__version__", ""))


def variable(name):
    """Name of the environment variable with the Python of a library."""
    return f"BENCHMARK_PYTHON_{name.upper()}"


def interpreters(pairs, environment=os.environ):
    """Return the Python of every library.

    Parameters
    ----------
    pairs : sequence of str
        ``LIBRARY=PATH``, before what the environment says.
    environment : mapping
        With variables of :func:`variable`.

    Returns
    -------
    found : dict of str to str
        The running Python for a library that is not named.

    Raises
    ------
    ValueError
        If a pair names no library.
    """
    given = {}
    for pair in pairs:
        name, _, path = pair.partition("=")
        if name not in LIBRARIES or not path:
            known = ", ".join(LIBRARIES)
            raise ValueError(f"{pair!r} is not LIBRARY=PATH; libraries: {known}")
        given[name] = path
    return {
        name: given.get(name) or environment.get(variable(name)) or sys.executable
        for name in LIBRARIES
    }
