"""The file of a checkpoint: a ``.npz`` of plain arrays with a JSON header.

No pickle, so a file from elsewhere can be opened without running anything that it
contains. The header holds scalars and says what the arrays are::

    {"format": "skopt2-checkpoint", "version": 1, "estimator": "SparseRegressor",
     "n_iter": 30, "fingerprint": "...", "finished": false, "stop_reason": null,
     "state": {"step": 0.5}}

Arrays are stored as ``state/<name>`` and ``history/<name>``.
"""

import json
import os
import uuid
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from skopt2._core.array import to_numpy

_FORMAT = "skopt2-checkpoint"
_VERSION = 1
_JSON_SCALARS = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class SavedFit:
    """A fit as it is stored.

    Attributes
    ----------
    estimator : str
        Name of the class.
    n_iter : int
        Iterations done.
    fingerprint : str
        Identifies the problem: estimator, parameters and data.
    state : dict
        What the solver packed: arrays and scalars by name.
    history : dict of ndarray
        The history so far.
    finished : bool
        Whether the fit converged, so that nothing is left to resume.
    stop_reason : str or None
        Why it ended; None while it runs or after an interruption.
    """

    estimator: str
    n_iter: int
    fingerprint: str
    state: dict = field(repr=False)
    history: dict = field(repr=False)
    finished: bool = False
    stop_reason: str | None = None

    def copied(self):
        """Return a fit whose arrays do not change when the solver goes on."""
        return replace(
            self,
            state={
                name: value if isinstance(value, _JSON_SCALARS) else np.array(value)
                for name, value in _on_host(self.state).items()
            },
            history={name: np.array(v) for name, v in _on_host(self.history).items()},
        )


def write_checkpoint(path, fit):
    """Write a fit so that the file is the old one or the new one, never half of it.

    Parameters
    ----------
    path : path-like
        File to create or replace.
    fit : SavedFit
        What to write.

    Raises
    ------
    TypeError
        If the state holds something that is neither an array nor a plain scalar.
    """
    path = Path(path)
    arrays, scalars = {}, {}
    for name, value in _on_host(fit.state).items():
        if isinstance(value, _JSON_SCALARS):
            scalars[name] = value
        else:
            arrays[f"state/{name}"] = _storable(name, value)
    for name, value in _on_host(fit.history).items():
        arrays[f"history/{name}"] = _storable(name, value)
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "estimator": fit.estimator,
        "n_iter": int(fit.n_iter),
        "fingerprint": fit.fingerprint,
        "finished": fit.finished,
        "stop_reason": fit.stop_reason,
        "state": scalars,
    }
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(partial, "xb") as file:
            np.savez(file, header=text, **arrays)
            file.flush()
            # Without it a crash of the machine can leave the new name on no data.
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def read_checkpoint(path):
    """Read what :func:`write_checkpoint` wrote.

    Parameters
    ----------
    path : path-like
        File to read.

    Returns
    -------
    fit : SavedFit
        The stored fit.

    Raises
    ------
    ValueError
        If the file is damaged, is no checkpoint, or is of a newer version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(bytes(file["header"]).decode())
            if header["format"] != _FORMAT:
                raise ValueError(header["format"])
            if header["version"] > _VERSION:
                raise NotImplementedError(header["version"])
            parts = {"state": dict(header["state"]), "history": {}}
            for key in file.files:
                part, _, name = key.partition("/")
                if part in parts:
                    value = file[key]
                    parts[part][name] = value if value.ndim else value[()]
    except NotImplementedError as error:
        raise ValueError(
            f"{path} is a checkpoint of format version {error}, newer than the "
            f"version {_VERSION} that this skopt2 reads."
        ) from None
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is not a checkpoint of skopt2, or it is damaged."
        ) from error
    return SavedFit(
        estimator=header["estimator"],
        n_iter=header["n_iter"],
        fingerprint=header["fingerprint"],
        finished=header["finished"],
        stop_reason=header["stop_reason"],
        **parts,
    )


def _on_host(values):
    """Return the dictionary with arrays of every library as NumPy arrays."""
    return {
        name: to_numpy(value) if hasattr(value, "dtype") else value
        for name, value in values.items()
    }


def _storable(name, value):
    """Return a value as an array that needs no pickle, or raise a TypeError."""
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise TypeError(
            f"{name!r} of the solver's state is a {type(value).__name__}; a checkpoint "
            "stores arrays, numbers, strings, booleans and None."
        )
    return array
