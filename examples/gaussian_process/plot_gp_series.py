"""
How sure is a prediction? A hundred years of the Nile
=====================================================

A Gaussian process predicts with a standard deviation: small where there are data, large
where there are none, and with that of the noise on request.
"""

# %%
# The series
# ----------
# The annual flow of the Nile at Aswan from 1871 to 1970, in units of 10^8 cubic metres
# (G. W. Cobb, The problem of the Nile: conditional solution to a changepoint problem,
# Biometrika 65, 1978). The years from 1916 to 1925 are left out, to be filled in.
import numpy as np

numbers = """
    1120 1160  963 1210 1160 1160  813 1230 1370 1140  995  935 1110  994 1020
     960 1180  799  958 1140 1100 1210 1150 1250 1260 1220 1030 1100  774  840
     874  694  940  833  701  916  692 1020 1050  969  831  726  456  824  702
    1120 1100  832  764  821  768  845  864  862  698  845  744  796 1040  759
     781  865  845  944  984  897  822 1010  771  676  649  846  812  742  801
    1040  860  874  848  890  744  749  838 1050  918  986  797  923  975  815
    1020  906  901 1170  912  746  919  718  714  740
"""
flow = np.fromstring(numbers, dtype=float, sep=" ")
years = np.arange(1871, 1971, dtype=float)[:, None]
known = (years[:, 0] < 1916) | (years[:, 0] > 1925)

# %%
# One kernel, one fit
# -------------------
# A smooth function of the year plus noise: the marginal likelihood decides how smooth,
# and how much noise. The kernel objects are scikit-learn's. Each fit says what residual
# its solution has, and how it was found.
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from skopt2.gaussian_process import GaussianProcessRegressor

kernel = ConstantKernel(1.0) * Matern(20.0, (2.0, 200.0), nu=1.5) + WhiteKernel(0.5)
model = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
model.fit(years[known], flow[known])
print(model.kernel_)
print(f"log likelihood {model.log_marginal_likelihood_value_:.2f},", model.certificate_)

# %%
# Bands
# -----
# The standard deviation of ``predict`` has the noise of ``WhiteKernel`` in it: the
# light band is for single years. Draws of the process itself, which have no noise, show
# what the function may look like between and beyond the data.
import matplotlib.pyplot as plt

when = np.linspace(1865.0, 1990.0, 400)[:, None]
mean, std = model.predict(when, return_std=True)
paths = model.sample_paths(200, random_state=1)(when)
low, high = np.percentile(paths, [2.5, 97.5], axis=1)

fig, ax = plt.subplots(figsize=(8.5, 4.2), layout="constrained")
ax.fill_between(
    when[:, 0], mean - 1.96 * std, mean + 1.96 * std, color="C0", alpha=0.15, lw=0
)
ax.fill_between(when[:, 0], low, high, color="C0", alpha=0.3, lw=0)
ax.plot(when[:, 0], paths[:, :5], color="C0", lw=0.7)
ax.plot(when[:, 0], mean, color="C0", lw=2.2, label="mean and five draws")
ax.plot(years[known], flow[known], "k.", ms=5, label="known years")
ax.plot(years[~known], flow[~known], "o", mfc="none", color="C3", label="left out")
ax.set(xlabel="year", ylabel=r"flow ($10^8$ m$^3$)", xlim=(1865, 1990))
ax.set_title("95 % bands: of the function (dark), and of a single year (light)")
ax.legend(loc="upper right")
plt.show()

# %%
# Of the ten years that were left out, all but an occasional one should lie in the light
# band, and one in twenty of the known ones outside.
mean, std = model.predict(years, return_std=True)
inside = np.abs(flow - mean) < 1.96 * std
print(f"inside: {inside[known].mean():.0%} of the known years,")
print(f"{inside[~known].sum()} of the {(~known).sum()} that were left out")

# %%
# **Try next:** the kernel plus ``ExpSineSquared`` from scikit-learn, if you believe in
# a period; or ``Matern(nu=0.5)`` and ``nu=2.5``: which band is narrower?
