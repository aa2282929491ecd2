"""Settings of Opacus: the grid that was searched, and the best of it.

Names are those of :class:`benchmarks.privacy_peers.opacus_peer.Setting`. The search
(``python -m benchmarks.privacy --search``) scores every setting on the test parts of
three splits and the best four of them on those of all: it favours Opacus. For digits,
what is far from the best budget by budget was left out.
"""

_STEPS = (
    (64, 20),
    (64, 40),
    (128, 20),
    (256, 20),
    (256, 40),
    (512, 40),
    # All rows.
    (2048, 50),
)
_RATES = tuple(
    (size / clip, clip) for size in (1, 2, 4, 8, 16) for clip in (1, 0.5, 0.25)
)
LINEAR_GRID = [
    f"{lr:g} {clip:g} {batch} {epochs}"
    for lr, clip in _RATES
    for batch, epochs in _STEPS
]
NETWORK_GRID = [
    f"{lr:g} {clip:g} {batch} {epochs} {hidden}"
    for hidden in (32, 64)
    for lr, clip in ((1, 1), (2, 1), (4, 1), (4, 0.5), (8, 0.5), (8, 0.25))
    for batch, epochs in ((256, 20), (256, 40), (512, 80))
]
SPEED = "8 1 1024 3"
CHOSEN = {
    "accuracy-digits": {
        0.1: "8 0.25 2048 50",
        0.5: "8 0.25 256 40",
        1.0: "4 0.5 256 40",
        2.0: "8 0.5 128 20",
        4.0: "16 0.5 128 20",
        8.0: "64 0.25 128 20",
    },
    "accuracy-breast_cancer": {
        0.1: "4 0.25 2048 50",
        0.5: "8 0.25 64 20",
        1.0: "16 0.25 64 20",
        2.0: "8 0.5 64 20",
        4.0: "16 0.5 64 20",
        8.0: "64 0.25 64 20",
    },
    "accuracy-wine": {
        0.1: "8 0.25 256 20",
        0.5: "2 0.5 256 40",
        1.0: "2 0.5 256 40",
        2.0: "2 0.5 256 40",
        4.0: "4 0.5 256 20",
        8.0: "2 1 256 40",
    },
    "network-digits": {
        0.5: "1 1 256 20 32",
        1.0: "8 0.25 256 20 32",
        2.0: "8 0.25 256 40 32",
        4.0: "8 0.25 256 40 64",
        8.0: "4 1 256 40 32",
    },
}
