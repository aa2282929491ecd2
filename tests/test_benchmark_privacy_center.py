"""The table of private centring."""

from benchmarks.privacy_center import main, scores


def test_every_input_has_a_line(capsys):
    main(["--data", "wine", "--splits", "2", "--epsilon", "8"])
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["data", "input", "centre", "8.0"]
    assert len(lines) == 4
    assert all(0.7 < float(line.split()[-1]) <= 1 for line in lines)


def test_splits_and_inputs_differ():
    plain = scores("wine", 4.0, bounded=False, private=False, n_splits=3)
    assert len(plain) == 3
    assert plain != scores("wine", 4.0, bounded=True, private=False, n_splits=3)
    assert plain == scores("wine", 4.0, bounded=False, private=False, n_splits=3)
