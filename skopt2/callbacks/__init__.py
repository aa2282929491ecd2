"""Callbacks on scikit-learn's protocol: checkpoints, text logs, early stopping.

Register them with ``estimator.set_callbacks(...)``, beside scikit-learn's own
``ProgressBar`` and ``ScoringMonitor``. :class:`TextLog` and :class:`EarlyStopping` are
registered on the outermost estimator and reach what it fits; :class:`Checkpoint`
belongs to the very estimator whose fit it saves.
"""

from skopt2.callbacks.checkpoint import Checkpoint
from skopt2.callbacks.early_stopping import EarlyStopping, EarlyStoppingRun
from skopt2.callbacks.text_log import TextLog

__all__ = ["Checkpoint", "EarlyStopping", "EarlyStoppingRun", "TextLog"]


def __dir__():
    return __all__
