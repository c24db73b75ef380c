# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Convolutional networks, from one filter to handwritten digits
#
# A convolutional neural network (CNN) looks at an image through small windows. This notebook builds one up from nothing:
#
# 1. two letters, and why a dense network is a poor reader;
# 2. one convolution, step by step; ReLU; pooling; flattening;
# 3. a network in plain NumPy, with all its gradients, which learns its own filters;
# 4. the same network on fast kernels;
# 5. MNIST: training, testing, and looking for mistakes;
# 6. how well a CNN really tolerates a shift, measured;
# 7. what the filters see;
# 8. saving, a comparison, and exercises.
#
# You need some Python, NumPy, and the idea of a derivative. Everything runs on a CPU in about a minute: `pip install
# 'fastcnn[examples]'`.

# %%
import tempfile
import time
import timeit
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

import fastcnn
import fastcnn as keras
from fastcnn import layers, metrics, plots
from fastcnn.datasets import mnist, mnist_sample

rng = np.random.default_rng(7)  # for our own network
keras.random.set_seed(7)  # for the models of fastcnn

fastcnn.show_config()

# %% [markdown]
# ## 1. Two letters
#
# The first images are as small as they can be: an O and an X, drawn in 5 × 5 pixels on a sheet of 8 × 8. Ink is 1 and shown white,
# paper is 0 and black. A letter may stand at any of 4 × 4 places on the sheet.

# %%
SHEET = 8
STROKES = {
    "O": [".###.", "#...#", "#...#", "#...#", ".###."],
    "X": ["#...#", ".#.#.", "..#..", ".#.#.", "#...#"],
}


def draw(letter, row=1, column=1):
    """A sheet (8, 8) with the letter's upper left corner at (row, column)."""
    ink = np.array([[mark == "#" for mark in line] for line in STROKES[letter]])
    sheet = np.zeros((SHEET, SHEET))
    sheet[row : row + len(ink), column : column + len(ink)] = ink
    return sheet


letter_o, letter_x = draw("O"), draw("X")
display(plots.image(letter_o, "The letter O"), plots.image(letter_x, "The letter X"))

# %% [markdown]
# ### Why not a dense network?
#
# A dense layer joins each pixel to each of its units by a weight. That has three drawbacks for images:
#
# - **Size.** The number of weights grows with the number of pixels. A convolution's weights do not depend on the image's size.
# - **Place.** What a dense layer learns at one place it does not know at another: each pixel has weights of its own.
# - **Neighbourhood.** It treats neighbouring pixels like distant ones. If all pixels changed seats, in every image in the same way, it
#   would learn just as well.
#
# The first drawback can be counted. We take 64 units, against 64 filters of 3 × 3, on grey images:


# %%
def dense_weights(side, units=64):
    return side * side * units + units


def convolution_weights(channels=1, filters=64, kernel=3):
    return kernel * kernel * channels * filters + filters


sides = np.array([8, 28, 100, 224, 512])
for side in sides:
    print(f"{side:>3} × {side:<3}  dense {dense_weights(side):>12,}   convolution {convolution_weights():>6,}")

figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.loglog(sides, [dense_weights(side) for side in sides], "o-", label="dense layer, 64 units")
ax.loglog(sides, [convolution_weights() for _ in sides], "s-", label="convolution, 64 filters of 3 × 3")
ax.set(xlabel="side of the image (pixels)", ylabel="parameters", title="Weights of a first layer", xticks=sides, xticklabels=sides)
ax.minorticks_off()
ax.legend()
plt.show()

# %% [markdown]
# ## 2. From an image to a vector
#
# ### Convolution
#
# A **filter** (or kernel) is a small array of weights, here 3 × 3. It is laid on the image; each weight is multiplied by the pixel
# under it, and the products are added up. A **bias** is added to the sum. The result is one number of the **feature map**. Then the
# filter moves on by one pixel:
#
# $$y_{ij} = b + \sum_{u,v} w_{uv}\, x_{i+u,\,j+v}$$
#
# In mathematics this is a cross-correlation, since a convolution would turn the filter around first. Networks learn their filters, so
# the difference does not matter, and the field says convolution.
#
# Our filter answers to a stroke from the upper left to the lower right. We try it at two places of the X.

# %%
diagonal = np.array([[1, 0, -1], [0, 1, 0], [-1, 0, 1]])
bias = -1

display(plots.convolution_step(letter_x, diagonal, (1, 1), bias), plots.convolution_step(letter_x, diagonal, (1, 3), bias))

# %% [markdown]
# In the first window the stroke runs along the filter's diagonal: the answer is as large as it can be. In the second it runs the other
# way, and the answer is negative.
#
# Two loops make the whole feature map. An image of $H$ rows gives $H - K + 1$ rows for a filter of $K$: 8 − 3 + 1 = 6.


