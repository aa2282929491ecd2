"""What a tensor factorisation is asked for, and what is kept of its fit."""

from skopt2._core.parameters import check_count
from skopt2.decomposition.factorization_options import (
    block_levels,
    block_term,
    check_blocks,
    check_scales,
)
from skopt2.decomposition.tensor_arrays import STARTS, check_shape, unit_factors
from skopt2.solvers.factorization.data import MatrixData, TensorData, atoms
from skopt2.solvers.factorization.descent import FactorDescent
from skopt2.solvers.factorization.proximal import ProximalDescent


def check_tensor_factorization(estimator):
    """Raise ValueError unless the parameters are in range and fit together.

    Parameters
    ----------
    estimator : TensorFactorization
        Not fitted.
    """
    check_count("n_components", estimator.n_components)
    check_shape(estimator.shape)
    check_blocks(estimator, STARTS, "a list of factors")
    check_scales(estimator, factor_terms(estimator, (1,)))


def factor_terms(estimator, lengths):
    """Return the terms of the codes and of the factors of each mode.

    Parameters
    ----------
    estimator : TensorFactorization
        Its parameters.
    lengths : tuple of int
        d_1, ..., d_m.
    """
    sign, n_features = estimator.nonnegative, 1
    for d in lengths:
        n_features *= d
    level, other, ratio = block_levels(estimator)
    codes, factors = sign in (True, "codes"), sign in (True, "components")
    term = block_term("elasticnet", other, ratio, factors, ball=estimator.bounded)
    first = block_term(estimator.penalty, level * n_features, ratio, codes)
    return [first, *([term] * len(lengths))]


def factor_solver(estimator, X, weights, lengths):
    """Return the solver of the problem, whose data are the samples.

    Parameters
    ----------
    estimator : TensorFactorization
        Its parameters.
    X : array of shape (n_samples, n_features)
        Samples in rows.
    weights : array of shape (n_samples,) or None
        With sum one.
    lengths : tuple of int
        d_1, ..., d_m.
    """
    if len(lengths) == 1:
        data = MatrixData(X, weights)
    else:
        data = TensorData(X, lengths, weights)
    terms = factor_terms(estimator, lengths)
    if estimator.solver == "hals":
        return FactorDescent(data, terms)
    return ProximalDescent(data, terms, float(estimator.prox))


def factor_attributes(solver, lengths, state):
    """Return the fitted attributes of a state.

    Parameters
    ----------
    solver : FactorDescent
        Which made the state.
    lengths : tuple of int
        d_1, ..., d_m.
    state : FactorState
        Blocks.
    """
    data, factors = solver.data, state.factors
    left = max(2.0 * data.residual(factors) * data.shape[0], 0.0)
    if not any(term.penalised or term.ball for term in solver.terms):
        factors = unit_factors(state)
    return {
        "factors_": list(factors[1:]),
        "components_": atoms(factors),
        "shape_": tuple(lengths),
        "reconstruction_err_": left**0.5,
        "n_components_": int(factors[0].shape[0]),
    }
