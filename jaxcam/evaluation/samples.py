"""A few images of a data set with what the network sees in them, to look at."""

import jax
import numpy as np
from jaxtyping import Array

from jaxcam.arrays import Boxes, Labels, Maps
from jaxcam.batches import batches
from jaxcam.box_rules import boxes
from jaxcam.datasets import Dataset, Example
from jaxcam.evaluation._steps import RULE, class_maps
from jaxcam.evaluation.inputs import check_classes, check_network, check_threshold
from jaxcam.forward import forward
from jaxcam.geometry import iou, resize_matrix, scale_boxes
from jaxcam.image_files import read_image
from jaxcam.params import Params
from jaxcam.report.contact_sheet import Sample

LONGEST_SIDE = 448  # pixels of a photo on the sheet


def samples(params: Params, dataset: Dataset, *, count: int = 12, threshold: float | None = None) -> tuple[Sample, ...]:
    """Images evenly spaced over a data set, always the same, with the predicted class, its map and its box.

    Args:
        params: a network's.
        dataset: as for `evaluate`; boxes are not needed.
        count: how many images.
        threshold: share of a map's maximum; None for the card's.

    Returns:
        A Sample an image, for `jaxcam.report.contact_sheet.save_contact_sheet`.

    Raises:
        ValueError: for what `evaluate` refuses.
    """
    threshold = check_threshold(params.card.threshold if threshold is None else threshold)
    check_classes(params.card, dataset)
    check_network(params, localize=True)
    chosen = dataset.spread(count)
    size, how = params.card.image_size, params.card.preprocessing.interpolation
    (batch,) = batches(chosen, batch_size=len(chosen), image_size=size, interpolation=how)
    seen = [np.asarray(value) for value in _look(params, batch.images, np.float32(threshold))]
    return tuple(_sample(params, example, *values) for example, *values in zip(chosen, batch.sizes, *seen, strict=True))


@jax.jit
def _look(params: Params, images: Array, threshold: Array) -> tuple[Labels, Array, Maps, Boxes]:
    """The predicted class of each image, its probability, its map and its box on the grid of the squashed image."""
    features, scores = forward(params, images)
    guesses = scores.argmax(axis=-1)
    maps = class_maps(params, features, guesses)
    return guesses, jax.nn.softmax(scores).max(axis=-1), maps, boxes(maps, rule=RULE, threshold=threshold)


def _sample(
    params: Params,
    example: Example,
    size: np.ndarray,
    guess: np.integer,
    probability: np.floating,
    squashed_map: np.ndarray,
    squashed_box: np.ndarray,
) -> Sample:
    photo = read_image(example.path, max_side=LONGEST_SIDE)
    height, width = photo.shape[:2]
    grid, file = squashed_map.shape, (int(size[0]), int(size[1]))
    truth = np.array(example.boxes, np.float32).reshape(-1, 4)
    rows, columns = resize_matrix(grid[0], height), resize_matrix(grid[1], width)
    overlaps = iou(np.tile(scale_boxes(squashed_box, grid, file), (len(truth), 1)), truth)
    return Sample(
        photo=photo,
        map=rows @ squashed_map @ columns.T,
        box=np.asarray(scale_boxes(squashed_box, grid, (height, width))),
        truth=np.asarray(scale_boxes(truth, file, (height, width))),
        guess=params.card.classes[guess],
        probability=float(probability),
        label=params.card.classes[example.label],
        class_right=bool(guess == example.label),
        box_right=bool((overlaps >= 0.5).any()),
    )