# %%
def convolve(image, kernel, bias=0.0):
    """The feature map of an image (H, W) and a kernel (KH, KW)."""
    height, width = kernel.shape
    rows, columns = image.shape[0] - height + 1, image.shape[1] - width + 1
    feature_map = np.empty((rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = image[i : i + height, j : j + width]
            feature_map[i, j] = (window * kernel).sum() + bias
    return feature_map


map_o, map_x = convolve(letter_o, diagonal, bias), convolve(letter_x, diagonal, bias)
assert (map_x == fastcnn.convolve2d(letter_x, diagonal, bias)).all()  # a kernel in C says the same
map_x

# %%
display(plots.feature_map(letter_o, diagonal, bias), plots.feature_map(letter_x, diagonal, bias))

# %% [markdown]
# The map of the X shows one diagonal, which breaks where the strokes cross. That of the O has weaker answers, at the two corners that
# run the same way.
#
# Two settings change the map's size. The **stride** is how far the filter moves each time. **Padding** puts a border of zeros around
# the image; with `"same"` and a stride of 1, the map is as large as the image.

# %%
for stride, padding in [(1, "valid"), (1, "same"), (2, "valid"), (2, "same")]:
    y = fastcnn.conv2d(letter_x[..., None], diagonal[..., None, None], stride=stride, padding=padding)
    print(f"stride {stride}, padding {padding!r:<8}: {y.shape[0]} × {y.shape[1]}")

# %% [markdown]
# ### ReLU
#
# An **activation function** bends the response. Without one, several convolutions in a row would be no more than a single one. The
# rectified linear unit, $\max(0, y)$, keeps what is positive and sets the rest to 0.


# %%
def relu(x):
    return np.maximum(x, 0)


plots.relu(map_x)

# %% [markdown]
# ### Max pooling
#
# Pooling keeps the largest answer of each window of 2 × 2. What is left is a quarter of the numbers. We no longer know exactly where
# the answer was, and that is the point: if the stroke moves a little inside the window, the output stays.

# %%
plots.max_pool(relu(map_x), 2)

# %% [markdown]
# ### Flattening
#
# The last layers are dense, and take a vector. The map is read row by row.

# %%
flat_x = relu(map_x)
flat_x = fastcnn.max_pool2d(flat_x, 2).ravel()
print(flat_x)
plots.flatten(flat_x.reshape(3, 3))

# %% [markdown]
# ### The pipeline
#
# All steps in a row, for both letters. The two vectors differ clearly, though both came from one filter of ten parameters.

# %%
display(plots.pipeline(letter_o, diagonal, bias), plots.pipeline(letter_x, diagonal, bias))

# %% [markdown]
# ## 3. A network from scratch
#
# We chose the diagonal filter ourselves. A network finds its filters by **gradient descent**: it computes how the loss changes with
# each weight, and moves each weight a little downhill. To learn a filter, we need the gradient of the convolution, and of everything
# that comes after it.
#
# Our network: 4 filters of 3 × 3 → ReLU → max pooling 2 × 2 → flatten (36 numbers) → a hidden dense layer of 8 units with ReLU → 2
# scores → softmax. It works on a batch: $x$ has the shape (N, H, W, C), images first and channels last.
#
# ### Forwards
#
# For several channels $c$ and filters $f$, the convolution of image $n$ is
#
# $$y_{nijf} = b_f + \sum_{u,v,c} w_{uvcf}\, x_{n,\,i+u,\,j+v,\,c}.$$
#
# ### Backwards
#
# Let $L$ be the loss. Each layer receives $\delta y = \partial L / \partial y$, how the loss changes with its output. It returns how
# the loss changes with its input, $\delta x$, and with its weights. The chain rule says: go through all outputs that a number has a
# part in, and add up $\delta y$ times its factor there.
#
# - **The bias** $b_f$ is in each output of its filter, with the factor 1:
#   $$\delta b_f = \sum_{n,i,j} \delta y_{nijf}$$
# - **A weight** $w_{uvcf}$ is in each output of its filter too, and its factor is the pixel under it:
#   $$\delta w_{uvcf} = \sum_{n,i,j} x_{n,\,i+u,\,j+v,\,c}\; \delta y_{nijf}$$
#   This is a convolution of the input with $\delta y$.
# - **A pixel** $x_{npqc}$ is in the output at $(i, j)$ if some weight lay on it, which is where $i = p - u$ and $j = q - v$:
#   $$\delta x_{npqc} = \sum_{u,v,f} w_{uvcf}\; \delta y_{n,\,p-u,\,q-v,\,f}$$
#   with $\delta y = 0$ beyond its borders. This is a convolution of $\delta y$ with the filter turned by 180°.
# - **Max pooling** passes on only the winner of each window. To change another pixel a little changes nothing. So $\delta y$ goes to
#   where the winner was, and 0 to the others.
# - **ReLU** has the slope 1 where its output is positive, and 0 elsewhere.
# - **A dense layer** $y = xW + b$: $\;\delta W = x^\top \delta y$, $\;\delta b = \sum_n \delta y_n$, $\;\delta x = \delta y\, W^\top$.
# - **Softmax and cross-entropy** together: with probabilities $p_{nk}$ and the true class $t_n$, the loss is
#   $-\frac1N \sum_n \log p_{n,t_n}$, and its slope with respect to the scores is $(p_{nk} - [k = t_n]) / N$.
#
# In code, each formula is a line or two. The loops go over the places of the window; NumPy does the sums inside.


# %%
def conv2d(x, w, b):
    """x (N, H, W, C), w (KH, KW, C, F), b (F,) -> y (N, OH, OW, F)."""
    rows, columns = x.shape[1] - w.shape[0] + 1, x.shape[2] - w.shape[1] + 1
    y = np.empty((len(x), rows, columns, w.shape[3]))
    for i in range(rows):
        for j in range(columns):
            window = x[:, i : i + w.shape[0], j : j + w.shape[1]]
            y[:, i, j] = np.tensordot(window, w, axes=3) + b  # the sum over u, v and c
    return y


def conv2d_backward(dy, x, w):
    """The gradients of x, w and b, for dy (N, OH, OW, F)."""
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            window = np.s_[:, i : i + w.shape[0], j : j + w.shape[1]]
            dw += np.tensordot(x[window], dy[:, i, j], axes=(0, 0))  # the sum over n
            dx[window] += np.tensordot(dy[:, i, j], w, axes=(1, 3))  # the sum over f
    return dx, dw, dy.sum(axis=(0, 1, 2))


# %%
def max_pool2d(x, size=2, return_indices=True):
    """x (N, H, W, C) -> y (N, OH, OW, C), and where in its plane, h * W + w, each winner was."""
    n, height, width, channels = x.shape
    rows, columns = height // size, width // size
    y = np.empty((n, rows, columns, channels))
    indices = np.empty(y.shape, int)
    for i in range(rows):
        for j in range(columns):
            window = x[:, i * size : (i + 1) * size, j * size : (j + 1) * size].reshape(n, size * size, channels)
            down, right = np.divmod(window.argmax(axis=1), size)
            y[:, i, j] = window.max(axis=1)
            indices[:, i, j] = (i * size + down) * width + j * size + right
    return y, indices


def max_pool2d_backward(dy, indices, shape):
    """The gradient of x, whose shape is `shape`: dy where the winners were, 0 elsewhere."""
    n, height, width, channels = shape
    dx = np.zeros((n, height * width, channels))
    np.add.at(dx, (np.arange(n)[:, None, None, None], indices, np.arange(channels)), dy)
    return dx.reshape(shape)


# %%
def relu_backward(dy, y):
    return dy * (y > 0)


def dense(x, w, b):
    return x @ w + b


def dense_backward(dy, x, w):
    return dy @ w.T, x.T @ dy, dy.sum(axis=0)


def log_softmax(scores):
    scores = scores - scores.max(axis=1, keepdims=True)  # else the powers of large scores would overflow
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def softmax(scores):
    return np.exp(log_softmax(scores))


def softmax_cross_entropy(scores, labels):
    """The mean loss, and its gradient."""
    log_p, rows = log_softmax(scores), np.arange(len(labels))
    slope = np.exp(log_p)
    slope[rows, labels] -= 1
    return -log_p[rows, labels].mean(), slope / len(labels)


# %% [markdown]
# `fastcnn.verify` runs a function of one's own on cases that often go wrong (one pixel, odd sizes, equal pixels, large numbers),
# compares it with plain loops, and says what it found. We let it look at our functions; below is what it says of one that turns the
# filter around.

# %%
for function in (conv2d, conv2d_backward, max_pool2d_backward, relu_backward, dense_backward, softmax_cross_entropy):
    verification = fastcnn.verify(function)
    assert verification
    print(f"{function.__name__:<22} right in {verification.passed} of {verification.count} cases")


def turned(image, kernel, bias=0):
    return convolve(image, kernel[::-1, ::-1], bias)


print("\n" + str(fastcnn.verify(turned, "convolve2d")))


# %% [markdown]
# A network is these functions in order, and its gradient is their partners in reverse. The functions come in as `ops`, since we will
# exchange them for others soon.

# %%
by_hand = SimpleNamespace(
    conv2d=conv2d, conv2d_backward=conv2d_backward, max_pool2d=max_pool2d, max_pool2d_backward=max_pool2d_backward,
    relu=relu, relu_backward=relu_backward, dense=dense, dense_backward=dense_backward,
    softmax=softmax, softmax_cross_entropy=softmax_cross_entropy,
)  # fmt: skip


def new_weights(rng, filters=4, hidden=8):
    """He's initialization: the spread of the weights fits the number of inputs, so that no layer goes silent. Biases begin at 0."""

    def layer(*shape):
        return rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)

    pooled = (SHEET - 2) // 2
    return {
        "filters": layer(3, 3, 1, filters), "filter_bias": np.zeros(filters),
        "hidden": layer(pooled * pooled * filters, hidden), "hidden_bias": np.zeros(hidden),
        "output": layer(hidden, 2), "output_bias": np.zeros(2),
    }  # fmt: skip


def forward(weights, x, ops=by_hand):
    """The scores (N, 2), and all that the way back needs."""
    feature_maps = ops.relu(ops.conv2d(x, weights["filters"], weights["filter_bias"]))
    pooled, winners = ops.max_pool2d(feature_maps, 2, return_indices=True)
    flat = pooled.reshape(len(x), -1)
    hidden = ops.relu(ops.dense(flat, weights["hidden"], weights["hidden_bias"]))
    return ops.dense(hidden, weights["output"], weights["output_bias"]), (feature_maps, pooled, winners, flat, hidden)


def loss_and_gradients(weights, x, labels, ops=by_hand):
    scores, (feature_maps, pooled, winners, flat, hidden) = forward(weights, x, ops)
    loss, dscores = ops.softmax_cross_entropy(scores, labels)
    dhidden, doutput, doutput_bias = ops.dense_backward(dscores, hidden, weights["output"])
    dflat, dhidden_weights, dhidden_bias = ops.dense_backward(ops.relu_backward(dhidden, hidden), flat, weights["hidden"])
    dmaps = ops.max_pool2d_backward(dflat.reshape(pooled.shape), winners, feature_maps.shape)
    _, dfilters, dfilter_bias = ops.conv2d_backward(ops.relu_backward(dmaps, feature_maps), x, weights["filters"])
    gradients = (dfilters, dfilter_bias, dhidden_weights, dhidden_bias, doutput, doutput_bias)
    return loss, dict(zip(weights, gradients, strict=True))


# %% [markdown]
# ### Letters to learn from
#
# The letters at all 16 places make 32 images. Half of the places, as on a chessboard, are for training. The network never sees the
# other half before the test.

# %%
places = [(letter, row, column) for letter in STROKES for row in range(4) for column in range(4)]
images = np.array([draw(*place) for place in places])[..., None]
labels = np.array([list(STROKES).index(letter) for letter, _, _ in places])
seen = np.array([(row + column) % 2 == 0 for _, row, column in places])


def accuracy(weights, which, ops=by_hand):
    return (forward(weights, images[which], ops)[0].argmax(axis=1) == labels[which]).mean()


untrained = new_weights(rng)
print("weights:", sum(weight.size for weight in untrained.values()))
for name, image in (("O", letter_o), ("X", letter_x)):
    p = softmax(forward(untrained, image[None, ..., None])[0])[0]
    print(f"untrained, for the {name}: O {p[0]:.2f}, X {p[1]:.2f}")

# %% [markdown]
# ### Are the gradients right?
#
# Never trust a gradient that was not checked. Change one weight by a tiny $\varepsilon$ up and down; the loss must follow the gradient:
#
# $$\frac{\partial L}{\partial \theta} \approx \frac{L(\theta + \varepsilon) - L(\theta - \varepsilon)}{2\varepsilon}$$


# %%
def central_differences(loss, weight, step=1e-6):
    """The gradient of loss() in each element of `weight`, which is changed and put back."""
    gradient = np.empty_like(weight)
    for place in np.ndindex(weight.shape):
        before = weight[place]
        weight[place] = before + step
        above = loss()
        weight[place] = before - step
        below = loss()
        weight[place] = before
        gradient[place] = (above - below) / (2 * step)
    return gradient


checked = {name: weight + rng.normal(0, 0.01, weight.shape) for name, weight in untrained.items()}  # away from ReLU's kink at 0
x, t = images[seen], labels[seen]
gradients = loss_and_gradients(checked, x, t)[1]
print("largest difference, as a share of the largest gradient")
for name, weight in checked.items():
    numeric = central_differences(lambda: softmax_cross_entropy(forward(checked, x)[0], t)[0], weight)
    difference = np.abs(gradients[name] - numeric).max() / np.abs(numeric).max()
    print(f"  {name:<12} {difference:.1e}")
    assert difference < 1e-6

# %% [markdown]
# The network's own input has no use for $\delta x$, so the check above did not touch it. In a deeper network it is what a layer passes
# on to the layer before. We check it by itself, with an arbitrary $\delta y$.

# %%
small = rng.normal(size=(2, 5, 5, 3))
filters, dy = rng.normal(size=(3, 3, 3, 2)), rng.normal(size=(2, 3, 3, 2))
dx, _, _ = conv2d_backward(dy, small, filters)
numeric = central_differences(lambda: (dy * conv2d(small, filters, np.zeros(2))).sum(), small)
print(f"input gradient: {np.abs(dx - numeric).max() / np.abs(numeric).max():.1e}")
assert np.allclose(dx, numeric, rtol=1e-6, atol=1e-6)

# %% [markdown]
# ### Training
#
# Each step goes once through the 16 letters, and moves all weights against their gradients.


# %%
def train(weights, steps=300, rate=0.1, ops=by_hand, frozen=()):
    """Train a copy of the weights but those that are `frozen`; return it, and the losses."""
    weights, losses = {name: weight.copy() for name, weight in weights.items()}, []
    for _ in range(steps):
        loss, gradients = loss_and_gradients(weights, images[seen], labels[seen], ops)
        losses.append(loss)
        for name in weights.keys() - set(frozen):
            weights[name] -= rate * gradients[name]
    return weights, losses


begin = time.perf_counter()
trained, losses = train(untrained)
hand_seconds = time.perf_counter() - begin
print(f"loss {losses[0]:.3f} → {losses[-1]:.3f} in {hand_seconds:.1f} s")
print(f"letters read: {accuracy(trained, seen):.0%} at places seen, {accuracy(trained, ~seen):.0%} at places never seen")

figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.semilogy(losses)
ax.set(xlabel="step", ylabel="cross-entropy", title="The network from scratch learns")
plt.show()

# %%
unseen = np.flatnonzero(~seen)
probabilities = softmax(forward(trained, images[unseen])[0])
figure, axes = plt.subplots(2, 8, figsize=(11, 3.4), layout="constrained")
for ax, image, label, p in zip(axes.flat, images[unseen], labels[unseen], probabilities, strict=True):
    ax.imshow(image[..., 0], cmap="gray")
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"{'OX'[p.argmax()]}, {p.max():.0%}", color="black" if p.argmax() == label else "red")
figure.suptitle("Letters at places that were not in the training set; mistakes in red")
plt.show()

