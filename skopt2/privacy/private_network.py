"""What the private networks share: from parameters to a descent, and back."""

from dataclasses import replace

import numpy as np

from skopt2._core.array import asarray_like, device_of, is_sparse, namespace, to_numpy
from skopt2._core.chunks import by_blocks
from skopt2._core.parameters import check_choice, check_count, check_number
from skopt2._core.validation import check_predict_input
from skopt2.privacy.private_input import rows_or_zeros
from skopt2.privacy.private_linear_model import PrivateLinearModel, numpy_dtype
from skopt2.solvers.privacy.network_query import (
    ACTIVATIONS,
    Network,
    NetworkQuery,
    forward,
)
from skopt2.solvers.privacy.query import sensitivity
from skopt2.solvers.privacy.rows import prepare
from skopt2.solvers.privacy.schedule import Schedule

SOLVERS = ("auto", "gd", "sgd")
MOST_LAYERS = 2


class PrivateNetwork(PrivateLinearModel):
    """Base of the private networks.

    They take the rows, the budget and the steps as the private linear models do. A
    subclass has ``_y_kind``, ``_defaults``, the constants of its loss, and
    ``_task(data)``, which returns the loss, the number of outputs and the encoder of
    targets; and it can overwrite ``_in_units``.
    """

    # Every layer has biases of its own; the rows have no intercept column.
    fit_intercept = False

    def _schedule(self, data, loss, n_outputs, budget):
        """Return steps and clipping norm; the step size follows the noise."""
        n_steps, bound = self.max_iter, self.max_grad_norm
        if n_steps == "auto":
            n_steps = self._defaults.steps(self._rate(data))
        if bound == "auto":
            bound = self._defaults.clipping_norm
        return Schedule(int(n_steps), 0.0, float(bound))

    def _plan(self, schedule, rate, multiplier, n_rows):
        """Return the plan with a step size and a momentum, the user's or the default.

        Both follow the noise, which is known by now.
        """
        plan = super()._plan(schedule, rate, multiplier, n_rows)
        bound = schedule.clipping_norm
        noise = multiplier * sensitivity(bound, self.relation)
        step, momentum = self._defaults.pace(n_rows, plan, noise, bound, self.momentum)
        if self.learning_rate != "auto":
            step = float(self.learning_rate)
        return replace(plan, learning_rate=step, momentum=float(momentum))

    def _rule(self, schedule, loss, n_outputs):
        return None

    def _query(self, rows, loss, n_outputs, clipping_norm):
        network = self._network(rows.n_features, n_outputs)
        return NetworkQuery(rows, network, loss, clipping_norm, clipping=self.clipping)

    def _start_values(self, query, seed):
        generator = np.random.default_rng(seed)
        return query.network.initial(generator, self._defaults.gain)

    def _decayed(self, query, start):
        return asarray_like(query.network.decayed(), start)

    def _check_parameters(self):
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("solver", self.solver, SOLVERS)
        momentum = self.momentum
        check_number("momentum", momentum, 0, 1, closed="low", named=("auto",))
        self._hidden()
        super()._check_parameters()

    def _hidden(self):
        """Return the widths of the hidden layers."""
        sizes = self.hidden_layer_sizes
        sizes = (sizes,) if np.ndim(sizes) == 0 else tuple(sizes)
        if not 1 <= len(sizes) <= MOST_LAYERS:
            raise ValueError(
                f"hidden_layer_sizes must have one or {MOST_LAYERS} layers; got "
                f"hidden_layer_sizes={self.hidden_layer_sizes!r}."
            )
        for size in sizes:
            check_count("hidden_layer_sizes", size)
        return tuple(int(size) for size in sizes)

    def _network(self, n_features, n_outputs):
        """Return the layers."""
        hidden = self._hidden()
        return Network(
            (n_features, *hidden, n_outputs),
            self.activation,
            self._defaults.input_scale / float(self.feature_norm),
            self._defaults.hidden_scale(max(hidden)),
        )

    def _attributes(self, W, query, row_map, dtype):
        """Return weights and biases for rows as they are mapped."""
        dtype, network = numpy_dtype(dtype), query.network
        layers = network.layers(np.asarray(to_numpy(W), dtype=np.float64))
        scales = [network.input_scale]
        scales += [network.hidden_scale] * (len(layers) - 1)
        pairs = [(w * scale, b) for (w, b), scale in zip(layers, scales, strict=True)]
        pairs[-1] = self._in_units(*pairs[-1])
        return {
            "coefs_": [w.astype(dtype) for w, _ in pairs],
            "intercepts_": [b.astype(dtype) for _, b in pairs],
            "_rows_as": row_map,
            "_row_norm": float(self.feature_norm),
            "_layers": Network(network.widths, network.activation),
        }

    def _in_units(self, coef, intercept):
        """Return the last layer for outputs in the units of the targets."""
        return coef, intercept

    @property
    def _first_coef(self):
        return self.coefs_[0]

    @by_blocks
    def _outputs(self, X, method):
        """Return the outputs of the last layer, (n, K)."""
        X = check_predict_input(
            self, X, attribute="_first_coef", method=method, finite=False
        )
        X = rows_or_zeros(X)
        xp = namespace(X.data if is_sparse(X) else X)
        block = prepare(
            X,
            xp.zeros(X.shape[0], dtype=X.dtype, device=device_of(X)),
            None,
            self._rows_as,
            self._row_norm,
            False,
        )
        layers = list(zip(self.coefs_, self.intercepts_, strict=True))
        return forward(self._layers, layers, block.X, block.scale)[1]
