"""What graphs cost, from the definition."""

import math

import numpy as np
from sklearn.linear_model import LinearRegression


def cost(X, W, price, equal):
    """Return the cost of the graph of W by its definition, a regression a node."""
    n, d = X.shape
    r = np.empty(d)
    for j in range(d):
        parents = np.flatnonzero(W[:, j])
        residual = X[:, j] - X[:, j].mean()
        if parents.size:
            model = LinearRegression().fit(X[:, parents], X[:, j])
            residual = X[:, j] - model.predict(X[:, parents])
        r[j] = np.mean(residual**2)
    fit = d * math.log(r.mean()) if equal else np.log(r).sum()
    return fit + price * np.count_nonzero(W) / n