# %% [markdown]
# Letters at places that were never seen are read with less confidence. The convolution finds a stroke anywhere, but the dense layers
# behind it read the map place by place. Section 6 measures this on digits.
#
# ### The filters have learnt
#
# This is what the convolution's gradient is for. The filters began as noise; here they are before and after training.

# %%
limit = max(np.abs(weights["filters"]).max() for weights in (untrained, trained))
figure, axes = plt.subplots(2, 4, figsize=(7, 3.8), layout="constrained")
for line, (title, weights) in zip(axes, {"before": untrained, "after": trained}.items(), strict=True):
    for f, ax in enumerate(line):
        drawn = ax.imshow(weights["filters"][:, :, 0, f], cmap="PuOr_r", vmin=-limit, vmax=limit)
        ax.set(title=f"filter {f + 1}, {title}", xticks=[], yticks=[])
figure.colorbar(drawn, ax=axes, label="weight")
plt.show()
moved = np.abs(trained["filters"] - untrained["filters"]).mean() / np.abs(untrained["filters"]).mean()
print(f"mean change, as a share of the mean weight: {moved:.0%}")

# %% [markdown]
# ## 4. The same network on fast kernels
#
# `fastcnn` has kernels in C of the same names and with the same arguments as our functions. So the network stays as it is: only `ops`
# changes.

