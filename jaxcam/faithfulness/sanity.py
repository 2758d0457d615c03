"""Sanity checks: a map that explains a network does not look the same when the network's weights are random.

Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018, arXiv 1810.03292.
"""

from typing import Any

import jax
from jaxtyping import Array

from jaxcam.arrays import Images, LabelsLike
from jaxcam.card import Card
from jaxcam.faithfulness.quality import Method
from jaxcam.faithfulness.record import Record, sums
from jaxcam.faithfulness.shown import MaskLike, show
from jaxcam.faithfulness.statistics import spearman, structural_similarity
from jaxcam.networks import Classifier
from jaxcam.params import Params, init, sample_pixels


def randomized(params: Params, key: Array, *, stage: str | None = None) -> Params:
    """The network with fresh weights from a stage on, those in front of it kept: a step of the cascading randomization.

    The cascade goes from what follows the last stage down to the first one: `None`, then `reversed(stages)`.

    Args:
        params: a network's of jaxcam, or any `Classifier`.
        key: a `jax.random.key`; the same one gives the same weights to every stage.
        stage: a name of the network's `stages`; None for what follows the last one: the classifying layer.

    Returns:
        Params of the same network and card. Statistics of batches are fresh too: mean 0 and variance 1.

    Raises:
        ValueError: for an unknown stage, or a network that is no `Classifier`, such as one made from functions.

    >>> import jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> fresh = randomized(params, jax.random.key(1), stage="layer4").variables["params"]
    >>> fresh["backbone"]["conv1"]["kernel"] is params.variables["params"]["backbone"]["conv1"]["kernel"]
    True
    """
    network: Any = params.network
    if not isinstance(network, Classifier):
        raise ValueError(
            f"params: got a network of {type(network).__name__}; give a Classifier, which can begin afresh"
        )
    stages = network.stages
    if stage is not None and stage not in stages:
        raise ValueError(f"stage: got {stage!r}; this network has {', '.join(stages)}")
    card = Card(("",) * network.head.num_classes, image_size=params.card.image_size, channels=params.card.channels)
    fresh = init(network, key, card=card).variables
    place = len(stages) if stage is None else stages.index(stage)
    kept = _leaves_upto(params, stages[place - 1]) if place else set()
    mixed = jax.tree_util.tree_map_with_path(
        lambda path, old, new: old if path in kept else new.astype(old.dtype), params.variables, fresh
    )
    return params.replace(variables=mixed)


def _leaves_upto(params: Params, stage: str) -> set[Any]:
    """The paths of the leaves that a network has up to a stage: those that it makes to come so far."""
    network: Any = params.network
    variables = jax.eval_shape(
        lambda key: network.init(key, sample_pixels(params.card), stage, method="features"), jax.random.key(0)
    )
    return {path for path, _ in jax.tree_util.tree_leaves_with_path(variables)}


def randomized_similarity(
    params: Params, random: Params, method: Method, images: Images, labels: LabelsLike, *, mask: MaskLike = None
) -> Record:
    """How much alike the maps of a network and of its `randomized` self are: 0 if the method looks at the weights.

    Spearman's rank correlation (of the raw maps; 0 where one is constant) and the SSIM (of maps scaled to [0, 1] by
    their least and largest value), as the paper has them.

    Args:
        params: any network's.
        random: the same network's with other weights: mostly `randomized(params, key, stage=stage)`.
        method: `(params, images, labels) -> maps`; options by `functools.partial`.
        images: uint8 or float in [0, 1], (b, h, w, channels).
        labels: (b,) classes.
        mask: (b,) False where the row counts for nothing.

    Returns:
        `Sums` of "randomized_spearman" and "randomized_ssim".

    Raises:
        ValueError: for shapes that do not fit together, or maps of less than 11 pixels each way.
    """
    shown = show(params, images, labels, mask=mask)
    return _similarity(*(method(one, shown.images, shown.labels) for one in (params, random)), shown.mask)


@jax.jit
def _similarity(maps: Array, others: Array, mask: Array) -> Record:
    return {
        "randomized_spearman": sums(spearman(maps, others), mask),
        "randomized_ssim": sums(structural_similarity(maps, others), mask),
    }
