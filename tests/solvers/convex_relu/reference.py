"""The convex program written down for an independent solver."""


def solve(program):
    """Return the optimum of a program with one output, by cvxpy."""
    import cvxpy as cp

    X, y, s, D = program.X, program.y, program.s, program.D
    P, d, m = program.n_gates, program.d, program.moving
    U, V = cp.Variable((P, d)), cp.Variable((P, d))
    b = cp.Variable() if program.bias else 0.0
    eta = cp.sum(cp.multiply(D.T, X @ (U - V).T), axis=1) + b
    constraints, worst = [], 0.0
    if program.epsilon:
        slopes = D.T @ (U - V)[:, :m]
        worst = program.epsilon * cp.norm1(slopes, axis=1)
    for h in range(P):
        A = (2.0 * D[h] - 1.0)[:, None] * X
        for W in (U[h], V[h]):
            if program.epsilon:
                worst = worst + cp.pos(program.epsilon * cp.norm1(W[:m]) - A @ W)
            else:
                constraints.append(A @ W >= 0.0)
    if program.loss.name == "squared":
        loss = 0.5 * cp.sum(cp.multiply(s, cp.square(cp.abs(eta - y) + worst)))
    elif program.loss.name == "logistic":
        loss = s @ cp.logistic(worst - cp.multiply(y, eta))
    else:
        shortfall = cp.pos(1.0 + worst - cp.multiply(y, eta))
        loss = s @ cp.square(shortfall)
    norms = cp.sum(cp.norm2(U, axis=1)) + cp.sum(cp.norm2(V, axis=1))
    problem = cp.Problem(cp.Minimize(loss + program.alpha * norms), constraints)
    value = problem.solve(solver=cp.CLARABEL)
    return float(value)


def solve_classes(program):
    """Return the optimum of a program of several classes without moves, by cvxpy."""
    import cvxpy as cp

    X, s, D, K = program.X, program.s, program.D, program.n_outputs
    P, d = program.n_gates, program.d
    b = cp.Variable(K)
    columns, norms, constraints = [], 0.0, []
    for k in range(K):
        U, V = cp.Variable((P, d)), cp.Variable((P, d))
        eta = cp.sum(cp.multiply(D.T, X @ (U - V).T), axis=1)
        columns.append(cp.reshape(eta + b[k], (program.n, 1), order="C"))
        norms = norms + cp.sum(cp.norm2(U, axis=1)) + cp.sum(cp.norm2(V, axis=1))
        for h in range(P):
            A = (2.0 * D[h] - 1.0)[:, None] * X
            constraints += [A @ U[h] >= 0.0, A @ V[h] >= 0.0]
    scores = cp.hstack(columns)
    right = cp.sum(cp.multiply(program.y, scores), axis=1)
    loss = s @ (cp.log_sum_exp(scores, axis=1) - right)
    problem = cp.Problem(cp.Minimize(loss + program.alpha * norms), constraints)
    return float(problem.solve(solver=cp.CLARABEL))
