"""Opacus: DP-SGD for the same models, with settings that suit each set and budget.

Names of settings are ``lr clip batch epochs`` and, for networks, the hidden units. On
its small sets the noise is what its PRV accountant allows to within a thousandth of
epsilon, and its search for it is not timed; the speed case asks for noise as its
documentation does. Rows are handed over a batch at a time; in the speed case there is
also the ``usual`` loader of torch, which stacks them one by one and takes as long as
the steps.
"""

import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import opacus
import torch
from opacus.accountants.utils import get_noise_multiplier

from benchmarks.privacy_peers.base import Peer
from benchmarks.privacy_peers.opacus_settings import (
    CHOSEN,
    LINEAR_GRID,
    NETWORK_GRID,
    SPEED,
)


@dataclass(frozen=True)
class Setting:
    """How a model is trained; ``hidden`` is 0 for a linear one."""

    lr: float
    clip: float
    batch: int
    epochs: int
    hidden: int = 0

    @classmethod
    def named(cls, name):
        """Setting of a name; a word after the numbers is not read."""
        words = [word for word in name.split() if word[0].isdigit()]
        lr, clip, *counts = words
        return cls(float(lr), float(clip), *map(int, counts))


class _Rows(torch.utils.data.TensorDataset):
    """Rows of tensors, a batch of them at once."""

    def __getitems__(self, indices):
        rows = torch.as_tensor(indices, dtype=torch.int64)
        return [tensor[rows] for tensor in self.tensors]


def _whole(batch):
    return batch


@lru_cache(maxsize=4096)
def _noise(epsilon, delta, rate, epochs):
    return get_noise_multiplier(
        target_epsilon=epsilon,
        target_delta=delta,
        sample_rate=rate,
        # As many as the loader makes.
        steps=epochs * round(1.0 / rate),
        accountant="prv",
        epsilon_tolerance=1e-3 * epsilon,
    )


def _model(d, n_classes, hidden):
    """Linear scores from zero, one for two classes, or a network."""
    if not hidden:
        one = n_classes == 2
        linear = torch.nn.Linear(d, 1 if one else n_classes)
        torch.nn.init.zeros_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
        # One score for two classes, as a vector: ghost clipping needs a loss a row.
        return torch.nn.Sequential(linear, torch.nn.Flatten(0)) if one else linear
    return torch.nn.Sequential(
        torch.nn.Linear(d, hidden), torch.nn.Tanh(), torch.nn.Linear(hidden, n_classes)
    )


class OpacusPeer(Peer):
    """Adapter of Opacus."""

    version = opacus.__version__

    def variants(self, case, epsilon, search=False):
        if case.kind == "accountant":
            return ["prv", "rdp"]
        if case.kind == "speed":
            modes = ("usual hooks", "usual ghost", "hooks", "ghost")
            return [f"{SPEED} {mode}" for mode in modes]
        if case.kind == "regression":
            return []
        if search:
            return NETWORK_GRID if case.kind == "network" else LINEAR_GRID
        return [CHOSEN[case.name][epsilon]]

    def prepare(self, problem, variant):
        setting = Setting.named(variant)
        y = torch.as_tensor(problem.y)
        if problem.n_classes == 2:
            y = y.to(torch.float32)
        rows = _Rows(torch.as_tensor(problem.X, dtype=torch.float32), y)
        sigma = None
        if problem.case.kind != "speed":
            batches = -(-len(rows) // setting.batch)
            delta = problem.case.delta
            sigma = _noise(problem.epsilon, delta, 1.0 / batches, setting.epochs)
        return problem, setting, rows, sigma

    def fit(self, prepared, variant):
        problem, setting, rows, sigma = prepared
        torch.manual_seed(problem.seed)
        ghost = variant.endswith("ghost")
        usual = "usual" in variant
        loader = torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(*rows.tensors) if usual else rows,
            batch_size=setting.batch,
            collate_fn=None if usual else _whole,
        )
        two = problem.n_classes == 2
        loss = torch.nn.BCEWithLogitsLoss() if two else torch.nn.CrossEntropyLoss()
        model = _model(rows.tensors[0].shape[1], problem.n_classes, setting.hidden)
        parts = {
            "module": model,
            "optimizer": torch.optim.SGD(model.parameters(), lr=setting.lr),
            "data_loader": loader,
            "max_grad_norm": setting.clip,
            "criterion": loss,
            "grad_sample_mode": "ghost" if ghost else "hooks",
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            engine = opacus.PrivacyEngine(accountant="prv")
            if sigma is None:
                made = engine.make_private_with_epsilon(
                    **parts,
                    target_epsilon=problem.epsilon,
                    target_delta=problem.case.delta,
                    epochs=setting.epochs,
                )
            else:
                made = engine.make_private(**parts, noise_multiplier=sigma)
            model, optimizer, *criterion, loader = made
            loss = criterion[0] if criterion else loss
            for _ in range(setting.epochs):
                for X, y in loader:
                    optimizer.zero_grad()
                    loss(model(X), y).backward()
                    optimizer.step()
        return model

    def predict(self, model, X):
        with torch.no_grad():
            values = model(torch.as_tensor(X, dtype=torch.float32))
        if values.ndim == 1:
            return np.asarray(values > 0).astype(int)
        return np.asarray(values.argmax(dim=1))

    def noise(self, variant, epsilon, delta, rate, steps):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return get_noise_multiplier(
                target_epsilon=epsilon,
                target_delta=delta,
                sample_rate=rate,
                steps=steps,
                accountant=variant,
            )


ADAPTER = OpacusPeer()
