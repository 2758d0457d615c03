"""Maps from masked images: channels of a stage, each weighed by the score of the image that it masks.

A_k is channel k of the stage's output, M_k the same resized to the image and scaled to [0, 1], I the image as the
network is given it, S the score of the label. All labels of an image share the masked forward passes. A channel that is
the same everywhere makes no mask and has no weight.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcam.geometry import resize
from jaxcam.methods.chunks import baseline_pixels, check_counts, map_in_chunks, masked, pixel_scores
from jaxcam.methods.cut import Cut, RawMaps, Targets, weighed
from jaxcam.methods.map_method import map_method


@map_method()
def score_cam(
    cut: Cut,
    targets: Targets,
    *,
    score: str = "logit",
    softmax: bool = True,
    baseline: float | Array | None = None,
    chunk: int = 32,
    relu: bool = True,
) -> RawMaps:
    """Score-CAM: channels weighed by the score of the image that they mask.

    M(p) = relu(sum_k w_k A_k(p)), w = softmax over k of S(I M_k) - S(I_b), where I_b is the image all masked out.

    The authors' code is score="probability", softmax=False, without S(I_b), which a softmax cancels. torch-cam 0.5
    scales channels before it resizes them, so most of its masks stay below 1; pytorch-grad-cam 1.5 aligns the corners.

    Args:
        score: "logit", as in the paper's algorithm, or "probability".
        softmax: whether weights are a softmax over channels, as in the paper's algorithm, or the differences.
        baseline: what masked-out pixels show: a grey from 0 (black) to 1, or None for the network's 0, the mean colour,
            as in the authors' code, which multiplies preprocessed pixels.
        chunk: number of masks an image that go through the network at once.
        relu: leave out what speaks against the class, as in the paper.

    Source: Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR 2020
    workshops, arXiv 1910.01279.

    >>> import jax.numpy as jnp, jaxcam
    >>> params = jaxcam.from_functions(lambda _, images: images, lambda _, cells: cells.mean((1, 2)))
    >>> jaxcam.score_cam(params, jnp.zeros((2, 32, 24, 3)), jnp.array([2, 1])).shape
    (2, 32, 24)
    """
    return _map_of_masks(
        cut, targets, _as_it_is, 1, score=score, softmax=softmax, baseline=baseline, chunk=chunk, relu=relu
    )


@map_method()
def ss_cam(
    cut: Cut,
    targets: Targets,
    *,
    key: Array | None = None,
    num_samples: int = 35,
    std: float = 2.0,
    score: str = "logit",
    softmax: bool = True,
    baseline: float | Array | None = None,
    chunk: int = 32,
    relu: bool = True,
) -> RawMaps:
    """SS-CAM, Smoothed Score-CAM: Score-CAM with scores that are means over noisy copies of each mask.

    M(p) = relu(sum_k w_k A_k(p)), w = softmax over k of mean over noise N of S(I (M_k + N)) - S(I_b).

    So does torch-cam. The authors' code is score="probability", softmax=False, without S(I_b). Its noise has the
    deviation (std / range of the channel)^2 and lies on channels before they are scaled, or on the masked image.

    Args:
        key: a `jax.random.key` of the noise, the same for every image; None for that of 0.
        num_samples: number of copies.
        std: of the noise, where masks are from 0 to 1.
        score: "logit" or "probability".
        softmax: whether weights are a softmax over channels, or the differences themselves.
        baseline: what masked-out pixels show: a grey from 0 (black) to 1, or None for the network's 0, the mean colour.
        chunk: number of masks an image that go through the network at once.
        relu: leave out what speaks against the class, as in the paper.

    Source: Wang et al., "SS-CAM: Smoothed Score-CAM for Sharper Visual Feature Localization", 2020, arXiv 2006.14255.

    >>> import jax.numpy as jnp, jaxcam
    >>> params = jaxcam.from_functions(lambda _, images: images, lambda _, cells: cells.mean((1, 2)))
    >>> jaxcam.ss_cam(params, jnp.zeros((2, 32, 24, 3)), jnp.array([2, 1]), num_samples=2).shape
    (2, 32, 24)
    """
    key = jax.random.key(0) if key is None else key

    def with_noise(masks: Array, index: Array) -> Array:
        return masks + std * jax.random.normal(jax.random.fold_in(key, index), masks.shape[1:], jnp.float32)[None]

    return _map_of_masks(
        cut, targets, with_noise, num_samples, score=score, softmax=softmax, baseline=baseline, chunk=chunk, relu=relu
    )


@map_method()
def is_cam(
    cut: Cut,
    targets: Targets,
    *,
    num_samples: int = 10,
    score: str = "logit",
    softmax: bool = True,
    baseline: float | Array | None = None,
    chunk: int = 32,
    relu: bool = True,
) -> RawMaps:
    """IS-CAM, Integrated Score-CAM: Score-CAM with scores that are means over growing parts of each mask.

    M(p) = relu(sum_k w_k A_k(p)), w = softmax over k of mean over i = 1..n of S(c_i I M_k) - S(I_b),
    c_i = (1 + 2 + ... + i) / n.

    The parts i / n add up as in the authors' code and in torch-cam, so the last image is (n + 1) / 2 times as strong as
    the masked one. The authors' code scores that one alone, by its probability, without S(I_b) or a softmax.

    Args:
        num_samples: number n of parts.
        score: "logit" or "probability".
        softmax: whether weights are a softmax over channels, or the differences themselves.
        baseline: what masked-out pixels show: a grey from 0 (black) to 1, or None for the network's 0, the mean colour.
        chunk: number of masks an image that go through the network at once.
        relu: leave out what speaks against the class, as in the paper.

    Source: Naidu et al., "IS-CAM: Integrated Score-CAM for axiomatic-based explanations", 2020, arXiv 2010.03023.

    >>> import jax.numpy as jnp, jaxcam
    >>> params = jaxcam.from_functions(lambda _, images: images, lambda _, cells: cells.mean((1, 2)))
    >>> jaxcam.is_cam(params, jnp.zeros((2, 32, 24, 3)), jnp.array([2, 1]), num_samples=2).shape
    (2, 32, 24)
    """

    def part(masks: Array, index: Array) -> Array:
        step = index // cut.cells.shape[-1] + 1
        return masks * (step * (step + 1) / (2 * num_samples))

    return _map_of_masks(
        cut, targets, part, num_samples, score=score, softmax=softmax, baseline=baseline, chunk=chunk, relu=relu
    )


def _as_it_is(masks: Array, index: Array) -> Array:
    return masks


def _map_of_masks(
    cut: Cut,
    targets: Targets,
    change: Callable[[Array, Array], Array],
    num_samples: int,
    *,
    score: str,
    softmax: bool,
    baseline: float | Array | None,
    chunk: int,
    relu: bool,
) -> RawMaps:
    """Channels weighed by the scores of masks after `change(masks (b, *space), index)`, indices sample by sample."""
    check_counts(num_samples=num_samples, chunk=chunk)
    background = baseline_pixels(cut, baseline)
    channels = cut.cells.shape[-1]
    total = num_samples * channels

    def scores_at(index: Array) -> Array:
        pixels = masked(cut, change(_masks(cut, index % channels), index), background)
        # The baseline goes last through the same loop, so that the network is compiled once.
        return pixel_scores(cut, jnp.where(index < total, pixels, background), targets, score)

    # A softmax cancels the baseline's score.
    scores = map_in_chunks(scores_at, total if softmax else total + 1, chunk)
    means = jnp.moveaxis(scores[:total].reshape(num_samples, channels, *scores.shape[1:]).mean(axis=0), 0, -1)
    varies = (cut.cells.max(axis=cut.axes) > cut.cells.min(axis=cut.axes))[:, None]
    weights = jax.nn.softmax(means, where=varies) if softmax else means - scores[total][..., None]
    # Not 0 alone: a label out of range is to stay NaN.
    maps = weighed(cut.cells, jnp.where(varies, weights, 0 * means))
    return jax.nn.relu(maps) if relu else maps


def _masks(cut: Cut, channel: Array) -> Array:
    """A channel (b, *space) of each image, resized to the pixels and then scaled to [0, 1]."""
    space = cut.pixels.shape[1:-1]
    masks = resize(jnp.take(cut.cells, channel, axis=-1), space, axis=1)
    lowest, highest = masks.min(axis=cut.axes, keepdims=True), masks.max(axis=cut.axes, keepdims=True)
    return (masks - lowest) / jnp.where(highest > lowest, highest - lowest, 1)