# %%
loss, slow = loss_and_gradients(trained, images, labels)
fast_loss, fast = loss_and_gradients(trained, images, labels, ops=fastcnn)
assert np.isclose(loss, fast_loss) and all(np.allclose(slow[name], fast[name]) for name in slow)

begin = time.perf_counter()
fast_trained, fast_losses = train(untrained, ops=fastcnn)
fast_seconds = time.perf_counter() - begin
print(f"300 steps: {hand_seconds:.2f} s by hand, {fast_seconds:.3f} s with fastcnn, {hand_seconds / fast_seconds:.0f} times as fast")

# %% [markdown]
# The letters are tiny, and much of that time is Python's. On images of a usual size the arithmetic counts. Here is one layer: 8 images
# of 28 × 28 with 8 channels, 16 filters. "Loops" are the plain Python loops of `fastcnn.reference`, which say what each kernel means;
# they are timed on one image, and the time is multiplied by eight.

# %%
x = rng.standard_normal((8, 28, 28, 8), dtype=np.float32)
w, b = rng.standard_normal((3, 3, 8, 16), dtype=np.float32), np.zeros(16, np.float32)
dy = rng.standard_normal((8, 26, 26, 16), dtype=np.float32)


def milliseconds(function, repeat=5):
    return 1e3 * min(timeit.repeat(function, number=1, repeat=repeat))


