"""ROAD, remove and debias: the score without the pixels that the map has highest, or lowest."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcam.arrays import Images, LabelsLike
from jaxcam.compilation import jit_network
from jaxcam.faithfulness.imputation import imputed
from jaxcam.faithfulness.pixel_order import ranks, visible_nan
from jaxcam.faithfulness.record import Record, sums
from jaxcam.faithfulness.shown import MapsLike, MaskLike, Shown, scores_of_variants, show
from jaxcam.params import Params

FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)  # the paper's


def remove_and_debias(
    params: Params,
    images: Images,
    labels: LabelsLike,
    maps: MapsLike,
    *,
    key: Array | None = None,
    mask: MaskLike = None,
    fractions: Sequence[float] = FRACTIONS,
    std: float = 0.01,
    score: str = "probability",
    chunk: int = 1,
) -> Record:
    """ROAD: the label's mean probability when shares of the pixels are replaced by what lies around them.

    Most relevant: without the floor(share n) of n pixels that the map has highest; least relevant: without as many of
    those it has lowest; each a mean over `fractions`.

    The order of the pixels alone counts, so maps are not normalised. Of equal pixels, the first in raster order counts
    as higher. Here both orders remove the same number, and noise is in units of the image. In the authors' code the
    least relevant order removes n - floor(share n) pixels; pytorch-grad-cam 1.5 removes all pixels from a percentile
    on, so more of them where they are equal, as under a ReLU, and adds its noise behind the normalisation.

    Args:
        params: any network's, of images (h, w).
        images: uint8 or float in [0, 1], (b, h, w, channels).
        labels: (b,) classes.
        maps: (b, y, x) raw maps of any size.
        key: of the noise; None for `jax.random.key(0)`. It is the same for every image.
        mask: (b,) False where the row counts for nothing.
        fractions: shares of the pixels to remove, between 0 and 1.
        std: of the noise on imputed pixels.
        score: "probability", "correct" (the paper's accuracy) or "logit".
        chunk: how many changed batches pass through the network together.

    Returns:
        `Sums` of "road_most_relevant", "road_least_relevant" and "road": half of their difference.

    Raises:
        ValueError: for shapes that do not fit together, fractions out of range, or an unknown option.

    Source: Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", ICML 2022, arXiv
    2202.00449. The combination is pytorch-grad-cam's.

    >>> import jaxcam
    >>> red = jaxcam.from_functions(  # class 0 is as probable as the image is red
    ...     lambda weights, images: images,
    ...     lambda weights, cells: jnp.log(jnp.array([[0.0, 1.0]]) + cells.mean((1, 2)) @ jnp.array([[1.0, -1.0]])),
    ...     card=jaxcam.Card((), (), (1, 4), 1, jaxcam.Preprocessing(mean=(0.0,), std=(1.0,))),
    ... )
    >>> image = jnp.array([0.9, 0.1, 0.1, 0.1])[None, None, :, None]
    >>> record = remove_and_debias(red, image, jnp.array([0]), image[..., 0], fractions=(0.25,), std=0.0)
    >>> round(float(record["road_most_relevant"].total), 3)
    0.1
    """
    if not fractions or not all(0 < share < 1 for share in fractions):
        raise ValueError(f"fractions: got {fractions}; give shares of the pixels above 0 and below 1")
    shown = show(params, images, labels, maps, mask)
    if shown.maps.ndim != 3:
        raise ValueError(f"images: got {shown.maps.ndim - 1} dimensions; ROAD is made for pictures, of two")
    key = jax.random.key(0) if key is None else key
    most, least = _scores(params, shown, key, std, fractions=tuple(fractions), score=score, chunk=chunk)
    return {
        "road_most_relevant": sums(most, mask),
        "road_least_relevant": sums(least, mask),
        "road": sums((least - most) / 2, mask),
    }


@partial(jit_network, static_argnames=("fractions", "score", "chunk"))
def _scores(
    params: Params, shown: Shown, key: Array, std: Array | float, *, fractions, score, chunk
) -> Float[Array, "2 b"]:
    """The mean over fractions of each image's scores, most relevant first and least relevant first."""
    order, pixels = ranks(shown.maps), shown.maps[0].size

    def change(variant):
        most, count, key = variant
        removed = jnp.where(most, order < count, order >= pixels - count)
        noise = std * jax.random.normal(key, shown.images.shape[1:], jnp.float32)
        return imputed(shown.images, removed, noise)

    counts = jnp.array([int(share * pixels) for share in fractions] * 2)
    most = jnp.arange(len(counts)) < len(fractions)
    variants = (most, counts, jax.random.split(key, len(counts)))
    scores = scores_of_variants(params, shown.labels, change, variants, score=score, chunk=chunk)
    return visible_nan(scores, shown.maps).reshape(2, len(fractions), -1).mean(axis=1)
