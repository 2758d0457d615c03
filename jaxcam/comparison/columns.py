"""The columns of a comparison, and what they mean."""

from jaxcam.faithfulness import METRICS
from jaxcam.report.comparison import Column

LOCALIZATION = {
    "gt_known": Column(
        "GT-known %",
        "localization",
        "Share of images for which the box of the true class's map has an IoU of .5 or more, at one threshold for all.",
    ),
    "gt_known_best": Column(
        "best %",
        "localization",
        "The same at each method's best threshold, of that one and .05, .10 ... .95, chosen on these very images.",
    ),
    "best_threshold": Column("at", "localization", "That threshold, as a share of a map's maximum.", "", 2),
    "pointing": Column(
        "pointing %",
        "localization",
        "Share of images for which the map of the true class is highest inside a ground-truth box (the pointing game).",
    ),
}
SPEED = {
    "images_per_second": Column(
        "images/s", "speed", "Maps of one class an image, compiled and warm: the median over the batches."
    ),
}
# The measures of faithfulness: name -> heading.
HIDDEN_PIXELS = {
    "insertion": "insertion",
    "deletion": "deletion",
    "average_drop": "drop %",
    "average_increase": "increase %",
    "average_gain": "gain %",
    "road": "ROAD",
}
MAP = {
    "coherency": "coherency %",
    "complexity": "complexity %",
    "adcc": "ADCC %",
    "sparseness": "sparseness",
    "mask_iou": "mask IoU",
}
# Each takes dozens of forward passes, or as many maps.
STABILITY = {
    "infidelity": "infidelity",
    "max_sensitivity": "max. sensitivity",
    "randomized_spearman": "rank when random",
    "randomized_ssim": "SSIM when random",
}
QUICK = (*HIDDEN_PIXELS, *MAP)
ALL = (*QUICK, *STABILITY)


def _columns(group: str, headings: dict[str, str]) -> dict[str, Column]:
    columns = {}
    for name, heading in headings.items():
        metric = METRICS[name]
        meaning = f"{metric.meaning[0].upper()}{metric.meaning[1:]} ({metric.source})."
        better = "higher" if metric.higher_is_better else "lower"
        columns[name] = Column(heading, group, meaning, better, 1 if metric.unit else 3)
    return columns


COLUMNS = {
    **LOCALIZATION,
    **_columns("faithfulness", HIDDEN_PIXELS),
    **_columns("map", MAP),
    **_columns("stability", STABILITY),
    **SPEED,
}
