"""
The colours of one photo in another
===================================

A photo is a cloud of colours. Transport carries the colours of a temple to those of a
dahlia, and back: a map learnt from a thousand pixels repaints a quarter of a million.
"""

# %%
# A thousand pixels to learn from
# -------------------------------
# Two photos that come with scikit-learn. Each pixel is a point with three coordinates,
# red, green and blue from 0 to 1; where it is in the photo does not matter.
import numpy as np
from sklearn.datasets import load_sample_image

names = ("china", "flower")
photos = {name: load_sample_image(f"{name}.jpg") / 255.0 for name in names}
pixels = {name: photo.reshape(-1, 3) for name, photo in photos.items()}
rng = np.random.default_rng(0)
some, others = (
    {name: rng.choice(every, 1000, replace=False) for name, every in pixels.items()}
    for _ in range(2)
)

# %%
# The fit sees the thousand pixels of each photo. ``transform`` then carries all pixels
# of the temple, and ``inverse_transform`` all those of the dahlia: the map is a formula
# in the potentials of the fit, and asks of no pixel whether it took part.
import time

from skopt2.transport import SinkhornTransport


def exchange(model):
    """Repaint both photos."""
    images = {
        "china": model.transform(pixels["china"]),
        "flower": model.inverse_transform(pixels["flower"]),
    }
    # What an image cannot show is cut off.
    return {name: image.clip(0.0, 1.0) for name, image in images.items()}


start = time.process_time()
model = SinkhornTransport(reg=0.02).fit(some["china"], target=some["flower"])
fitted = time.process_time()
balanced = exchange(model)
done = time.process_time()
print(f"{model.stop_reason_}: {model.certificate_}")
print(f"fit {fitted - start:.2f} s, 2 x {len(pixels['china']):,} pixels", end=" ")
print(f"{done - fitted:.1f} s")

# %%
import matplotlib.pyplot as plt

plt.rcParams.update({"font.size": 9})


def show(columns):
    """Draw both photos in the colours that each column has for them."""
    size = (4.2 * len(columns), 5.9)
    fig, axes = plt.subplots(2, len(columns), figsize=size, layout="constrained")
    for column, (title, images) in zip(axes.T, columns.items(), strict=True):
        column[0].set_title(title, loc="left")
        for ax, name in zip(column, names, strict=True):
            ax.imshow(images[name].reshape(photos[name].shape))
            ax.set_axis_off()
    plt.show()


show({"as taken": photos, "colours exchanged": balanced})

# %%
# The evening is well done, but why is half of the sky teal? The plan has to use up the
# mass of every colour. Half of the temple's pixels are bright, and a fifth of the
# dahlia's: there is not enough orange for all the sky. For the same reason the dark
# leaves behind the dahlia turn white.
for name, colours in pixels.items():
    print(f"{name:6s} pixels with red above 0.6: {(colours[:, 0] > 0.6).mean():.0%}")

# %%
# A price instead of a rule
# -------------------------
# With ``reg_marginal`` the plan may leave the masses, at a price. Colours then go where
# they are near, and the sky gets one colour. The price is in units of the mean cost;
# the lower, the more freely the plan chooses.
free = SinkhornTransport(reg=0.02, reg_marginal=0.3)
free.fit(some["china"], target=some["flower"])
print(f"{free.stop_reason_}: {free.certificate_}")
unbalanced = exchange(free)
show({"as taken": photos, "all mass kept": balanced, "mass at a price": unbalanced})

# %%
# The clouds
# ----------
# Pixels drawn anew, in their own colours: above the temple, below the dahlia, in the
# columns of the picture before.
picked = {name: rng.choice(len(pixels[name]), 3000, replace=False) for name in names}
fig, axes = plt.subplots(
    2, 3, figsize=(10, 6.6), sharex=True, sharey=True, layout="constrained"
)
columns = {
    "as taken": pixels,
    "all mass kept": balanced,
    "mass at a price": unbalanced,
}
for column, (title, images) in zip(axes.T, columns.items(), strict=True):
    column[0].set_title(title, loc="left")
    for ax, name in zip(column, names, strict=True):
        colours = images[name][picked[name]]
        ax.scatter(*colours[:, [0, 2]].T, s=7, color=colours, linewidths=0)
        ax.set(facecolor="#9AA0A8", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        ax.spines[:].set_visible(False)
for ax in axes[1]:
    ax.set_xlabel("red")
for ax, subject in zip(axes[:, 0], ("temple", "dahlia"), strict=True):
    ax.set_ylabel(f"{subject}: blue")
plt.show()

# %%
# With all mass kept each cloud takes the place of the other: the upper one in the
# middle is the lower one on the left, less what ``reg`` smooths away. At a price, the
# dark leaves stay dark and the sky stays in one piece.
#
# Contrast, and three maps
# ------------------------
# The image of a colour is a mean over targets, so a large ``reg`` costs contrast. Two
# other maps give it back: ``"debiased"`` adds what the map of the photo to itself takes
# away, ``"progressive"`` goes the way in steps that get sharper. The Sinkhorn
# divergence to the dahlia, for pixels that no fit has seen, says how much is gained.
from skopt2.transport import sinkhorn_divergence


def distance(colours):
    """Return the divergence of colours to those of the dahlia."""
    return sinkhorn_divergence(colours, others["flower"], reg=0.005).value


print(f"{'the temple as it is':22s}{distance(others['china']):.4f}")
print(f"{'other dahlia pixels':22s}{distance(some['flower']):.4f}")
maps = {}
for name in ("entropic", "debiased", "progressive"):
    for reg in (0.02, 0.2):
        one = SinkhornTransport(reg, map=name)
        maps[name, reg] = one.fit(some["china"], target=some["flower"])
        value = distance(one.transform(others["china"]))
        print(f"{name:12s}reg {reg:<6g}{value:.4f}")

# %%
# At the small ``reg`` there is little to choose between the three. Ten times larger, it
# costs the entropic map 0.017; the debiased map gets 40 % of that back, the progressive
# one 64 %. The debiased map makes no promise to stay among the colours of the target,
# and what leaves the cube of colours was cut off.
part = photos["china"][90:330, 60:420]
fig, axes = plt.subplots(2, 2, figsize=(8.4, 6.0), layout="constrained")
shown = {"as taken": part}
for name in ("entropic", "debiased", "progressive"):
    carried = maps[name, 0.2].transform(part.reshape(-1, 3))
    shown[f"{name}, reg 0.2"] = carried.clip(0.0, 1.0).reshape(part.shape)
for ax, (title, image) in zip(axes.flat, shown.items(), strict=True):
    ax.imshow(image)
    ax.set_title(title, loc="left")
    ax.set_axis_off()
plt.show()

# %%
# **Try next:** ``reg_marginal=(np.inf, 0.3)``, which keeps the mass of the temple but
# not of the dahlia, or a photo of your own in place of one of the two.
