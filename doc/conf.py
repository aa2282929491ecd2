"""Configuration of the documentation."""

import inspect
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

os.environ.setdefault("MPLBACKEND", "Agg")

import skopt2  # noqa: E402

project = "skopt2"
author = "The skopt2 developers"
copyright = "2026, the skopt2 developers"
release = version = skopt2.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
default_role = "literal"

autosummary_generate = True
autodoc_member_order = "groupwise"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# The inventories need the network, which a build must be able to do without.
if os.environ.get("SKOPT2_INTERSPHINX"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
    }

# The order of the user guide; families that are not named come last.
FAMILIES = (
    *("sparse", "model_selection", "transport", "kernel", "gaussian_process"),
    *("privacy", "decomposition", "covariance", "graph", "neural_network"),
    *("portfolio", "*"),
)
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"run_gallery\.py",
    "subsection_order": [
        family if family == "*" else f"../examples/{family}" for family in FAMILIES
    ],
    "within_subsection_order": "doc.gallery_order.GalleryOrder",
    "doc_module": ("skopt2",),
    "reset_modules": ("matplotlib", "doc.gallery_order.spawn_processes"),
    "backreferences_dir": "gen_modules/backreferences",
    "reference_url": {"skopt2": None},
    "remove_config_comments": True,
    "show_memory": False,
    "download_all_examples": False,
    "abort_on_example_error": True,
    "parallel": 2,
    "min_reported_time": 1,
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = f"skopt2 {version}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "show_nav_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}


def skip_member(app, what, name, member, skip, options):
    """Leave scikit-learn's own members to scikit-learn's documentation.

    They arrive by inheritance, and their docstrings point into its pages.
    """
    if name.startswith("set_") and name.endswith("_request"):
        return True
    function = member.fget if isinstance(member, property) else member
    module = getattr(inspect.unwrap(function), "__module__", None) or ""
    return True if module.split(".")[0] == "sklearn" else None


def setup(app):
    """Connect the handlers."""
    app.connect("autodoc-skip-member", skip_member)
