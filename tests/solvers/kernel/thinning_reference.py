"""Kernel thinning from dense kernel matrices, as its definition says."""

import math

import numpy as np


def squared_mmd(K, members):
    """Return the squared discrepancy of a set of rows to all rows."""
    weight = np.full(len(K), 1.0 / len(K))
    weight[members] -= 1.0 / len(members)
    return weight @ K @ weight


def halve(K, members, level, rng):
    """Return both halves of a set, from sums over the halves that there are so far."""
    first, second, variance = [], [], 0.0
    uniform = rng.random(len(members) // 2)
    for x, y, u in zip(members[0::2], members[1::2], uniform, strict=True):
        alpha = sum(K[z, x] - K[z, y] for z in first)
        alpha -= sum(K[z, x] - K[z, y] for z in second)
        b2 = K[x, x] + K[y, y] - 2.0 * K[x, y]
        a = max(math.sqrt(b2 * variance * level), b2)
        tilt = 0.0
        if a > 0:
            variance += b2 * max(0.0, 1.0 + (b2 - 2.0 * a) * variance / a**2)
            tilt = alpha / a
        if u < min(1.0, max(0.0, (1.0 - tilt) / 2.0)):
            first.append(x)
            second.append(y)
        else:
            first.append(y)
            second.append(x)
    return np.array(first), np.array(second)


def split(K, members, n_rounds, delta, rng):
    """Return the sets after all rounds."""
    sets, n = [np.asarray(members)], len(members)
    for j in range(1, n_rounds + 1):
        level = 2.0 * math.log(2.0 * n_rounds / (2 ** (j - 1) * delta / n))
        sets = [half for some in sets for half in halve(K, some, level, rng)]
    return sets


def swap(K, members):
    """Return the set after each row was exchanged for the best one."""
    members = list(members)
    for i in range(len(members)):
        others = set(members) - {members[i]}
        values = {
            j: squared_mmd(K, [*members[:i], j, *members[i + 1 :]])
            for j in range(len(K))
            if j not in others
        }
        members[i] = min(values, key=values.get)
    return np.array(members)


def reduce(K, members, size):
    """Return the set after the least important rows left it, one by one."""
    members = list(members)
    while len(members) > size:
        values = [
            squared_mmd(K, members[:i] + members[i + 1 :]) for i in range(len(members))
        ]
        members.pop(int(np.argmin(values)))
    return np.array(members)
