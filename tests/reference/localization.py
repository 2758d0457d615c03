"""Localization counted image by image in plain Python, as the ILSVRC devkit does: slow and plain."""


def iou(a, b):
    """Intersection over union of two half-open boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def count(images):
    """Counts over dicts with label, guesses [(class, box)], true_class_box, truth [box] and whole_image."""
    totals = dict.fromkeys(("images", "boxed", "top1", "top5", "gt_known", "top1_loc", "top5_loc", "whole_image"), 0)
    for image in images:
        totals["images"] += 1
        totals["whole_image"] += bool(image["whole_image"])
        for rank, (label, _) in enumerate(image["guesses"]):
            if label == image["label"]:
                totals["top5"] += 1
                totals["top1"] += rank == 0
        if not image["truth"]:
            continue
        totals["boxed"] += 1
        totals["gt_known"] += any(iou(image["true_class_box"], box) >= 0.5 for box in image["truth"])
        for rank, (label, guess) in enumerate(image["guesses"]):
            if label == image["label"] and any(iou(guess, box) >= 0.5 for box in image["truth"]):
                totals["top5_loc"] += 1
                totals["top1_loc"] += rank == 0
    return totals
