"""How the probability changes when an image is dimmed by its map: average drop, increase and gain."""

from functools import partial

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcam.arrays import Images, LabelsLike
from jaxcam.compilation import jit_network
from jaxcam.faithfulness.baselines import baseline_images
from jaxcam.faithfulness.record import Record, sums
from jaxcam.faithfulness.shown import MapsLike, MaskLike, Shown, ShownImages, scale, scores_of_variants, show
from jaxcam.params import Params


def confidence_change(
    params: Params,
    images: Images,
    labels: LabelsLike,
    maps: MapsLike,
    *,
    mask: MaskLike = None,
    scaling: str = "max",
    baseline: str = "black",
) -> Record:
    """Average drop, increase and gain: what the label's probability loses or wins when the image is dimmed by its map.

    With p of the image I and o of M I, M in [0, 1] the map: drop = max(p - o, 0) / p, increase = 1 where o > p,
    gain = max(o - p, 0) / (1 - p); a drop from 0 and a gain from 1 are 0.

    M I is black where the map is 0, as Grad-CAM++ has it. pytorch-grad-cam 1.5, torch-cam 0.5 and the authors' code of
    ADCC multiply behind the normalisation, which fades to the mean of the network's card: baseline="mean". The drop of
    pytorch-grad-cam is p - o, not divided by p.

    Args:
        params: any network's.
        images: uint8 or float in [0, 1], (b, h, w, channels).
        labels: (b,) classes.
        maps: (b, y, x) raw maps of any size.
        mask: (b,) False where the row counts for nothing.
        scaling: how maps come to [0, 1], as for `jaxcam.normalize`: "max", the ReLU and the division of Grad-CAM++, or
            "minmax", as Opti-CAM has it.
        baseline: what the image fades to: "black", "mean" or "blurred".

    Returns:
        `Sums` of "average_drop", "average_increase" and "average_gain", as shares.

    Raises:
        ValueError: for shapes that do not fit together, or an unknown option.

    Source: Chattopadhyay et al., "Grad-CAM++", WACV 2018, arXiv 1710.11063 (drop and increase); Zhang et al.,
    "Opti-CAM: Optimizing saliency maps for interpretability", CVIU 2024, arXiv 2301.07002 (gain).

    >>> import jaxcam
    >>> red = jaxcam.from_functions(  # class 0 is as probable as the image is red
    ...     lambda weights, images: images,
    ...     lambda weights, cells: jnp.log(jnp.array([[0.0, 1.0]]) + cells.mean((1, 2)) @ jnp.array([[1.0, -1.0]])),
    ...     card=jaxcam.Card((), (), (1, 2), 1, jaxcam.Preprocessing(mean=(0.0,), std=(1.0,))),
    ... )
    >>> record = confidence_change(red, jnp.array([[[[0.8], [0.2]]]]), jnp.array([0]), jnp.array([[[3.0, -1.0]]]))
    >>> round(float(record["average_drop"].total), 3)  # from .5 to .4
    0.2
    """
    before, after = _probabilities(params, show(params, images, labels, maps, mask), scaling, baseline)
    return {
        "average_drop": sums(drop(before, after), mask),
        "average_increase": sums(
            jnp.where(jnp.isnan(after - before), jnp.nan, (after > before).astype(jnp.float32)), mask
        ),
        "average_gain": sums(_share(after - before, 1 - before), mask),
    }


def drop(before: Float[Array, " b"], after: Float[Array, " b"]) -> Float[Array, " b"]:
    """The share of each probability that is lost."""
    return _share(before - after, before)


def dim(params: Params, shown: Shown, scaling: str, baseline: str) -> ShownImages:
    """Images times their scaled maps, which fade to the baseline."""
    shares = scale(shown.maps, scaling)[..., None]
    return shares * shown.images + (1 - shares) * baseline_images(params, shown.images, baseline)


@partial(jit_network, static_argnums=(2, 3))
def _probabilities(params: Params, shown: Shown, scaling: str, baseline: str) -> tuple[Array, Array]:
    """The probabilities of the images and of the dimmed images."""
    both = jnp.stack([shown.images, dim(params, shown, scaling, baseline)])
    before, after = scores_of_variants(params, shown.labels, lambda images: images, both, score="probability", chunk=1)
    return before, after


def _share(part: Float[Array, " b"], whole: Float[Array, " b"]) -> Float[Array, " b"]:
    part = jnp.maximum(part, 0)
    return jnp.where(part == 0, 0, part / jnp.where(whole == 0, 1, whole))
