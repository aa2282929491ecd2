"""
A regression that keeps its patients to itself
==============================================

Predict how a disease goes on from ten measurements of 442 patients, with coefficients
that can be published: nobody can read from them what was measured of one patient. What
has to be said beforehand, what the noise does to the coefficients, and what happens if
the bounds are wrong.
"""

# %%
# Bounds
# ------
# The features are in the units of the clinic, and what values they can have is known to
# any physician. None of these numbers is read from the rows. The target is a score of
# the progress of diabetes within a year, which we suppose is made to be below 400.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import ShuffleSplit, train_test_split

from skopt2.inspection import PrivacyCurveDisplay
from skopt2.privacy import DPLinearRegressor, PrivacyLeakWarning

X, y = load_diabetes(return_X_y=True, scaled=False)
known = {
    "age": (18, 90),
    "sex": (1, 2),
    "body mass": (15, 45),
    "pressure": (60, 140),
    "cholesterol": (90, 310),
    "low density": (40, 250),
    "high density": (20, 100),
    "ratio": (2, 10),
    "log triglyc.": (3.0, 6.2),
    "glucose": (55, 130),
}
low, high = np.array(list(known.values()), dtype=float).T
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
private = DPLinearRegressor(epsilon=2.0, bounds=(low, high), y_bounds=(0, 400))
plain = LinearRegression().fit(X_train, y_train)
private.fit(X_train, y_train)
print(f"R2 of least squares {plain.score(X_test, y_test):.2f}")
print(f"R2 of the private fit {private.score(X_test, y_test):.2f}")
print(private.privacy_)

# %%
# The coefficients, and their noise
# ---------------------------------
# Each private fit draws its own noise. Forty of them show how far it moves the
# coefficients, here times the range of their feature. In practice only one of them is
# fitted and published: forty fits would spend forty times.
fits = [
    DPLinearRegressor(2.0, bounds=(low, high), y_bounds=(0, 400)).fit(X_train, y_train)
    for _ in range(40)
]
effects = np.array([fit.coef_ for fit in fits]) * (high - low)
fig, (left, right) = plt.subplots(
    1, 2, figsize=(10, 4.2), width_ratios=(1.25, 1), layout="constrained"
)
places = np.arange(len(known))
left.axvline(0.0, color="#D3D7DC", linewidth=0.8)
left.plot(effects.T, places, "o", color="#0B5FA5", alpha=0.15, markersize=4)
left.plot([], [], "o", color="#0B5FA5", alpha=0.5, label="private, 40 fits")
exact = plain.coef_ * (high - low)
left.plot(exact, places, "D", color="#C8553D", label="least squares")
left.set_yticks(places, known)
left.invert_yaxis()
left.set_xlabel("change of the score over the range of the feature")
left.legend(frameon=False, fontsize="small", loc="upper right")
right.plot([0, 400], [0, 400], color="#D3D7DC", linewidth=0.8)
right.plot(y_test, plain.predict(X_test), "D", color="#C8553D", markersize=3)
right.plot(y_test, private.predict(X_test), "o", color="#0B5FA5", markersize=4)
right.set(xlabel="score of a patient", ylabel="predicted", xlim=(0, 400), ylim=(0, 400))
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Three of the measurements of fats are nearly sums of others. Least squares gives them
# large coefficients that cancel, which rest on few patients, and privacy forbids just
# that. The predictions are about as good: what all patients have in common survives.
#
# Bounds that are wrong
# ---------------------
# The same fit with all ranges, that of the target too, made narrower or wider around
# their middles. Narrow bounds cut values off. Wide ones let more noise in: twice the
# width costs more than half of epsilon. Neither is a leak, so a guess on the safe side
# will do, but not one by a factor of four.
middle, half = (low + high) / 2, (high - low) / 2
epsilons = [0.25, 0.5, 1, 2, 4, 8]
splits = ShuffleSplit(20, test_size=0.25, random_state=0)
models = {
    f"{width:g} times the width": DPLinearRegressor(
        bounds=(middle - width * half, middle + width * half),
        y_bounds=(200 - width * 200, 200 + width * 200),
    )
    for width in (0.2, 1, 2, 4)
}
with warnings.catch_warnings():
    # The curve is not private, and these data have been public for twenty years.
    warnings.simplefilter("ignore", PrivacyLeakWarning)
    PrivacyCurveDisplay.from_estimators(
        models,
        X,
        y,
        epsilons=epsilons,
        cv=splits,
        n_repeats=1,
        baseline={"least squares": LinearRegression()},
        band=None,
        random_state=0,
    )
plt.show()

# %%
# **Try next:** ``epsilon=np.inf``, the fit without noise; ``solver="adassp"``, which
# reads the rows once; or ten copies of every row, which are no new patients: what would
# the record say, and why would it be wrong?