def layer_times(ops, images=8, **options):
    """Times of the layer and of its gradients, for all 8 images."""
    part = slice(images)
    passes = lambda: ops.conv2d(x[part], w, b), lambda: ops.conv2d_backward(dy[part], x[part], w)
    return [milliseconds(run, **options) * 8 / images for run in passes]


times = {
    "loops": layer_times(fastcnn.reference, images=1, repeat=1),
    "NumPy": layer_times(by_hand),
    "fastcnn": layer_times(fastcnn, repeat=20),
}
print("          forwards    backwards")
for name, (forwards, backwards) in times.items():
    print(f"{name:<8} {forwards:>8.2f} ms {backwards:>9.2f} ms")
print(f"fastcnn is {times['NumPy'][0] / times['fastcnn'][0]:.0f} and {times['NumPy'][1] / times['fastcnn'][1]:.0f} times as fast as NumPy")

# %% [markdown]
# Speed buys experiments. How much does it matter that the filters learn? We train 40 networks from different beginnings, each once as
# it should be, and once with its filters **frozen** as they began.

# %%
beginnings = [new_weights(np.random.default_rng(seed)) for seed in range(40)]
results = {}
for title, frozen in {"filters learn": (), "filters frozen": ("filters", "filter_bias")}.items():
    ends = [train(weights, ops=fastcnn, frozen=frozen) for weights in beginnings]
    results[title] = [accuracy(weights, ~seen, fastcnn) for weights, _ in ends]
    mean_loss = np.mean([losses[-1] for _, losses in ends])
    perfect = sum(share == 1 for share in results[title])
    print(
        f"{title:<15}: final loss {mean_loss:.4f}, {np.mean(results[title]):.1%} of the unseen letters read, "
        f"{perfect} of 40 networks without a mistake"
    )

