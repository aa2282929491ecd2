"""Settings of Opacus: the grid that was searched, and the best of it.

Names are those of :class:`benchmarks.privacy_peers.opacus_peer.Setting`. The search
(``python -m benchmarks.privacy --search``) scores every setting on the test parts of
three splits and the best three of them on those of all: it favours Opacus.
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
_LINEAR = dict.fromkeys((0.1, 0.5, 1.0, 2.0, 4.0, 8.0), "8 0.25 256 40")
CHOSEN = {
    "accuracy-digits": _LINEAR,
    "accuracy-wine": _LINEAR,
    "accuracy-breast_cancer": _LINEAR,
    "network-digits": dict.fromkeys((0.5, 1.0, 2.0, 4.0, 8.0), "4 0.5 512 80 32"),
}
