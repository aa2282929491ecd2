"""Rows of the table: skopt2 beside the best peer."""

import math
from dataclasses import dataclass

# Ratios between which other work on the machine may decide.
EVEN = (0.8, 1.25)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    family, case, measure : str
        Of the contest.
    target : float or None
        Quality to reach, None where quality is compared.
    seconds, first, quality : float
        Of skopt2: processor seconds, those of the first call, and what was reached.
    peer, peer_version, peer_setting : str
        Best library beside it, and how it was called.
    peer_seconds, peer_first, peer_quality : float
        Of that library.
    ratio : float
        ``seconds / peer_seconds``.
    verdict : {"ahead", "even", "behind", "alone", "absent", "not run"}
        ``alone``: no peer that is installed reached the target; ``absent``: a peer
        that is not installed; ``not run``: skopt2 has no figures.
    remark : str
        Why the peer is ahead, or why there are no figures.
    """

    family: str
    case: str
    measure: str
    target: float | None = None
    seconds: float = math.nan
    first: float = math.nan
    quality: float = math.nan
    peer: str = ""
    peer_version: str = ""
    peer_setting: str = ""
    peer_seconds: float = math.nan
    peer_first: float = math.nan
    peer_quality: float = math.nan
    ratio: float = math.nan
    verdict: str = "not run"
    remark: str = ""


def reaches(contest, outcome):
    """Whether an outcome has figures that count."""
    if outcome.error or not math.isfinite(outcome.quality):
        return False
    return contest.target is None or outcome.quality <= contest.target


def best_peer(contest, outcomes):
    """Return the outcome of the best peer, or None.

    The fastest that reaches the target; without a target the best, and the fastest of
    those that are within the margin of it.
    """
    good = [one for one in outcomes if reaches(contest, one)]
    if not good:
        return None
    if contest.target is None:
        best = min(one.quality for one in good)
        good = [one for one in good if one.quality <= best + contest.margin]
    return min(good, key=lambda one: one.seconds)


def verdict(contest, own, peer):
    """Say who is ahead: by quality where that is compared, and then by time."""
    if contest.target is None and abs(own.quality - peer.quality) > contest.margin:
        return "ahead" if own.quality < peer.quality else "behind"
    ratio = own.seconds / peer.seconds
    if ratio < EVEN[0]:
        return "ahead"
    return "behind" if ratio > EVEN[1] else "even"


def make_rows(contest, outcomes):
    """Rows of a contest: one for all libraries, one for each that is not there.

    Parameters
    ----------
    contest : Contest
        Which.
    outcomes : sequence of Outcome
        That of skopt2 first.

    Returns
    -------
    rows : list of Row
    """
    own, *others = outcomes
    common = {
        "family": contest.family,
        "case": contest.name,
        "measure": contest.measure,
        "target": contest.target,
    }
    rows = [_row(contest, own, others, common)]
    for other in others:
        if other.error:
            rows.append(
                Row(**common, peer=other.library, verdict="absent", remark=other.error)
            )
    return rows


def _row(contest, own, others, common):
    if own.error:
        return Row(**common, remark=own.error)
    figures = {"seconds": own.seconds, "first": own.first, "quality": own.quality}
    peer = best_peer(contest, others)
    if not reaches(contest, own):
        word = "behind" if peer else "not run"
        text = f"skopt2 reaches {own.quality:.1e} only. {contest.remark}".strip()
        figures |= {"verdict": word, "remark": text}
    if peer is None:
        figures.setdefault("verdict", "alone")
        figures.setdefault("remark", _closest(others))
        return Row(**common, **figures)
    figures.setdefault("verdict", verdict(contest, own, peer))
    remark = contest.remark if figures["verdict"] == "behind" else ""
    figures.setdefault("remark", remark)
    return Row(
        **common,
        **figures,
        peer=peer.library,
        peer_version=peer.version,
        peer_setting=peer.setting,
        peer_seconds=peer.seconds,
        peer_first=peer.first,
        peer_quality=peer.quality,
        ratio=own.seconds / peer.seconds,
    )


def _closest(others):
    tried = [one for one in others if not one.error and math.isfinite(one.quality)]
    if not tried:
        return "no peer is installed"
    near = min(tried, key=lambda one: one.quality)
    return f"closest: {near.library} {near.quality:.1e} in {near.seconds:.2g} s"
