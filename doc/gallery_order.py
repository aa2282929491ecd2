"""How the gallery is made: the order of the examples, and their processes."""

import multiprocessing

ORDER = (
    "plot_first_steps.py",
    "plot_path.py",
    "plot_penalties.py",
    "plot_choose_alpha.py",
    "plot_convergence.py",
    "plot_streaming.py",
    "plot_block_rules.py",
    "plot_block_solvers.py",
    "plot_curvature.py",
    "plot_digits.py",
    "plot_robust.py",
    "plot_sparsemax.py",
    "plot_cvar.py",
    "plot_sparse_text_like.py",
    "plot_signal_recovery.py",
    "plot_groups.py",
    "plot_multitask.py",
    "plot_trend_filtering.py",
    "plot_approximate_cv.py",
    "plot_hyper_gradient.py",
    "plot_sketched_ridge.py",
    "plot_callbacks.py",
    "plot_plan.py",
    "plot_sinkhorn_newton.py",
    "plot_colour_transfer.py",
    "plot_domain_adaptation.py",
    "plot_digit_barycenters.py",
    "plot_digit_retrieval.py",
    "plot_gromov.py",
    "plot_wasserstein_dictionary.py",
    "plot_factorization.py",
    "plot_unmixing.py",
    "plot_matrix_completion.py",
    "plot_sparse_ratio_pca.py",
    "plot_lp_dictionary.py",
    "plot_kernel_digits.py",
    "plot_large_n.py",
    "plot_centers.py",
    "plot_online.py",
    "plot_label_propagation.py",
    "plot_linear_dag.py",
    "plot_convex_relu.py",
    "plot_gp_series.py",
    "plot_gp_scaling.py",
    "plot_sparse_cholesky.py",
    "plot_coreset.py",
    "plot_thompson.py",
    "plot_gp_search.py",
    "plot_privacy_curve.py",
    "plot_private_regression.py",
    "plot_audit.py",
    "plot_graphical_model.py",
    "plot_risk_parity.py",
    "plot_cluster.py",
)


class GalleryOrder:
    """Sort key of the examples of one folder; new ones go to the end, by name.

    Parameters
    ----------
    folder : str
        Folder of the examples.
    """

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, name):
        """Return the place of a file."""
        known = name in ORDER
        return ORDER.index(name) if known else len(ORDER), name


def spawn_processes(gallery_conf, script):
    """Let an example start processes of its own.

    The gallery runs examples in processes of joblib, whose children would look for
    joblib's way to start processes, and not know it.

    Parameters
    ----------
    gallery_conf : dict
        Configuration of the gallery.
    script : str
        The example.
    """
    multiprocessing.set_start_method("spawn", force=True)