# %% [markdown]
# Random filters do surprisingly well on two letters, as the dense layers learn to use them. Learnt filters do better. And where frozen
# filters pass on nothing but zeros, a network cannot learn at all.
#
# ## 5. Handwritten digits
#
# MNIST has 70,000 images of digits, 28 × 28 pixels. The notebook takes all of them where it finds them (`fastcnn.datasets.mnist.find`
# says where it looks), or else the 6,000 that are part of the package.

# %%
found = mnist.find()
(x_train, y_train), (x_test, y_test) = mnist.load_data(found) if found else mnist_sample.load_data()
x_train, x_test = (np.float32(x[..., None] / 255) for x in (x_train, x_test))  # (N, 28, 28, 1), from 0 to 1
epochs = 4 if found else 10

print("all of MNIST" if found else "the sample", x_train.shape, x_test.shape)
print("digits of each kind:", np.bincount(y_train))

figure, axes = plt.subplots(2, 10, figsize=(11, 2.8), layout="constrained")
for digit, column in enumerate(axes.T):
    for ax, row in zip(column, np.flatnonzero(y_train == digit)[:2], strict=True):
        ax.imshow(x_train[row, ..., 0], cmap="gray")
        ax.axis("off")
    column[0].set_title(digit)
figure.suptitle("Two of each digit")
plt.show()

# %% [markdown]
# ### The model
#
# Three convolutions, each with more to look at than the one before. After the second pooling a pixel of the map has seen 10 × 10 pixels
# of the image. **Dropout** silences half of the hidden units at random in each training step, so that none relies on a few others.


# %%
def convolutional(*before):
    """The network for digits; layers in `before` come first."""
    return keras.Sequential([
        keras.Input((28, 28, 1)),
        *before,
        layers.Conv2D(32, 3, activation="relu", name="conv1"),
        layers.MaxPooling2D(2, name="pool1"),
        layers.Conv2D(64, 3, activation="relu", name="conv2"),
        layers.MaxPooling2D(2, name="pool2"),
        layers.Conv2D(64, 3, activation="relu", name="conv3"),
        layers.Flatten(name="flatten"),
        layers.Dense(64, activation="relu", name="hidden"),
        layers.Dropout(0.5, name="dropout"),
        layers.Dense(10, activation="softmax", name="digit"),
    ])  # fmt: skip


def compiled(model):
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


model = compiled(convolutional())
model.summary()
plots.architecture(model)

# %% [markdown]
# ### Training
#
# `compile` chose **Adam**, which gives each weight a step of its own size, and the cross-entropy that we know. `fit` goes through the
# digits in batches of 128. A tenth of them is held back for **validation**: the network is measured on them, but does not learn from
# them.

# %%
begin = time.perf_counter()
history = model.fit(x_train, y_train, batch_size=128, epochs=epochs, validation_split=0.1, verbose=2)
cnn_seconds = time.perf_counter() - begin
print(f"{cnn_seconds:.1f} s")

# %% [markdown]
# The curves tell how it went. A training loss that falls while the validation loss rises would mean **overfitting**: the network learns
# its examples by heart. If the training curve is the worse of the two, that is no mistake: dropout is active in training only, and each
# point is a mean over an epoch during which the network still improved.

# %%
plots.history(history)

# %% [markdown]
# ### The test
#
# The test digits had no part in anything so far.

# %%
test_loss, test_accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"{test_accuracy:.2%} of {len(x_test):,} test digits are read correctly; the loss is {test_loss:.4f}")
predictions = model.predict(x_test, verbose=0)
plots.predictions(model, x_test[:20], y_test[:20])

# %% [markdown]
# One number hides what goes wrong. The **confusion matrix** counts which digit (row) was taken for which (column).

# %%
confusion = metrics.confusion_matrix(y_test, predictions)
plots.confusion_matrix(y_test, predictions)

# %% [markdown]
# And these are the mistakes of which the network was most certain. Some would make a human reader hesitate as well.

