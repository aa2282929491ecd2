"""Transport maps of samples, to be tested."""

from skopt2.transport import SinkhornTransport

MAPS = ["entropic", "debiased", "progressive"]


def fit(reg, *args, **options):
    """Fit a model whose options and data are told apart by name."""
    names = ("target", "target_labels", "sample_weight", "target_weight")
    data = {name: options.pop(name) for name in names if name in options}
    return SinkhornTransport(reg, **options).fit(*args, **data)


def cross_class(model, y, target_labels):
    """Return the mass of the plan between points of different classes."""
    return model.plan_[y[:, None] != target_labels].sum()
