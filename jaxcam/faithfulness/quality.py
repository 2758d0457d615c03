"""Measures of the map itself: ADCC with its coherency and complexity, and sparseness."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcam.arrays import Images, LabelsLike
from jaxcam.compilation import jit_network
from jaxcam.faithfulness.confidence import dim, drop
from jaxcam.faithfulness.record import Record, Sums, sums
from jaxcam.faithfulness.shown import (
    ImageMaps,
    MapsLike,
    MaskLike,
    Shown,
    ShownImages,
    fit,
    scale,
    scores_of_images,
    show,
)
from jaxcam.faithfulness.statistics import constant, gini, pearson
from jaxcam.params import Params

# (params, images (b, h, w, channels), labels (b,)) -> maps (b, y, x): any map method, with options by `partial`.
Method = Callable[..., Array]


def sparseness(maps: MapsLike, *, mask: MaskLike = None) -> Sums:
    """Sparseness: the Gini index of the map's absolute values, at the size it is given in.

    G = 1 - 2 sum over k of v_(k) / |v| (n - k + 1/2) / n, with v_(1) <= ... <= v_(n) and |v| their sum: 0 if all are
    equal, 1 - 1 / n if one of n has all. A map of zeros has no index, and is not counted.

    Args:
        maps: (b, y, x) raw maps.
        mask: (b,) False where the row counts for nothing.

    Returns:
        `Sums`.

    Source: Chalasani et al., "Concise Explanations of Neural Networks using Adversarial Training", ICML 2020, arXiv
    1810.06583. Quantus 0.5 takes no absolute values.

    >>> sparseness(jnp.array([[[0.0, 3.0]], [[1.0, 1.0]], [[0.0, 0.0]]]))
    Sums(total=Array(0.5, dtype=float32), count=Array(2., dtype=float32))
    """
    return _sparseness(jnp.asarray(maps, jnp.float32), np.ones(len(maps), bool) if mask is None else mask)


def complexity(maps: MapsLike, *, mask: MaskLike = None, scaling: str = "max") -> Sums:
    """Complexity: the mean of the map, scaled to [0, 1].

    Args:
        maps: (b, y, x) raw maps.
        mask: (b,) False where the row counts for nothing.
        scaling: "max" or "minmax", as for `jaxcam.normalize`.

    Returns:
        `Sums`, as shares.

    Source: Poppi et al., CVPR workshops 2021, arXiv 2104.10252.

    >>> complexity(jnp.array([[[-1.0, 3.0]]]))
    Sums(total=Array(0.5, dtype=float32), count=Array(1., dtype=float32))
    """
    return sums(_complexity(jnp.asarray(maps, jnp.float32), scaling), mask)


def adcc(
    params: Params,
    method: Method,
    images: Images,
    labels: LabelsLike,
    maps: MapsLike,
    *,
    mask: MaskLike = None,
    scaling: str = "max",
    baseline: str = "black",
) -> Record:
    """ADCC: the harmonic mean of coherency, 1 - complexity and 1 - average drop, of each image.

    Coherency = (1 + r) / 2, with r the correlation of the map M with that of M I, the image dimmed by its map; 0 where
    one of them is constant. Complexity = mean of M. Drop = max(p - o, 0) / p, with p and o the label's probabilities on
    I and M I. M is the map scaled to [0, 1].

    As Grad-CAM++'s drop, M I is black where the map is 0; the authors' code multiplies behind the normalisation:
    baseline="mean". It looks at the predicted class alone; here both maps are those of the label.

    Args:
        params: any network's.
        method: the one that made the maps, `(params, images, labels) -> maps`; options by `functools.partial`.
        images: uint8 or float in [0, 1], (b, h, w, channels).
        labels: (b,) classes.
        maps: (b, y, x) raw maps of any size.
        mask: (b,) False where the row counts for nothing.
        scaling: "max", or "minmax", as for `jaxcam.normalize`; the same for ReLUed maps whose minimum is 0.
        baseline: what the image fades to: "black", "mean" or "blurred".

    Returns:
        `Sums` of "coherency", "complexity" and "adcc", as shares.

    Raises:
        ValueError: for shapes that do not fit together, or an unknown option.

    Source: Poppi et al., "Revisiting The Evaluation of Class Activation Mapping for Explainability: A Novel Metric and
    Experimental Analysis", CVPR workshops 2021, arXiv 2104.10252.
    """
    shown = show(params, images, labels, maps, mask)
    dimmed, before, after = _dimmed(params, shown, scaling, baseline)
    return _adcc(shown.maps, method(params, dimmed, shown.labels), before, after, shown.mask, scaling)


@partial(jit_network, static_argnums=(2, 3))
def _dimmed(params: Params, shown: Shown, scaling: str, baseline: str) -> tuple[ShownImages, Array, Array]:
    dimmed = dim(params, shown, scaling, baseline)
    before, after = (scores_of_images(params, images, shown.labels, "probability") for images in (shown.images, dimmed))
    return dimmed, before, after


@partial(jax.jit, static_argnums=5)
def _adcc(maps: ImageMaps, second: ImageMaps, before: Array, after: Array, mask: Array, scaling: str) -> Record:
    second = fit(second, maps.shape[1:])
    first, second = scale(maps, scaling), scale(second, scaling)
    coherency = jnp.where(constant(first) | constant(second), 0, (1 + pearson(first, second)) / 2)
    simple = _complexity(maps, scaling)
    parts = jnp.stack([coherency, 1 - simple, 1 - drop(before, after)])
    # A harmonic mean is 0 where a part is.
    none = (parts <= 0).any(axis=0)
    mean = jnp.where(none, 0, 3 / (1 / jnp.where(none[None], 1, parts)).sum(axis=0))
    return {"coherency": sums(coherency, mask), "complexity": sums(simple, mask), "adcc": sums(mean, mask)}


@partial(jax.jit, static_argnums=1)
def _complexity(maps: ImageMaps, scaling: str) -> Float[Array, " b"]:
    return scale(maps, scaling).mean(axis=tuple(range(1, maps.ndim)))


@jax.jit
def _sparseness(maps: ImageMaps, mask: Array) -> Sums:
    return sums(gini(maps), mask & (maps != 0).any(axis=tuple(range(1, maps.ndim))))
