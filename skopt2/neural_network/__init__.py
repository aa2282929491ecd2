"""Two-layer ReLU networks, trained to the optimum as convex programs."""

from skopt2.neural_network.convex_relu_classifier import ConvexReLUClassifier
from skopt2.neural_network.convex_relu_regressor import ConvexReLURegressor

__all__ = ["ConvexReLUClassifier", "ConvexReLURegressor"]


def __dir__():
    return __all__