# %%
answers = predictions.argmax(axis=1)
wrong = np.flatnonzero(answers != y_test)
surest = wrong[np.argsort(-predictions[wrong].max(axis=1))][:10]
plots.predictions(model, x_test[surest], y_test[surest])

# %% [markdown]
# ## 6. How well does it tolerate a shift?
#
# It is often said that CNNs do not mind where things are. That is half true, and we can measure it. A convolution is **equivariant**:
# if the image moves, the map moves along. Each 2 × 2 pooling forgives a pixel or so. But the dense layers at the end read the map place
# by place.
#
# A fair comparison needs networks that read digits in the middle equally well. So we train four:
#
# - a **dense** network of about as many parameters;
# - a CNN that is **stopped** once it reads the unmoved test digits as well as the dense network does (we match the two on the very
#   digits of the comparison, and claim nothing about its skill in the middle);
# - the **CNN** from above, trained to the end;
# - the same CNN trained on **moved** digits: `RandomTranslation` shifts each training image by up to 4 pixels, anew in each epoch.
#   There is more to learn from these, so it gets twice as many epochs.

# %%
held_back = len(x_train) // 10
x_known, y_known = x_train[:-held_back], y_train[:-held_back]  # what the CNN learnt from

dense_model = compiled(
    keras.Sequential([
        keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(112, activation="relu"), layers.Dense(10, activation="softmax"),
    ])
)  # fmt: skip
begin = time.perf_counter()
dense_model.fit(x_known, y_known, batch_size=128, epochs=epochs, verbose=0)
dense_seconds = time.perf_counter() - begin
some, some_labels = x_test[:2000], y_test[:2000]
goal = dense_model.evaluate(some, some_labels, verbose=0)[1]

stopped = compiled(convolutional())
order = rng.permutation(len(x_known))
steps = 0
while stopped.evaluate(some, some_labels, verbose=0)[1] < goal:
    for _ in range(4):
        rows = np.take(order, np.arange(128 * steps, 128 * (steps + 1)), mode="wrap")
        stopped.train_on_batch(x_known[rows], y_known[rows])
        steps += 1

moved_model = compiled(convolutional(layers.RandomTranslation(4 / 28, 4 / 28, fill_mode="constant")))
moved_model.fit(x_known, y_known, batch_size=128, epochs=2 * epochs, verbose=0)
print(f"dense: {goal:.1%}; the stopped CNN got there after {steps} steps ({128 * steps / len(x_known):.1f} epochs)")


# %%
def shifted(images, down, right):
    """The images moved by whole pixels; paper comes in from the other side."""
    height, width = images.shape[1:3]
    moved = np.zeros_like(images)
    moved[:, max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = images[
        :, max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)
    ]
    return moved


# The map moves along: equivariance.
kernel = model.get_layer("conv1").get_weights()[0]
y, y_moved = (fastcnn.conv2d(images, kernel) for images in (x_test[:8], shifted(x_test[:8], 0, 1)))
assert np.allclose(y_moved[:, :, 1:], y[:, :, :-1], atol=1e-6)

contenders = {"dense": dense_model, "CNN, stopped": stopped, "CNN": model, "CNN, moved digits": moved_model}
shifts = range(6)
curves = {}
for name, contender in contenders.items():
    curves[name] = [
        np.mean([contender.evaluate(shifted(some, *way), some_labels, verbose=0)[1] for way in ((0, s), (0, -s), (s, 0), (-s, 0))])
        for s in shifts
    ]

print("accuracy, mean of left, right, up and down\n")
print(f"{'shift in pixels':<18}{'parameters':>11}" + "".join(f"{s:>8}" for s in shifts))
for name, curve in curves.items():
    print(f"{name:<18}{contenders[name].count_params():>11,}" + "".join(f"{share:>8.1%}" for share in curve))

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained", width_ratios=(1, 1.6))
axes[0].imshow(np.hstack([shifted(x_test[:1], 0, s)[0, ..., 0] for s in (0, 2, 4)]), cmap="gray")
axes[0].set(title="A digit, and the same moved by 2 and by 4", xticks=[], yticks=[])
for (name, curve), marker in zip(curves.items(), "osD^", strict=True):
    axes[1].plot(shifts, curve, marker + "-", label=name)
axes[1].set(xlabel="shift (pixels)", ylabel="accuracy", ylim=(0, 1.02), title="Reading shifted digits")
axes[1].legend()
plt.show()

# %% [markdown]
# Read the table with care:
#
# - All networks that saw only centred digits get worse with the shift. None is invariant.
# - At equal skill in the middle, compare the first two lines: that difference is what convolution and pooling bring.
# - The largest gain comes from the data. Where shifts matter, show the network shifted images. Up to 4 pixels hardly any ink leaves the
#   image: the digits are still there, only somewhere else.
#
# ## 7. What the filters see
#
# A second `Model` over the same layers returns what is inside. No weight is copied.

