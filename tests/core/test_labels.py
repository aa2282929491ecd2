"""Labels of streams, targets of classifiers, and labels of scores."""

import numpy as np
import pytest

from skopt2._core.labels import codes_among, known_labels, labels_of, signs


def test_known_labels_are_sorted_and_stay():
    first = known_labels(["c", "a", "b", "a"])
    assert first.tolist() == ["a", "b", "c"]
    assert known_labels(None, first) is first
    assert known_labels(None) is None
    np.testing.assert_array_equal(known_labels(["b", "c", "a"], first), first)
    with pytest.raises(ValueError, match=r"\['a', 'b'\] are not those of the first"):
        known_labels(["a", "b"], first)
    with pytest.raises(ValueError, match=r"at least two labels; got \[3\]"):
        known_labels(np.array([3, 3]))


def test_labels_on_a_device(device_backend):
    known = known_labels(device_backend.asarray([5, 2, 9]))
    assert known.tolist() == [2, 5, 9]
    codes = device_backend.asarray([1, 0, 1])
    assert codes_among(known, np.array([2, 9]), codes).tolist() == [2, 0, 2]


@pytest.mark.parametrize("strange", [1, 3, 7])
def test_a_label_that_is_not_known(strange):
    found = np.unique([2, strange])
    with pytest.raises(ValueError, match=rf"new labels \[{strange}\]"):
        codes_among(np.array([2, 5]), found, np.array([0, 1]))


def test_signs():
    assert signs(np.array([1, 0]), 2).tolist() == [[1.0], [-1.0]]
    wanted = [[-1.0, -1.0, 1.0], [1.0, -1.0, -1.0]]
    assert signs(np.array([2, 0]), 3).tolist() == wanted


def test_labels_of_scores(device_backend, dispatch):
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((6, 3))
    there = device_backend.asarray(scores)
    found = labels_of(there, np.array([2, 5, 9]), there)
    assert type(found) is type(there)
    wanted = np.array([2, 5, 9])[scores.argmax(axis=1)]
    np.testing.assert_array_equal(device_backend.to_numpy(found), wanted)
    names = labels_of(there[:, :1], np.array(["no", "yes"]), there)
    np.testing.assert_array_equal(names, np.where(scores[:, 0] > 0, "yes", "no"))
