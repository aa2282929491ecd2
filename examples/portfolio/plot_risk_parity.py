"""
A portfolio whose assets share the risk
=======================================

Equal weights are not equal risks: a volatile asset, or ten that move together, can make
up most of what a portfolio gains and loses. Risk parity finds the weights at which each
asset brings the same share of the variance. This example makes the returns of twelve
assets with a crisis in them, and looks at what the shares are, whether they last, and
how the solvers come to them.
"""

# %%
# Returns with blocks and a crisis
# --------------------------------
# Six stocks follow the market, four bonds follow interest rates and are five times
# calmer, and two commodities follow neither. One year in eight is a crisis: stocks are
# three times as volatile as before, and commodities follow them. All numbers are per
# day.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skopt2.inspection import ConvergenceDisplay
from skopt2.portfolio import RiskParity

rng = np.random.default_rng(3)
days, crisis = 2000, slice(1200, 1450)
market, rates = rng.standard_normal((2, days, 1))
stress = np.ones((days, 1))
stress[crisis] = 3.0
noise = rng.standard_normal((days, 12))
stocks = 0.010 * stress * (0.8 * market + 0.6 * noise[:, :6])
bonds = 0.002 * (0.9 * rates + 0.4 * noise[:, 6:10])
commodities = 0.012 * (noise[:, 10:] + 0.8 * (stress - 1.0) * market)
names = [f"stock {i}" for i in range(6)] + [f"bond {i}" for i in range(4)]
names += ["oil", "metal"]
gain = [0.0004] * 6 + [0.0001] * 4 + [0.0002] * 2
returns = pd.DataFrame(gain + np.hstack([stocks, bonds, commodities]), columns=names)

# %%
# Weights and shares
# ------------------
# Fitted to the days before the crisis. The bars on the right are the shares of the
# variance: equal weights leave nearly nine tenths of it to the stocks.
before = returns.iloc[: crisis.start]
parity = RiskParity().fit(before)
print(parity.certificate_, f"after {parity.n_iter_} steps")


def shares(weights, covariance):
    """Return the share of each asset in the variance."""
    parts = weights * (covariance @ weights)
    return parts / parts.sum()


equal = np.full(12, 1 / 12)
inverse = 1 / before.std().to_numpy()
inverse /= inverse.sum()
portfolios = {
    "equal weights": equal,
    "inverse volatility": inverse,
    "risk parity": parity.weights_,
}
colours = ["#999999", "#4c9ed9", "#d95f02"]
fig, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
for k, (name, weights) in enumerate(portfolios.items()):
    place = np.arange(12) + 0.27 * (1 - k)
    axes[0].barh(place, weights, 0.27, color=colours[k], label=name)
    risk = shares(weights, parity.covariance_)
    axes[1].barh(place, risk, 0.27, color=colours[k])
axes[1].axvline(1 / 12, color="black", linewidth=0.8, linestyle="--")
axes[0].set(yticks=range(12), yticklabels=names, xlabel="weight")
axes[1].set(xlabel="share of the variance")
axes[0].invert_yaxis()
axes[0].legend()

# %%
# Through the crisis
# ------------------
# ``predict`` returns what the portfolio gains on each day. Risk parity is also refitted
# every twenty days, with weights of the days that halve in half a year, and starts from
# the weights that it has: it moves out of the stocks as they become volatile.
rolling = RiskParity(warm_start=True)
daily, held = [], []
for day in range(250, days, 20):
    past = returns.iloc[:day]
    age = np.arange(day)[::-1]
    rolling.fit(past, sample_weight=0.5 ** (age / 120))
    daily.append(rolling.predict(returns.iloc[day : day + 20]))
    held.append(rolling.weights_)
held = np.array(held)
start = np.arange(250, days, 20)

fig, axes = plt.subplots(2, 1, figsize=(9, 6), sharex=True, layout="constrained")
wealth = {
    **{name: returns.iloc[250:] @ w for name, w in portfolios.items()},
    "risk parity, refitted": np.concatenate(daily),
}
for (name, r), colour in zip(wealth.items(), [*colours, "#1b7837"], strict=True):
    r = np.asarray(r)
    curve = np.cumsum(np.log1p(r * 0.006 / r[: crisis.start - 250].std()))
    fall = (np.maximum.accumulate(curve) - curve).max()
    print(f"{name:22} largest fall {fall:.2f}")
    axes[0].plot(np.arange(250, days), curve, color=colour, label=name)
for part, label in ((slice(6), "stocks"), (slice(6, 10), "bonds"), (slice(10, 12), "")):
    label = label or "commodities"
    axes[1].plot(start, held[:, part].sum(axis=1), label=label, drawstyle="steps-post")
for ax, place in zip(axes, ("upper left", "center left"), strict=True):
    ax.axvspan(crisis.start, crisis.stop, color="#eeeeee")
    ax.legend(loc=place)
axes[0].set(ylabel="logarithm of wealth", title="At one volatility before the crisis")
axes[1].set(xlabel="day", ylabel="weight, refitted")

# %%
# Do the shares last?
# -------------------
# ``score`` is minus the largest relative error of a share on other days: 0 would be
# parity. The weights from before the crisis do not keep their shares in it.
for name, part in (("before", before), ("crisis", returns.iloc[crisis])):
    print(f"score, {name:7} {parity.score(part):.2f}")

# %%
# The two solvers
# ---------------
# Newton ends quadratically; coordinate descent takes cheaper steps, and many of them.
solvers = {
    name: RiskParity(solver=name, tol=1e-12).fit(before) for name in ("ccd", "newton")
}
ConvergenceDisplay.from_estimators(solvers)
plt.show()

# %%
# **Try next:** a ``budget`` that wants half of the risk from bonds; or
# ``covariance="empirical"`` on fifty days, and watch the weights move.
