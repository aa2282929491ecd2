"""Estimators for convex and structured optimisation, on NumPy and CuPy arrays.

Every fit ends with a certificate and the reason why it stopped. This is not
scikit-optimize (``skopt``).

Subpackages, each imported when it is first used:

==========================  ===========================================================
``linear_model``            ``SparseRegressor`` and ``SparseClassifier``, to begin with;
                            groups, several targets, streams, trends
``model_selection``         cross-validation without refits, hypergradients
``transport``               optimal transport
``decomposition``           factorisation, completion, dictionaries, sparse components
``semi_supervised``         labels carried along a graph
``structure_learning``      directed graphs of the features
``neural_network``          two-layer networks as convex programs
``kernel_machine``          kernel ridge regression and classification at scale
``gaussian_process``        Gaussian processes, and searches of parameters by them
``privacy``                 differentially private estimators, accountant and audit
``covariance``              sparse inverse covariance matrices
``portfolio``               risk parity
``inspection``              plots
``callbacks``               logs, early stopping, checkpoints
``losses``, ``penalties``,  objects with parameters, for ``loss=``, ``penalty=`` and
``kernels``                 ``kernel=``
``datasets``                problems with a known answer
==========================  ===========================================================
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
_IN_SUBPACKAGES = ": classes are in its subpackages, skopt2.linear_model for example"

__all__ = ["__version__", *sorted(_NAMES), *sorted(_SUBPACKAGES)]


def __getattr__(name):
    # Nothing is imported until it is used: importing skopt2 costs next to nothing.
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
        globals()[name] = value
        return value
    # With the name and the module, Python itself adds "Did you mean ...?".
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}"
        f"{_IN_SUBPACKAGES if name[:1].isupper() else ''}",
        name=name,
        obj=importlib.import_module(__name__),
    )


def __dir__():
    # What completion shows: nothing of how the module is made.
    return sorted([*__all__, "__doc__", "__file__", "__name__", "__path__"])
