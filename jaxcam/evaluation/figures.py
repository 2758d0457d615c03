"""The figures of a network on a data set."""

from functools import partial

import jax
import numpy as np

from jaxcam.datasets import Dataset
from jaxcam.evaluation._steps import RULE, SHARES, Total, count, total_over
from jaxcam.evaluation.inputs import check_classes, check_network, check_threshold
from jaxcam.metrics import LocalizationCounts, rates
from jaxcam.params import Params
from jaxcam.report.table import Baselines, Report


def evaluate(
    params: Params,
    dataset: Dataset,
    *,
    batch_size: int = 64,
    threshold: float | None = None,
    limit: int | None = None,
    progress: bool = True,
) -> Report:
    """Top-1, top-5, GT-known, top-1 Loc and top-5 Loc of a data set, beside boxes that need no network.

    An image is squashed to the card's size S x S, its maps are thresholded on that grid (rule "paper") and the corners
    scaled by (W/S, H/S) without rounding, so IoU is taken in the image file's own pixels. GT-known asks for the map of
    the true class, whatever was predicted.

    Args:
        params: a network's; its card names the data set's classes.
        dataset: what to evaluate on; without boxes only classification is counted.
        batch_size: images a step. The figures do not depend on it.
        threshold: share of a map's maximum, above 0 and at most 1; None for the card's.
        limit: evaluate only so many images, evenly spaced over the data set.
        progress: show images a second, time left and the figures so far on stderr.

    Returns:
        A Report: counts, baselines, and figures with 95% bootstrap intervals; `print` it for the table.

    Raises:
        ValueError: for classes other than the card's, a threshold or limit out of range, or an unreadable image.

    >>> import jax, jaxcam, numpy, pathlib, tempfile
    >>> from jaxcam.datasets import folder
    >>> from PIL import Image
    >>> card = jaxcam.Card(classes=("cat", "dog"), image_size=(32, 32))
    >>> params = jaxcam.init("resnet10", jax.random.key(0), card=card, width=8, stem="small")
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for name in card.classes:
    ...         pathlib.Path(home, name).mkdir()
    ...         Image.fromarray(numpy.zeros((40, 50, 3), numpy.uint8)).save(f"{home}/{name}/1.png")
    ...     report = jaxcam.evaluate(params, folder(home), batch_size=2, progress=False)
    >>> report.figures["top1_accuracy"]
    Figure(value=50.0, low=0.0, high=100.0, n=2)

    Source: protocol of ILSVRC CLS-LOC; Zhou et al., CVPR 2016, arXiv 1512.04150.
    """
    threshold = check_threshold(params.card.threshold if threshold is None else threshold)
    dataset = dataset if limit is None else dataset.spread(limit)
    localize = any(example.boxes for example in dataset)
    check_classes(params.card, dataset)
    check_network(params, localize=localize)
    step = partial(count, params, threshold=np.float32(threshold), localize=localize)
    total = total_over(step, params.card, dataset, batch_size=batch_size, progress=progress, figures=_so_far)
    total = jax.tree.map(np.asarray, total)
    return Report(
        counts=LocalizationCounts(*map(int, total.localization)),
        baselines=_baselines(total) if localize else None,
        num_classes=len(params.card.classes),
        image_size=params.card.image_size,
        rule=RULE,
        threshold=threshold,
    )


def _so_far(total: Total) -> dict[str, float]:
    return {name: rate for name, rate in rates(total.localization).items() if name in ("top1", "gt_known")}


def _baselines(total: Total) -> Baselines:
    best = int(total.centred.argmax())
    return Baselines(
        whole_image=int(total.centred[-1]),
        centred_box=int(total.centred[best]),
        centred_share=SHARES[best],
        random_map=int(total.random),
    )
