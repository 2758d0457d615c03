"""Where an SVM looks: heatmaps of its classes over images of a data set that its network never saw."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from jaxcam.applications.pooled import cam_cells
from jaxcam.applications.svm import LinearSvm
from jaxcam.datasets import Dataset
from jaxcam.evaluation.inputs import check_threshold
from jaxcam.geometry import iou, resize_matrix, scale_boxes
from jaxcam.image_files import read_image, read_size
from jaxcam.params import Params
from jaxcam.report.contact_sheet import Sample

LONGEST_SIDE = 448  # pixels of a photo in a picture
AT_ONCE = 16  # images


def svm_samples(
    params: Params,
    dataset: Dataset,
    svm: LinearSvm,
    columns: Int[np.ndarray, " n"],
    names: Sequence[str],
    truth: Sequence[Sequence[str]],
    *,
    threshold: float | None = None,
) -> tuple[Sample, ...]:
    """Images with the map of the SVM's class, M_c(x, y) = sum_k w_k^c f_k(x, y), and its box by the paper's rule.

    mean(M_c) / |f| + b_c is the SVM's score, with f the pooled features.

    Args:
        params: the network that the SVM's features are from, pooled over cells.
        dataset: a few images.
        svm: with a column a class.
        columns: the column of the predicted class of each image.
        names: of the columns.
        truth: the names that are right for each image.
        threshold: share of a map's maximum; None for the card's.

    Returns:
        A Sample an image, for `jaxcam.report.contact_sheet.save_contact_sheet`.

    Raises:
        ValueError: for features that are not of the network's cells, a threshold out of range, or an unreadable image.
    """
    threshold = check_threshold(params.card.threshold if threshold is None else threshold)
    maps, boxes = cam_cells(params, dataset, svm.kernel, columns, threshold=threshold, batch_size=AT_ONCE)
    found = []
    for example, cells, box, column, right in zip(dataset, maps, boxes, columns, truth, strict=True):
        photo = read_image(example.path, max_side=LONGEST_SIDE)
        shown, file = photo.shape[:2], read_size(example.path)
        rows, across = (resize_matrix(length, wanted) for length, wanted in zip(cells.shape, shown, strict=True))
        true_boxes = np.array(example.boxes, np.float32).reshape(-1, 4)
        found.append(
            Sample(
                photo=photo,
                map=rows @ cells @ across.T,
                box=np.asarray(scale_boxes(box, file, shown)),
                truth=np.asarray(scale_boxes(true_boxes, file, shown)),
                guess=names[int(column)],
                probability=None,
                label=", ".join(right),
                class_right=names[int(column)] in right,
                box_right=bool((iou(np.tile(box, (len(true_boxes), 1)), true_boxes) >= 0.5).any()),
            )
        )
    return tuple(found)
