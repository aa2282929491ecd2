"""Estimators for convex and structured optimisation, on NumPy and CuPy arrays.

Every fit ends with a certificate and the reason why it stopped. This is not
scikit-optimize (``skopt``).
"""

import importlib

__version__ = "0.1.0"

_SUBPACKAGES = frozenset(
    {
        "callbacks",
        "covariance",
        "datasets",
        "decomposition",
        "gaussian_process",
        "inspection",
        "kernel_machine",
        "kernels",
        "linear_model",
        "losses",
        "model_selection",
        "neural_network",
        "penalties",
        "portfolio",
        "privacy",
        "semi_supervised",
        "structure_learning",
        "transport",
    }
)
_NAMES = {"to_device": "skopt2._core.transfer"}

__all__ = ["__version__", *sorted(_NAMES), *sorted(_SUBPACKAGES)]


def __getattr__(name):
    # Nothing is imported until it is used: importing skopt2 costs next to nothing.
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
