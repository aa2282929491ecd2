"""A reader finds the same seven things on each page of the user guide."""

import re
from pathlib import Path

import pytest

DOC = Path(__file__).resolve().parent.parent / "doc"
GUIDE = DOC / "user_guide"

# The start of a title, or some of them, for each thing that a page has.
WHEN = "When to use "
PROBLEM = "The problem"
CHOOSE = ("Choosing ", "How to choose ", "Kernels, and their length scale")
CERTIFICATE = "What the certificate means"
COST = "What it costs"
LIMITS = ("Limits", "Pitfalls")
PAPERS = "Papers"
ALL = (WHEN, PROBLEM, CHOOSE, CERTIFICATE, COST, LIMITS, PAPERS)

FAMILIES = (
    "approximate_cv",
    "convex_relu",
    "coreset_gp",
    "cvar",
    "factorization",
    "gaussian_processes",
    "graphical_models",
    "groups",
    "hyper_gradient",
    "kernels",
    "label_propagation",
    "linear_dag",
    "low_rank",
    "lp_dictionary",
    "multitask",
    "privacy",
    "risk_parity",
    "sketched_ridge",
    "sparse",
    "sparse_cholesky_gp",
    "sparse_ratio_pca",
    "sparsemax",
    "streaming",
    "transport",
    "wasserstein_dictionary",
)


# Solvers, steps and parts of a family that has a page.
VARIANTS = (
    "bayesian_search",
    "block_rules",
    "block_solvers",
    "curvature",
    "privacy_accounting",
    "privacy_audit",
    "privacy_networks",
    "privacy_preprocessing",
    "privacy_regression",
    "privacy_solvers",
)


def titles(page):
    """Return the titles of the sections of a page, subsections too."""
    lines = (GUIDE / f"{page}.rst").read_text(encoding="utf-8").splitlines()
    return [
        above
        for above, below in zip(lines, lines[1:], strict=False)
        if re.fullmatch(r"([=~-])\1{3,}", below) and len(below) == len(above)
    ]


@pytest.mark.parametrize("page", FAMILIES)
def test_family_pages_have_all_parts(page):
    found = titles(page)
    missing = [
        part for part in ALL if not any(title.startswith(part) for title in found)
    ]
    assert not missing, f"{page} has no section {missing}; it has {found}"


@pytest.mark.parametrize("page", FAMILIES)
def test_pictures_of_cost_are_there(page):
    text = (GUIDE / f"{page}.rst").read_text(encoding="utf-8")
    cost = text.split("\nWhat it costs\n", 1)[1]
    shown = re.findall(r"/images/(scaling_\w+\.svg)", cost)
    # a variant points to the picture of its family
    assert shown or re.search(r":ref:`[^`]*<\w+_costs>`", cost)
    for name in shown:
        path = DOC / "images" / name
        assert path.stat().st_size < 60_000
        assert "exponent" in path.read_text(encoding="utf-8")


def test_every_picture_is_shown():
    text = "".join(path.read_text(encoding="utf-8") for path in GUIDE.glob("*.rst"))
    for path in DOC.glob("images/scaling_*.svg"):
        assert f"/images/{path.name}" in text


@pytest.mark.parametrize("page", VARIANTS)
def test_pages_of_variants_say_when_and_whose(page):
    found = titles(page)
    for part in (WHEN, PAPERS):
        assert any(title.startswith(part) for title in found), (page, part, found)


@pytest.mark.parametrize(
    "page", sorted(GUIDE.glob("*.rst")), ids=lambda page: page.stem
)
def test_no_label_of_a_table_goes_on_in_the_next_line(page):
    # A line with text in the first column of a simple table is a row of its own.
    lines = page.read_text(encoding="utf-8").splitlines()
    labels, width = [], 0
    for line in lines:
        border = re.match(r"=+(?= +=)", line.strip())
        if border:
            width, labels = len(border.group()), []
        elif not line.strip():
            width = 0
        elif width:
            labels.append(line[: width + 1].strip())
            assert not (labels[1:] and labels[-1] and labels[-2].endswith(",")), line