# %%
inside = keras.Model(model.input, [layer.output for layer in model.layers[:6]])
digit = x_test[:1]
activations = inside.predict(digit, verbose=0)
for layer, activation in zip(model.layers, activations, strict=False):
    print(f"{layer.name:<8} {activation.shape[1:]}")
plots.image(digit[0], f"A {y_test[0]} of the test set")

# %% [markdown]
# Each filter of the first layer makes a map of edges of one kind. Deeper maps are coarser, and answer to combinations of what is before
# them. Dark maps found nothing in this digit.

# %%
display(*(plots.feature_maps(model, digit, name) for name in ("conv1", "conv2", "conv3")))

# %% [markdown]
# The filters of the first layer can be looked at directly: where one half is positive and the other negative, it finds an edge between
# them.

# %%
plots.filters(model.get_layer("conv1"))

# %% [markdown]
# Gradients are good for more than training. The gradient of a digit's score with respect to the **pixels** is a **saliency map**: where
# would a little ink change the score most?

# %%
plots.saliency(model, x_test[:4])

# %% [markdown]
# **Grad-CAM** asks the same of the maps of a layer: it weights each map by its mean gradient and adds them up. What is left above 0
# speaks for the digit. It is coarse, as the maps are; treat both pictures as hints, not as proofs.

# %%
plots.grad_cam(model, x_test[:4], "conv2")

# %% [markdown]
# To look at every layer with the mouse, let `explain` write a page for a browser. Each number on it can be asked for the numbers that
# it comes from. We only look at its size; give it a path of your own to keep it. (`fastcnn demo` opens such a page on which you draw a
# digit.)

# %%
with tempfile.TemporaryDirectory() as folder:
    page = Path(folder) / "digit.html"
    model.explain(digit, page)
    print(f"{page.name}: {page.stat().st_size / 1e6:.2f} MB")

# %% [markdown]
# ## 8. To keep a model
#
# A file holds the layers, their weights and the state of the training. What comes back gives the same numbers, bit for bit.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "digits.safetensors"
    model.save(path)
    again = keras.load_model(path)
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
assert (again.predict(x_test, verbose=0) == predictions).all()

# %% [markdown]
# ## A closing comparison
#
# All numbers below were measured in this run.


# %%
def image_microseconds(model):
    """The time for one image, after the first call."""
    session = keras.InferenceSession(model, batch_size=1)
    return 1e6 * min(timeit.repeat(lambda: session.run(x_test[:1]), number=200, repeat=5)) / 200


rows = {
    "parameters": lambda name: f"{contenders[name].count_params():,}",
    "weights of the first layer": lambda name: f"{contenders[name].get_weights()[0].size:,}",
    "test accuracy": lambda name: f"{contenders[name].evaluate(x_test, y_test, verbose=0)[1]:.2%}",
    "... moved by 2 pixels": lambda name: f"{curves[name][2]:.2%}",
    "... moved by 4 pixels": lambda name: f"{curves[name][4]:.2%}",
    "training": lambda name: f"{ {'dense': dense_seconds, 'CNN': cnn_seconds}[name]:.1f} s",
    "one prediction": lambda name: f"{image_microseconds(contenders[name]):.0f} µs",
}
print(f"{'':<28}{'dense':>10}{'CNN':>10}")
for title, value in rows.items():
    print(f"{title:<28}{value('dense'):>10}{value('CNN'):>10}")

# %% [markdown]
# The convolutional network makes fewer mistakes with about as many parameters, and tolerates small shifts better. It pays in
# arithmetic: each weight of a filter is used at every place of the image.
#
# What to remember:
#
# - **Small filters** of 3 × 3, in several layers; pooling between them makes the maps smaller and each answer less tied to its place.
# - **Weights are shared** over all places, so they are few, and what is learnt at one place holds everywhere.
# - **Check gradients** by central differences before you trust them.
# - **Hold data back**, watch the validation loss, and look at the mistakes, not only at the accuracy.
# - **Show it what it will meet**: training on moved digits did more for shifts than the architecture.
#
# ## Exercises
#
# Let `fastcnn.verify` look at each loop that you write, as in section 3.
#
# 1. Draw a third letter, a T. What must change in the network from scratch? Does it still read all letters at places that it never saw?
# 2. Replace max pooling by average pooling in the network from scratch. Derive its gradient first, and check it by central differences.
#    Call your functions `avg_pool2d` and `avg_pool2d_backward`, and `verify` will know what they should do.
# 3. Give `conv2d` and `conv2d_backward` an argument `stride`. Which of the formulas change? `verify` tests strides once it sees the
#    argument.
# 4. Find out how many filters the letters need. Is one enough? How often does training succeed from random beginnings?
# 5. Replace `Flatten` and the hidden layer of the digits' model by `GlobalAveragePooling2D`. Measure its curve of shifts. Why is it
#    flatter?
# 6. Train the digits' model without dropout and with 200 digits only. What do the curves of `plots.history` look like?
