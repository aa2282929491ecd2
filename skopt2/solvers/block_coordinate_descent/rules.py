"""The rules of a block descent: partition, selection, update.

Source: J. Nutini, I. Laradji and M. Schmidt, Let's make block coordinate descent
converge faster, JMLR 23:131, 2022, sections 2 to 5.
"""

from dataclasses import dataclass
from typing import Any

from skopt2._core.parameters import check_choice

PARTITIONS = ("variable", "order", "lipschitz", "forest", "variable forest")
SELECTIONS = ("cyclic", "random", "gs", "gsl", "gsd", "gsq")
UPDATES = ("gradient", "diagonal", "matrix", "newton")


@dataclass(frozen=True)
class BlockRules:
    """What a block descent does in each of its updates.

    Parameters
    ----------
    partition : str
        ``"order"``: blocks of neighbours; ``"lipschitz"``: blocks of coordinates with
        bounds of one size; ``"variable"``: a new block for each update, of the
        coordinates with the largest scores; ``"forest"`` and ``"variable forest"`` the
        same for forests of a sparse Hessian.
    selection : str
        ``"cyclic"``, ``"random"``, ``"gs"``, ``"gsl"``, ``"gsd"`` or ``"gsq"``.
    update : str
        ``"gradient"``, ``"diagonal"``, ``"matrix"`` or ``"newton"``.
    block_size : int
        Coordinates of a block; forests have sizes of their own.
    finish : bool
        Whether Newton steps on the identified pattern end the descent.
    extrapolate : bool
        Whether sweeps are extrapolated.
    random_state : None, int, RandomState or Generator
        Seed of the random selection.

    Raises
    ------
    ValueError
        If there is no such rule, or two do not go together.
    """

    partition: str = "variable"
    selection: str = "gsd"
    update: str = "newton"
    block_size: int = 50
    finish: bool = True
    extrapolate: bool = False
    random_state: Any = None

    def __post_init__(self):
        for name, known in (
            ("partition", PARTITIONS),
            ("selection", SELECTIONS),
            ("update", UPDATES),
        ):
            check_choice(name, getattr(self, name), known)
        if self.variable and self.selection == "cyclic":
            raise ValueError(
                "selection='cyclic' visits blocks in turn, and partition="
                f"{self.partition!r} has none that stay. Use partition='order', or a "
                "greedy selection such as 'gsd'."
            )
        if self.partition == "variable forest" and self.selection == "gsq":
            raise ValueError(
                "selection='gsq' would have to try every forest. With partition="
                "'variable forest' use selection='gsd'."
            )

    @property
    def variable(self):
        """True if blocks are formed anew for each update."""
        return self.partition.startswith("variable")

    @property
    def greedy(self):
        """True if the selection looks at the whole gradient."""
        return self.selection not in ("cyclic", "random")
