"""All measures of one map method on one batch."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from jaxcam.arrays import Images, LabelsLike, type_of_array
from jaxcam.faithfulness.confidence import confidence_change
from jaxcam.faithfulness.pixel_order import insertion_deletion
from jaxcam.faithfulness.place import box_measures, mask_iou
from jaxcam.faithfulness.quality import Method, adcc, sparseness
from jaxcam.faithfulness.record import METRICS, Record
from jaxcam.faithfulness.road import FRACTIONS, remove_and_debias
from jaxcam.faithfulness.sanity import randomized, randomized_similarity
from jaxcam.faithfulness.shown import MaskLike, fit, show
from jaxcam.faithfulness.stability import infidelity, max_sensitivity
from jaxcam.forward import logits
from jaxcam.geometry import scale_boxes
from jaxcam.networks import Classifier
from jaxcam.params import Params

OF_BOXES = ("pointing_game", "box_iou")
OF_MASKS = ("mask_iou",)
OF_RANDOM_WEIGHTS = ("randomized_spearman", "randomized_ssim")


@dataclass(frozen=True)
class Effort:
    """How thoroughly to measure.

    Attributes:
        steps: of insertion and deletion.
        fractions: of the pixels that ROAD removes.
        num_squares: of infidelity.
        num_noises: of max-sensitivity: the method is called as often.
        chunk: how many changed batches pass through the network together.

    >>> Effort(steps=10).num_noises
    10
    """

    steps: int = 28
    fractions: tuple[float, ...] = FRACTIONS
    num_squares: int = 50
    num_noises: int = 10
    chunk: int = 1


class Truth(NamedTuple):
    """Where the objects of a batch are.

    Attributes:
        targets: (b, m, 4) half-open boxes (x0, y0, x1, y1) in the images' pixels, padded; or None.
        target_mask: (b, m) True where there is one.
        masks: (b, y, x) of any size, 1 on the object, 0 beside it, any other value where pixels are ignored; or None.
    """

    targets: Float[type_of_array, "b m 4"] | None = None
    target_mask: Bool[type_of_array, "b m"] | None = None
    masks: Integer[type_of_array, "b y x"] | None = None


def measure_faithfulness(
    params: Params,
    method: Method,
    images: Images,
    labels: LabelsLike | None = None,
    *,
    key: Array,
    mask: MaskLike = None,
    metrics: Iterable[str] | None = None,
    truth: Truth | None = None,
    random: Params | None = None,
    effort: Effort | None = None,
) -> Record:
    """How faithful the maps of a method are to the network, by all measures, on one batch.

    Give every batch and every method the same key, so that all meet the same noise. Records of batches merge by
    `merge`; `figures` gives the means in the units of `METRICS`. Maps are made at the size that the network is given.

    Args:
        params: any network's.
        method: `(params, images, labels) -> maps (b, h, w)`; options by `functools.partial`.
        images: uint8 or float in [0, 1], (b, h, w, channels).
        labels: (b,) classes; None for the predicted ones.
        key: a `jax.random.key`, of all noise.
        mask: (b,) False where the row is padding and counts for nothing.
        metrics: names of `METRICS`; None for all that can be measured: those of boxes and masks where they are given,
            those of random weights where `random` is or the network can begin afresh.
        truth: where the objects are.
        random: the network with random weights; None for `randomized(params, key, stage=stages[0])`. Made once, it
            saves time in every batch.
        effort: numbers of steps and of samples; None for `Effort()`.

    Returns:
        `Sums` by name, in the order of `METRICS`.

    Raises:
        ValueError: for shapes that do not fit together, an unknown metric, or one that lacks what it needs.

    >>> import jaxcam
    >>> params = jaxcam.from_functions(
    ...     lambda weights, images: images,
    ...     lambda weights, cells: cells.mean((1, 2)),
    ...     card=jaxcam.Card(image_size=(8, 8)),
    ... )
    >>> red = lambda params, images, labels: images[..., 0]
    >>> record = measure_faithfulness(
    ...     params, red, jnp.ones((2, 8, 8, 3)), jnp.array([0, 1]), key=jax.random.key(0), metrics=["sparseness"]
    ... )
    >>> record["sparseness"].count
    Array(2., dtype=float32)
    """
    truth = Truth() if truth is None else truth
    wanted = _wanted(metrics, params, truth, random)
    labels = logits(params, images).argmax(axis=-1) if labels is None else labels
    shown = show(params, images, labels, mask=mask)
    maps = method(params, shown.images, shown.labels)
    of = _Subject(params, method, shown.images, shown.labels, maps, shown.mask, jax.random.split(key, 4))
    measures = {
        **_measures(of, Effort() if effort is None else effort),
        OF_RANDOM_WEIGHTS: lambda: _of_random_weights(of, random),
        OF_BOXES: lambda: _of_boxes(of, truth, images.shape[1:-1]),
        OF_MASKS: lambda: _of_masks(of, truth.masks),
    }
    record: Record = {}
    for names, measure in measures.items():
        record |= measure() if wanted.intersection(names) else {}
    return {name: record[name] for name in METRICS if name in wanted}


class _Subject(NamedTuple):
    """What is measured."""

    params: Params
    method: Method
    images: Array
    labels: Array
    maps: Array
    mask: Array
    keys: Array


def _measures(of: _Subject, effort: Effort) -> dict[tuple[str, ...], Callable[[], Record]]:
    """What needs no truth, by the names of what it gives."""
    params, method, images, labels, maps, mask, keys = of
    given: Any = (params, images, labels, maps)
    chunk = effort.chunk
    return {
        ("insertion", "deletion"): lambda: insertion_deletion(*given, mask=mask, steps=effort.steps, chunk=chunk),
        ("average_drop", "average_increase", "average_gain"): lambda: confidence_change(*given, mask=mask),
        ("road_most_relevant", "road_least_relevant", "road"): lambda: remove_and_debias(
            *given, key=keys[0], mask=mask, fractions=effort.fractions, chunk=chunk
        ),
        ("coherency", "complexity", "adcc"): lambda: adcc(params, method, *given[1:], mask=mask),
        ("infidelity",): lambda: infidelity(
            *given, key=keys[1], mask=mask, num_samples=effort.num_squares, chunk=chunk
        ),
        ("max_sensitivity",): lambda: max_sensitivity(
            params, method, images, labels, key=keys[2], mask=mask, num_samples=effort.num_noises
        ),
        ("sparseness",): lambda: {"sparseness": sparseness(maps, mask=mask)},
    }


def _of_random_weights(of: _Subject, random: Params | None) -> Record:
    if random is None:
        network: Any = of.params.network
        random = randomized(of.params, of.keys[3], stage=network.stages[0])
    return randomized_similarity(of.params, random, of.method, of.images, of.labels, mask=of.mask)


def _of_boxes(of: _Subject, truth: Truth, size: tuple[int, ...]) -> Record:
    targets: Any = truth.targets
    there = jnp.ones(targets.shape[:2], bool) if truth.target_mask is None else truth.target_mask
    (height, width), (y, x) = size, of.maps.shape[1:]
    return box_measures(of.maps, scale_boxes(targets, (height, width), (y, x)), there, mask=of.mask)


def _of_masks(of: _Subject, masks: Any) -> Record:
    return mask_iou(fit(of.maps, masks.shape[1:]), masks, mask=of.mask)


def _wanted(metrics: Iterable[str] | None, params: Params, truth: Truth, random: Params | None) -> set[str]:
    """The metrics to measure; a ValueError for unknown ones and for those that lack what they need."""
    lacking: dict[str, str] = {}
    if truth.targets is None:
        lacking |= dict.fromkeys(OF_BOXES, "the targets of truth=")
    if truth.masks is None:
        lacking |= dict.fromkeys(OF_MASKS, "the masks of truth=")
    if random is None and not isinstance(params.network, Classifier):
        lacking |= dict.fromkeys(OF_RANDOM_WEIGHTS, "random=, as this network cannot begin afresh")
    if metrics is None:
        return METRICS.keys() - lacking.keys()
    wanted = set(metrics)
    if unknown := wanted - METRICS.keys():
        raise ValueError(f"metrics: got {', '.join(sorted(unknown))}; known are {', '.join(METRICS)}")
    if missing := [f"{name} needs {lacking[name]}" for name in METRICS if name in wanted and name in lacking]:
        raise ValueError(f"metrics: {', '.join(missing)}")
    return wanted
