"""GPyTorch on the CPU: Cholesky, conjugate gradients, and inducing points.

The settings are those that its own examples use, but for the tolerance of conjugate
gradients, which is 0.01 for predictions: with the default of training, 1, they are far
off. Their variances are those of its Lanczos approximation; exact ones, a solve for
each row, took more than four minutes. Inducing points (SVGP) are 500, with batches of
1024, and Adam at 0.03 for 75 epochs; given hyperparameters are where it starts.
"""

import gpytorch
import torch

from benchmarks.gp_peers.base import Peer

DENSE, INDUCING, BATCH, EPOCHS, STEPS = 15_000, 500, 1024, 75, 50


class _Exact(gpytorch.models.ExactGP):
    def __init__(self, X, y, likelihood):
        super().__init__(X, y, likelihood)
        self.mean_module = gpytorch.means.ZeroMean()
        self.covar_module = _kernel(X.shape[1])

    def forward(self, X):
        return gpytorch.distributions.MultivariateNormal(
            self.mean_module(X), self.covar_module(X)
        )


class _Inducing(gpytorch.models.ApproximateGP):
    def __init__(self, Z):
        distribution = gpytorch.variational.CholeskyVariationalDistribution(len(Z))
        super().__init__(
            gpytorch.variational.VariationalStrategy(self, Z, distribution)
        )
        self.mean_module = gpytorch.means.ZeroMean()
        self.covar_module = _kernel(Z.shape[1])

    def forward(self, X):
        return gpytorch.distributions.MultivariateNormal(
            self.mean_module(X), self.covar_module(X)
        )


def _kernel(d):
    return gpytorch.kernels.ScaleKernel(
        gpytorch.kernels.MaternKernel(nu=1.5, ard_num_dims=d)
    )


def _set(model, likelihood, problem, fitted):
    signal, noise = (1.0, 0.1) if fitted else (problem.signal, problem.noise)
    scale = torch.ones(problem.X.shape[1])
    if not fitted:
        scale = torch.as_tensor(problem.length_scale, dtype=torch.float32)
    model.covar_module.outputscale = signal
    model.covar_module.base_kernel.lengthscale = scale
    likelihood.noise = noise


class GPyTorchPeer(Peer):
    """Adapter of GPyTorch."""

    version = gpytorch.__version__

    def variants(self, problem, fitted):
        exact = ["cg"] if fitted else ["cholesky", "cg"]
        return [*(exact if len(problem.X) <= DENSE else []), "svgp"]

    def run(self, problem, variant, fitted):
        torch.manual_seed(0)
        X, y = torch.as_tensor(problem.X), torch.as_tensor(problem.y)
        X_test = torch.as_tensor(problem.X_test)
        likelihood = gpytorch.likelihoods.GaussianLikelihood(
            noise_constraint=gpytorch.constraints.GreaterThan(1e-6)
        )
        if variant == "svgp":
            return self._inducing(problem, likelihood, X, y, X_test, fitted)
        model = _Exact(X, y, likelihood)
        _set(model, likelihood, problem, fitted)
        if fitted:
            self._adam(model, likelihood, X, y)
        model.eval()
        likelihood.eval()
        limit = 10**6 if variant == "cholesky" else 0
        with (
            torch.no_grad(),
            gpytorch.settings.max_cholesky_size(limit),
            gpytorch.settings.eval_cg_tolerance(0.01),
            gpytorch.settings.max_cg_iterations(1000),
            gpytorch.settings.fast_pred_var(variant == "cg"),
        ):
            found = likelihood(model(X_test))
            return found.mean.numpy(), found.variance.numpy(), variant

    def _adam(self, model, likelihood, X, y):
        model.train()
        likelihood.train()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        objective = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)
        with gpytorch.settings.max_cholesky_size(0):
            for _ in range(STEPS):
                optimizer.zero_grad()
                loss = -objective(model(X), y)
                loss.backward()
                optimizer.step()

    def _inducing(self, problem, likelihood, X, y, X_test, fitted):
        chosen = torch.randperm(len(X))[:INDUCING]
        model = _Inducing(X[chosen].clone())
        _set(model, likelihood, problem, fitted)
        parameters = [*model.parameters(), *likelihood.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=0.03)
        objective = gpytorch.mlls.VariationalELBO(likelihood, model, len(X))
        model.train()
        likelihood.train()
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(X)).split(BATCH):
                optimizer.zero_grad()
                loss = -objective(model(X[rows]), y[rows])
                loss.backward()
                optimizer.step()
        model.eval()
        likelihood.eval()
        with torch.no_grad():
            found = likelihood(model(X_test))
            remark = f"{INDUCING} points, {EPOCHS} epochs"
            return found.mean.numpy(), found.variance.numpy(), remark


ADAPTER = GPyTorchPeer()
