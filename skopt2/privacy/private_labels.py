"""Labels of private classifiers, and the targets of their losses."""

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from skopt2._core.labels import signs
from skopt2.privacy.leak import warn_leak


class LabelEncoder:
    """Targets of labels; a label that is not in the list counts as nothing.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels.
    kind : {"signs", "one_hot"}
        1 for the class and -1 for the others, one column for two classes; or a column
        of 0 and 1 for each class, and signs for two.
    """

    def __init__(self, classes, kind):
        self.classes = classes
        self.kind = kind

    def __call__(self, y):
        """Return targets of shape (n,) or (n, K), and 0.0 for unknown labels.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Labels of any kind.

        Returns
        -------
        targets : ndarray of shape (n,) or (n, n_classes)
            float64.
        keep : ndarray of shape (n,)
            0.0 or 1.0.
        """
        codes, known = self._codes(y)
        n_classes = self.classes.shape[0]
        if n_classes == 2:
            targets = signs(codes, 2)[:, 0]
        elif self.kind == "signs":
            targets = signs(codes, n_classes)
        else:
            targets = (codes[:, None] == np.arange(n_classes)).astype(np.float64)
        return targets, known.astype(np.float64)

    def _codes(self, y):
        """Return class numbers, and which labels are in the list."""
        classes = self.classes
        if y.dtype.kind == "O" or y.dtype.kind != classes.dtype.kind:
            # Labels that do not compare with each other must not raise.
            table = {label: code for code, label in enumerate(classes.tolist())}
            codes = np.array([_look_up(table, label) for label in y.tolist()], int)
            return np.maximum(codes, 0), codes >= 0
        codes = np.minimum(np.searchsorted(classes, y), classes.shape[0] - 1)
        return codes, classes[codes] == y


def _look_up(table, label):
    try:
        return table.get(label, -1)
    except TypeError:
        return -1


def public_classes(estimator, data):
    """Return the labels of a classifier, the user's or, with a warning, those of y.

    Parameters
    ----------
    estimator : estimator
        With the parameter ``classes``.
    data : PrivateInput
        Read only where ``classes`` is None.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        Sorted.

    Raises
    ------
    ValueError
        If there are fewer than two, or one twice.
    """
    if estimator.classes is not None:
        given = np.asarray(estimator.classes)
        classes = np.unique(given)
        if given.ndim != 1 or classes.size < 2 or classes.size < given.size:
            raise ValueError(
                "classes must list at least two different labels; got "
                f"classes={estimator.classes!r}."
            )
        return classes
    found = []
    for _, y in data.chunks():
        check_classification_targets(y)
        found.append(np.unique(y))
    classes = np.unique(np.concatenate(found))
    if classes.size < 2:
        raise ValueError(
            f"{type(estimator).__name__} needs samples of at least 2 classes in y, but "
            f"there is only one class: {classes.tolist()[0]!r}. Give all labels that "
            "there can be as classes."
        )
    warn_leak(
        "classes=None takes the labels from y, which tells which labels there are: "
        "give the labels that there can be as classes."
    )
    return classes
