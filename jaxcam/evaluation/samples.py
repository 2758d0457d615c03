"""A few images of a data set with what the network sees in them, to look at."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcam.class_names import distinct_names
from jaxcam.datasets import Dataset, Example
from jaxcam.evaluation._steps import look
from jaxcam.evaluation.inputs import check_classes, check_network, threshold_of
from jaxcam.evaluation.passes import in_file, steps
from jaxcam.evaluation.protocol import Protocol
from jaxcam.geometry import iou, resize_matrix, scale_boxes
from jaxcam.image_files import read_image, read_size
from jaxcam.params import Params
from jaxcam.report.contact_sheet import Sample

LONGEST_SIDE = 448  # pixels of a photo on the sheet


def samples(
    params: Params,
    dataset: Dataset,
    *,
    count: int = 12,
    protocol: Protocol = Protocol(),
    threshold: float | None = None,
    batch_size: int = 64,
) -> tuple[Sample, ...]:
    """Images evenly spaced over a data set, always the same, with the predicted class, its map and its box.

    Args:
        params: a network's.
        dataset: as for `evaluate`; boxes are not needed. What cannot be read is left out.
        count: how many images.
        protocol: as for `evaluate`.
        threshold: share of a map's maximum; None for the card's.
        batch_size: images a step.

    Returns:
        A Sample an image, for `jaxcam.report.contact_sheet.save_contact_sheet` and `jaxcam.report.page.save_page`.

    Raises:
        ValueError: for what `evaluate` refuses.
    """
    params = protocol.settle(params)
    cut = threshold_of(params.card, protocol, threshold)
    check_classes(params.card, dataset)
    check_network(params, protocol, localize=True)
    chosen, values = dataset.spread(count), np.array(0 if cut is None else cut, np.float32)
    how: dict[str, Any] = {"protocol": protocol, "batch_size": batch_size, "localize": True, "on_error": "skip"}
    found, names = [], distinct_names(params.card.classes, params.card.class_ids)
    for batch, seen in steps(params, chosen, look, values, **how):
        boxes = seen.found.boxes[:, 0, 0] if protocol.rule == "release" else seen.found.boxes[:, 0]
        boxes = in_file(boxes, batch.sizes, protocol.grid(params.card.image_size))
        for row in np.flatnonzero(batch.mask):
            guess, probability = seen.top[row, 0], seen.probabilities[row, 0]
            example = chosen[int(batch.index[row])]
            found.append(_sample(names, example, guess, probability, seen.found.maps[row, 0], boxes[row]))
    return tuple(found)


def _sample(
    names: Sequence[str],
    example: Example,
    guess: np.integer,
    probability: np.floating,
    cells: np.ndarray,
    box: np.ndarray,
) -> Sample:
    photo = read_image(example.path, max_side=LONGEST_SIDE)
    shown, file = photo.shape[:2], read_size(example.path)
    truth = np.array(example.boxes, np.float32).reshape(-1, 4)
    rows, columns = (resize_matrix(length, wanted) for length, wanted in zip(cells.shape, shown, strict=True))
    return Sample(
        photo=photo,
        map=rows @ cells @ columns.T,
        box=np.asarray(scale_boxes(box, file, shown)),
        truth=np.asarray(scale_boxes(truth, file, shown)),
        guess=names[int(guess)],
        probability=float(probability),
        label=names[example.label],
        class_right=bool(guess == example.label),
        box_right=bool((iou(np.tile(box, (len(truth), 1)), truth) >= 0.5).any()),
    )
