"""The kernel of a case as an object of scikit-learn."""

import numpy as np
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel


def process_kernel(problem, fitted):
    """Return the kernel with published, or with starting values."""
    d = problem.X.shape[1]
    if fitted:
        scale = Matern(np.ones(d), (1e-2, 1e3), nu=1.5)
        return ConstantKernel(1.0) * scale + WhiteKernel(0.1, (1e-6, 1e1))
    scale = Matern(problem.length_scale, nu=1.5)
    return ConstantKernel(problem.signal) * scale + WhiteKernel(problem.noise)
