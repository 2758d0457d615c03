"""Classification and localization as counts that merge over batches, devices and hosts, and their shares at the end."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxcam.arrays import type_of_array
from jaxcam.geometry import iou

Flags = Bool[type_of_array, "b"]
Count = type_of_array | np.integer | int


class LocalizationCounts(NamedTuple):
    """How many images were, had or got what; two of them merge by `jax.tree.map(jnp.add, a, b)`.

    Or whether each image was, had or got it, before it is summed: flags (b,) of `localization_flags`.

    Attributes:
        images: images classified.
        boxed: images with a ground-truth box, which localization is counted over.
        top1: images whose class is the first guess.
        top5: images whose class is one of the (at most five) predicted ones.
        gt_known: boxed images whose true class's box is right, whatever was predicted.
        top1_loc: boxed images whose first guess is right in class and box.
        top5_loc: boxed images with any guess that is right in class and box.
        whole_image: images whose true class's map had nothing above zero, so that its box is the whole image.
    """

    images: Count
    boxed: Count
    top1: Count
    top5: Count
    gt_known: Count
    top1_loc: Count
    top5_loc: Count
    whole_image: Count


def localization_flags(
    labels: Int[type_of_array, "b"],
    guesses: Int[type_of_array, "b n"],
    boxes: Float[type_of_array, "b n 4"],
    true_class_boxes: Float[type_of_array, "b 4"],
    *,
    targets: Float[type_of_array, "b m 4"],
    target_mask: Bool[type_of_array, "b m"],
    mask: Flags,
    whole_image: Flags,
    classes: Int[type_of_array, "b k"] | None = None,
) -> LocalizationCounts:
    """Judge a batch as the ILSVRC devkit does: a guess is right if its class is and its IoU with any box is >= .5.

    Plain arithmetic: it runs inside jit on JAX arrays, and on NumPy arrays as it is. Boxes are half-open
    (x0, y0, x1, y1), all of one image in the same pixels.

    Args:
        labels: (b,) the image's class.
        guesses: (b, n) predicted classes, best first.
        boxes: (b, n, 4) a box for each guess.
        true_class_boxes: (b, 4) the box from the map of the image's own class.
        targets: (b, m, 4) ground-truth boxes, padded.
        target_mask: (b, m) True where there is one; an image without any counts for classification alone.
        mask: (b,) False where the row is padding and counts for nothing.
        whole_image: (b,) True where `true_class_boxes` is the whole image for want of anything better.
        classes: (b, k) predicted classes for `top1` and `top5`, where the guesses spend several boxes on one class;
            None for the guesses' own.

    Returns:
        LocalizationCounts of booleans (b,).

    >>> box, yes = np.array([[[0, 0, 8, 4]]], np.float32), np.array([True])
    >>> flags = localization_flags(
    ...     np.array([3]), np.array([[1, 3]]), box.repeat(2, axis=1), box[:, 0],
    ...     targets=box, target_mask=yes[:, None], mask=yes, whole_image=~yes
    ... )
    >>> bool(flags.top1[0]), bool(flags.top5[0]), bool(flags.top5_loc[0])
    (False, True, True)

    Source: ILSVRC CLS-LOC development kit; GT-known as in Zhou et al., CVPR 2016, and later work.
    """
    named = (guesses if classes is None else classes) == labels[:, None]
    found = (guesses == labels[:, None]) & localized(boxes, targets, target_mask) & mask[:, None]
    return LocalizationCounts(
        images=mask,
        boxed=target_mask.any(axis=-1) & mask,
        top1=named[:, 0] & mask,
        top5=named.any(axis=-1) & mask,
        gt_known=localized(true_class_boxes[:, None], targets, target_mask)[:, 0] & mask,
        top1_loc=found[:, 0],
        top5_loc=found.any(axis=-1),
        whole_image=whole_image & mask,
    )


def localization_counts(*arguments: type_of_array, **options: type_of_array) -> LocalizationCounts:
    """The sums of `localization_flags`, whose arguments it takes: counts of a batch that merge with another's.

    >>> box, yes = np.array([[[0, 0, 8, 4]]], np.float32), np.array([True])
    >>> counts = localization_counts(
    ...     np.array([3]), np.array([[3]]), box, box[:, 0],
    ...     targets=box, target_mask=yes[:, None], mask=yes, whole_image=~yes
    ... )
    >>> int(counts.top1), int(counts.top1_loc)
    (1, 1)
    """
    flags: Any = localization_flags(*arguments, **options)
    return LocalizationCounts(*(flag.sum() for flag in flags))


def localized(
    boxes: Float[type_of_array, "b n 4"],
    targets: Float[type_of_array, "b m 4"],
    target_mask: Bool[type_of_array, "b m"],
    *,
    least: float = 0.5,
) -> Bool[type_of_array, "b n"]:
    """Whether each box has an IoU of `least` or more with any of its image's ground-truth boxes.

    >>> halves = np.array([[[0, 0, 8, 4], [0, 0, 8, 3.9]]], np.float32)
    >>> localized(halves, np.array([[[0, 0, 8, 8]]], np.float32), np.array([[True]]))
    array([[ True, False]])
    """
    return ((iou(boxes[:, :, None], targets[:, None]) >= least) & target_mask[:, None]).any(axis=-1)


def rates(counts: LocalizationCounts) -> dict[str, float]:
    """Accuracies in percent: top1, top5 of all images; gt_known, top1_loc, top5_loc of the boxed ones, if any.

    The error of the ILSVRC tables is 100 minus the accuracy.

    Raises:
        ValueError: if no image was counted.

    >>> rates(LocalizationCounts(4, 0, 2, 3, 0, 0, 0, 0))
    {'top1': 50.0, 'top5': 75.0}
    """
    images, boxed = int(counts.images), int(counts.boxed)
    if images == 0:
        raise ValueError("counts: got no image; count at least one")
    shares = {name: 100 * int(getattr(counts, name)) / images for name in ("top1", "top5")}
    if boxed:
        shares |= {name: 100 * int(getattr(counts, name)) / boxed for name in ("gt_known", "top1_loc", "top5_loc")}
    return shares
