"""Published figures, to set one's own beside."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from jaxcam.report.table import Figure, Report


class Errors(NamedTuple):
    """Errors on ILSVRC CLS-LOC in percent; None where none was published."""

    top1: float | None = None
    top5: float | None = None
    top1_loc: float | None = None
    top5_loc: float | None = None


# Network -> its errors on ILSVRC's validation images: Zhou et al., "Learning Deep Features for Discriminative
# Localization", CVPR 2016, arXiv 1512.04150, tables 1 and 2. Maps are class activation maps but for backprop's.
ILSVRC_VAL: Mapping[str, Errors] = {
    "googlenet_gap": Errors(35.0, 13.2, 56.40, 43.00),
    "vgg16_gap": Errors(33.4, 12.2, 57.20, 45.14),
    "alexnet_plus_gap": Errors(44.9, 20.9, 63.75, 49.53),
    "alexnet_gap": Errors(51.1, 26.3, 67.19, 52.16),
    "googlenet_gmp": Errors(35.6, 13.9, 57.78, 45.26),
    "googlenet": Errors(31.9, 11.3, 60.09, 49.34),
    "nin": Errors(41.9, 19.6, 65.47, 54.19),
    "vgg16": Errors(31.2, 11.4),
    "alexnet": Errors(42.6, 19.5),
    "backprop on googlenet": Errors(top1_loc=61.31, top5_loc=50.55),
    "backprop on vgg16": Errors(top1_loc=61.12, top5_loc=51.46),
    "backprop on alexnet": Errors(top1_loc=65.17, top5_loc=52.64),
}
# The same on the test images, whose labels only the challenge's server knows: table 3.
ILSVRC_TEST: Mapping[str, Errors] = {
    "googlenet_gap": Errors(top5_loc=42.9),
    "with five boxes": Errors(top5_loc=37.1),
    "supervised AlexNet": Errors(top5_loc=34.2),
}
# Network -> MaxBoxAccV2 of its class activation maps in percent, and that of a centred box, on ILSVRC's validation
# images and on CUB-200-2011's test images: Choe et al., "Evaluation for Weakly Supervised Object Localization:
# Protocol, Metrics, and Datasets", arXiv 2007.04178. Their networks for CUB are fine-tuned on it.
ILSVRC_MAX_BOX_ACC_V2: Mapping[str, float] = {"vgg16_gap": 60.0, "inception_v3": 63.4, "resnet50": 63.7}
ILSVRC_CENTRED_BOX = 52.5
CUB_MAX_BOX_ACC_V2: Mapping[str, float] = {"vgg16_gap": 63.7, "inception_v3": 56.7, "resnet50": 63.0}
CUB_CENTRED_BOX = 59.7
LARGER_MAPS = "The benchmark's Inception and ResNet keep larger maps than the networks of these names here."

# Fine-grained recognition on CUB-200-2011 with GoogLeNet-GAP, in percent: Zhou et al., section 4.1.2.
CUB_RECOGNITION: Mapping[str, float] = {
    "full_image": 63.0,
    "cam_crop": 67.8,
    "ground_truth_crop": 70.5,
    "localized": 41.0,
}
NAME = 22  # letters of a row's name, unless one is longer
ERRORS = {
    "top1_accuracy": "top-1",
    "top5_accuracy": "top-5",
    "top1_localization": "top-1",
    "top5_localization": "top-5",
}
ACCURACIES = {
    "max_box_acc_v2": "MaxBoxAccV2",
    "gt_known": "GT-known",
    "top1_localization": "top-1 Loc",
    "top1_accuracy": "top-1 class",
}

Measured = Sequence[tuple[str, Report]]  # a network's name, and the report of a checkpoint
Row = tuple[str, Sequence[float | None]]


def ilsvrc_table(measured: Measured) -> str:
    """The paper's and the WSOL benchmark's tables for ILSVRC, with what was measured here on its validation images.

    Args:
        measured: of each checkpoint, its network's name and its Report. Saliency maps stand in the rows of backprop.

    Returns:
        Lines of errors in percent: the published ones, and under a network's those of its Reports; of MaxBoxAccV2 and
        other accuracies likewise; and how each Report was made.

    >>> print("\\n".join(ilsvrc_table([]).splitlines()[:4]))
    error %                 classification    localization
                             top-1   top-5   top-1   top-5
    googlenet_gap            35.00   13.20   56.40   43.00
    vgg16_gap                33.40   12.20   57.20   45.14
    """
    rows = _beside(ILSVRC_VAL, measured, lambda report: _figures(report, ERRORS, errors=True))
    test = [(network, tuple(errors)) for network, errors in ILSVRC_TEST.items()]
    width = _width([*rows, *test])
    lines = [
        f"{'error %':<{width}}  classification    localization",
        f"{'':<{width}}{''.join(f'{heading:>8}' for heading in ERRORS.values())}",
        *(_line(row, width, 8) for row in rows),
        "on the test images",
        *(_line(row, width, 8) for row in test),
        "",
        *_benchmark(ILSVRC_MAX_BOX_ACC_V2, ILSVRC_CENTRED_BOX, measured),
    ]
    return "\n".join([*lines, *_protocols(measured)])


def cub_table(measured: Measured) -> str:
    """Localization on CUB-200-2011 as published for the WSOL benchmark, with one's own networks beneath.

    Args:
        measured: of each checkpoint, its network's name and its Report.

    Returns:
        Lines of accuracies in percent: the published MaxBoxAccV2, and of each checkpoint measured here what there is of
        MaxBoxAccV2, GT-known, top-1 localization and top-1 classification; and how each Report was made.

    >>> print(cub_table([]))
    accuracy %              MaxBoxAccV2    GT-known   top-1 Loc top-1 class
    vgg16_gap                     63.70
    inception_v3                  56.70
    resnet50                      63.00
    centred box                   59.70
    The benchmark's Inception and ResNet keep larger maps than the networks of these names here.
    """
    return "\n".join([*_benchmark(CUB_MAX_BOX_ACC_V2, CUB_CENTRED_BOX, measured), *_protocols(measured)])


def recognition_table(measured: Mapping[str, Figure], *, published: Mapping[str, float] = CUB_RECOGNITION) -> str:
    """The paper's fine-grained recognition on CUB-200-2011, with one's own beside.

    Args:
        measured: the figures of `jaxcam.applications.recognize`.
        published: what to set them beside; {} for another data set, whose table has the measured figures alone.

    Returns:
        Lines of percentages, published and measured, with 95% bootstrap intervals.

    >>> print(recognition_table({"full_image": Figure(61.2, 59.9, 62.4, 5794)}))
    %                       published      here   95% interval
    SVM, full image             63.00     61.20   59.90..62.40
    SVM, CAM-box crop           67.80
    SVM, true-box crop          70.50
    CAM boxes right             41.00
    """
    rows = ("SVM, full image", "SVM, CAM-box crop", "SVM, true-box crop", "CAM boxes right")
    heading = f"{'published':>11}" if published else ""
    lines = [f"{'%':<22}{heading}{'here':>10}{'95% interval':>15}"]
    for row, name in zip(rows, CUB_RECOGNITION, strict=True):
        if name not in published and name not in measured:
            continue
        value, low, high, _ = measured.get(name, (None, None, None, 0))
        here = "" if value is None else f"{value:>10.2f}{f'{low:.2f}..{high:.2f}':>15}"
        theirs = f"{published[name]:>11.2f}" if published else ""
        lines.append(f"{row:<22}{theirs}{here}")
    return "\n".join(lines)


def _beside(
    published: Mapping[str, Sequence[float | None]],
    measured: Measured,
    own: Callable[[Report], Sequence[float | None]],
) -> list[Row]:
    """The published rows, beneath each those measured here, and last those of other networks."""
    ours: dict[str, list[Report]] = {}
    for network, report in measured:
        row = {"cam": network, "saliency": f"backprop on {network}"}.get(report.method, f"{report.method} on {network}")
        ours.setdefault(row, []).append(report)
    rows: list[Row] = []
    for name in (*published, *(name for name in ours if name not in published)):
        if name in published:
            rows.append((name, published[name]))
        for report in ours.get(name, ()):
            label = f"  {report.checkpoint}, here" if name in published else f"{name} ({report.checkpoint}), here"
            rows.append((label, own(report)))
    return rows


def _benchmark(published: Mapping[str, float], centred_box: float, measured: Measured) -> list[str]:
    """Lines of the WSOL benchmark's MaxBoxAccV2, with the accuracies measured here."""
    ours = _beside({name: (value,) for name, value in published.items()}, measured, lambda r: _figures(r, ACCURACIES))
    rows = [*ours, ("centred box", (centred_box,))]
    width = _width(rows)
    heading = f"{'accuracy %':<{width + 1}}" + "".join(f"{heading:>12}" for heading in ACCURACIES.values())
    return [heading, *(_line(row, width + 1, 12) for row in rows), LARGER_MAPS]


def _protocols(measured: Measured) -> list[str]:
    """How each Report was made: its figures cannot be read without."""
    if not measured:
        return []
    heading = "Measured here, MaxBoxAccV2 by the benchmark's rule at its best thresholds and all else as follows:"
    return ["", heading, *("; ".join(report.heading()) for _, report in measured)]


def _figures(report: Report, names: Mapping[str, str], *, errors: bool = False) -> list[float | None]:
    """Accuracies or errors of a Report in percent; None for what was not measured."""
    values = [report.figures[name].value if name in report.figures else None for name in names]
    return [None if value is None else 100 - value for value in values] if errors else values


def _width(rows: Sequence[Row]) -> int:
    return max(NAME, *(len(name) for name, _ in rows))


def _line(row: Row, width: int, column: int) -> str:
    name, values = row
    cells = (f"{'' if value is None else f'{value:.2f}':>{column}}" for value in values)
    return f"{name:<{width}}{''.join(cells)}".rstrip()
