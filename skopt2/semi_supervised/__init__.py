"""Classification with few labels, on graphs of the samples."""

from skopt2.semi_supervised.graph_label_propagation import GraphLabelPropagation

__all__ = ["GraphLabelPropagation"]


def __dir__():
    return __all__
