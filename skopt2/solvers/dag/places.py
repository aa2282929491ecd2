"""The cost of a node at every place of an order.

See :mod:`.order_search` for the formula.
"""

import numpy as np


def best_place(state, v):
    """Return the place of node v that costs least, the gain, and what changes.

    Parameters
    ----------
    state : OrderState
        Where the search stands.
    v : int
        Node.

    Returns
    -------
    place : int
        Nodes before it.
    gain : float
        0 where its own place is the best.
    changed : dict of int to Node
        Nodes with other parents than before.
    """
    score, d = state.score, len(state.order)
    rest = [u for u in state.order if u != v]
    alone, beside = [], []
    before = np.zeros(d, dtype=bool)
    for u in rest:
        without, with_v = both(score, state.nodes[u], u, v, before)
        alone.append(without)
        beside.append(with_v)
        before[u] = True
    low = np.concatenate([[0.0], np.cumsum([node.cost for node in alone])])
    high = np.concatenate([[0.0], np.cumsum([node.cost for node in beside[::-1]])])
    now = sum(state.nodes[u].cost for u in state.order)
    placed = places(state, v, rest)
    total = low + high[::-1] + np.array([node.cost for node in placed])
    slack = score.slack * d
    # The first of those that are equal but for rounding: where data cannot direct an
    # edge, either way costs the same.
    place = int(np.flatnonzero(total <= total.min() + slack)[0])
    gain = float(now - total[place])
    if not gain > slack:
        return state.order.index(v), 0.0, {}
    changed = {v: placed[place]}
    for k, u in enumerate(rest):
        changed[u] = alone[k] if k < place else beside[k]
    return place, gain, changed


def both(score, node, u, v, before):
    """Return node u with parents among those before it, without and with v."""
    if v in node.parents:
        kept = [i for i in node.parents if i != v]
        return score.improve(u, score.node(u, kept), before), node
    if score.allowed is not None and not score.allowed[v, u]:
        return node, node
    if len(node.parents) >= score.most or not score.pays(u, node, v):
        return node, node
    more = before.copy()
    more[v] = True
    return node, score.improve(u, node, more)


def places(state, v, rest):
    """Return node v with parents among the first 0, 1, ... of the others.

    With a variance for each node, parents are chosen from none, one candidate after the
    other: that finds other sets than going on from the present ones, and better orders.
    With a common variance a node without its parents would take almost any, and its
    parents are those of the next place as far as they go.
    """
    here = state.order.index(v)
    if state.score.price.variance is None:
        return onwards(state.score, v, state.score.node(v, ()), [], rest)
    early = backwards(state, v, rest[:here])
    return early + onwards(state.score, v, state.nodes[v], rest[:here], rest[here:])


def onwards(score, v, node, first, rest):
    """Return node v after some, and with further candidates one by one."""
    before = np.zeros(score.d, dtype=bool)
    before[first] = True
    found = [node]
    for u in rest:
        before[u] = True
        free = score.allowed is None or score.allowed[u, v]
        if free and len(node.parents) < score.most and score.pays(v, node, u):
            node = score.improve(v, node, before)
        found.append(node)
    return found


def backwards(state, v, first):
    """Return node v with the last candidates taken from it, the most first."""
    score, node, found = state.score, state.nodes[v], []
    before = np.zeros(score.d, dtype=bool)
    before[first] = True
    for u in reversed(first):
        before[u] = False
        if u in node.parents:
            kept = [i for i in node.parents if i != u]
            node = score.improve(v, score.node(v, kept), before)
        found.append(node)
    return found[::-1]
