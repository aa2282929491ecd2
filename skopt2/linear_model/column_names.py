"""Which columns a name stands for, after transformers have renamed them.

A name is looked up by these rules, and the first that finds something counts:

1. it is the name of a column: ``"scale__age"``;
2. it has ``*``, ``?`` or ``[``: a pattern as of file names, upper and lower case apart,
   for all columns that match: ``"onehot__*"``;
3. it is the name of a column before the transformers: all columns that are called so
   once the prefix of a transformer is taken off (``"age"``: ``"scale__age"``), or that
   begin with the name and an underscore (``"city"``: ``"onehot__city_Paris"``);
4. it is a transformer: all columns with its prefix (``"onehot"``).

Rules 3 and 4 must lead to the columns of one transformer only; otherwise the name is
ambiguous, and refused. A column of that very name settles it. A column that begins with
two names, such as ``city_size_small`` with ``city`` and ``city_size``, belongs to the
longer one, and to a column before a transformer.
"""

import difflib
import math
from dataclasses import dataclass
from fnmatch import fnmatchcase

# How ColumnTransformer and FeatureUnion join the name of a transformer and of a column.
JOINT = "__"
_SHOWN = 6


@dataclass(frozen=True)
class Match:
    """The columns that a name stands for.

    Parameters
    ----------
    columns : tuple of int
        Their numbers.
    length : float
        Length of what begins their names, up to the end of the name that was written;
        infinite where it is all of it, NaN for a pattern, which gives way to nothing.
    """

    columns: tuple
    length: float


class ColumnNames:
    """The names of the columns of X.

    Parameters
    ----------
    names : sequence of str
        In the order of the columns.
    """

    def __init__(self, names):
        self.names = [str(name) for name in names]
        self._number = {name: j for j, name in enumerate(self.names)}
        self._ends = [_ends(name) for name in self.names]

    def find(self, name):
        """Return the columns that a name stands for.

        Parameters
        ----------
        name : str
            As the user wrote it.

        Returns
        -------
        match : Match
            At least one column.

        Raises
        ------
        ValueError
            If there is no such column, or the name is ambiguous.
        """
        if name in self._number:
            return Match((self._number[name],), math.inf)
        if any(sign in name for sign in "*?["):
            found = [j for j, c in enumerate(self.names) if fnmatchcase(c, name)]
            if found:
                return Match(tuple(found), math.nan)
        found = self._before(name)
        if not found:
            raise ValueError(self._unknown(name))
        if len(found) > 1:
            shown = [self.names[match.columns[0]] for match in found.values()]
            raise ValueError(
                f"groups names {name!r}, which may stand for columns such as "
                f"{shown[0]!r} or such as {shown[1]!r}. Name the columns, or write a "
                f"pattern such as {_pattern(name, *next(iter(found)))!r}."
            )
        return next(iter(found.values()))

    def _before(self, name):
        """Return what a name before the transformers may mean, by transformer."""
        found = {}
        for j, ends in enumerate(self._ends):
            for prefix, end in ends:
                length = float(len(self.names[j]) - len(end) + len(name))
                if end == name:
                    key, length = ("column", prefix), math.inf
                elif end.startswith(name + JOINT):
                    key = ("transformer", prefix)
                elif end.startswith(name + "_"):
                    key = ("column", prefix)
                else:
                    continue
                old = found.get((*key, length))
                columns = (j,) if old is None else (*old.columns, j)
                found[(*key, length)] = Match(columns, length)
        # Columns of that very name are more than those that begin with it.
        exact = {key: match for key, match in found.items() if key[2] == math.inf}
        return exact or found

    def _unknown(self, name):
        """Return the message for a name that stands for nothing."""
        stems = {
            "_".join(end.split("_")[: k + 1])
            for ends in self._ends
            for _, end in ends
            for k in range(end.count("_") + 1)
        }
        near = difflib.get_close_matches(name, sorted(stems), n=3, cutoff=0.6)
        if near:
            hint = "Did you mean " + " or ".join(repr(one) for one in near) + "?"
        else:
            shown = ", ".join(repr(one) for one in self.names[:_SHOWN])
            more = ", ..." if len(self.names) > _SHOWN else ""
            hint = f"X has {shown}{more}."
        return f"groups names {name!r}, but X has no such column. {hint}"


def _ends(name):
    """Return what remains of a name without its transformers, and their prefixes."""
    parts = name.split(JOINT)
    return [
        (JOINT.join(parts[:k]), JOINT.join(parts[k:]))
        for k in range(len(parts))
        if JOINT.join(parts[k:])
    ]


def _pattern(name, kind, prefix, length):
    """Return a pattern for the columns of one meaning of a name."""
    start = prefix + JOINT + name if prefix else name
    if length == math.inf:
        return start
    return start + (JOINT if kind == "transformer" else "_") + "*"
