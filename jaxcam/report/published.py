"""Published figures, to set one's own beside."""

from collections.abc import Mapping, Sequence
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
# Network -> MaxBoxAccV2 of its class activation maps on CUB-200-2011's test images, in percent, and that of a centred
# box: Choe et al., "Evaluation for Weakly Supervised Object Localization: Protocol, Metrics, and Datasets", arXiv
# 2007.04178. Their networks are fine-tuned on CUB, and their Inception and ResNet keep larger maps than the plain ones.
CUB_MAX_BOX_ACC_V2: Mapping[str, float] = {"vgg16_gap": 63.7, "inception_v3": 56.7, "resnet50": 63.0}
CUB_CENTRED_BOX = 59.7

# Fine-grained recognition on CUB-200-2011 with GoogLeNet-GAP, in percent: Zhou et al., section 4.1.2.
CUB_RECOGNITION: Mapping[str, float] = {
    "full_image": 63.0,
    "cam_crop": 67.8,
    "ground_truth_crop": 70.5,
    "localized": 41.0,
}
COLUMNS = ("top1_accuracy", "top5_accuracy", "top1_localization", "top5_localization")


def ilsvrc_table(measured: Mapping[str, Report]) -> str:
    """The paper's tables for ILSVRC, with the errors measured here on its validation images beneath.

    Args:
        measured: network, or "backprop on NETWORK" for saliency maps -> its Report.

    Returns:
        Lines of errors in percent: the published ones, and under a network's those of its Report.

    >>> print("\\n".join(ilsvrc_table({}).splitlines()[:4]))
    error %                 classification    localization
                             top-1   top-5   top-1   top-5
    googlenet_gap            35.00   13.20   56.40   43.00
    vgg16_gap                33.40   12.20   57.20   45.14
    """
    lines = [
        f"{'error %':<24}classification    localization",
        f"{'':<22}{'top-1':>8}{'top-5':>8}{'top-1':>8}{'top-5':>8}",
    ]
    for network in (*ILSVRC_VAL, *(name for name in measured if name not in ILSVRC_VAL)):
        if network in ILSVRC_VAL:
            lines.append(_line(network, ILSVRC_VAL[network]))
        if network in measured:
            figures = measured[network].figures
            errors = [100 - figures[name].value if name in figures else None for name in COLUMNS]
            lines.append(_line("  measured here" if network in ILSVRC_VAL else f"{network}, here", errors))
    test = [_line(network, errors) for network, errors in ILSVRC_TEST.items()]
    return "\n".join([*lines, "on the test images", *test])


def cub_table(measured: Mapping[str, Mapping[str, Figure]]) -> str:
    """Localization on CUB-200-2011 as published for the WSOL benchmark, with one's own networks beneath.

    Args:
        measured: network -> its Report's figures.

    Returns:
        Lines of accuracies in percent: the published MaxBoxAccV2, and of each network measured here what there is of
        MaxBoxAccV2, GT-known, top-1 localization and top-1 classification.

    >>> print(cub_table({}))
    accuracy %              MaxBoxAccV2    GT-known   top-1 Loc top-1 class
    vgg16_gap                     63.70
    inception_v3                  56.70
    resnet50                      63.00
    centred box                   59.70
    """
    names = ("max_box_acc_v2", "gt_known", "top1_localization", "top1_accuracy")
    lines = [f"{'accuracy %':<22}{'MaxBoxAccV2':>13}{'GT-known':>12}{'top-1 Loc':>12}{'top-1 class':>12}"]
    for network in (*CUB_MAX_BOX_ACC_V2, *(name for name in measured if name not in CUB_MAX_BOX_ACC_V2)):
        published = CUB_MAX_BOX_ACC_V2.get(network)
        if published is not None:
            lines.append(f"{network:<22}{published:>13.2f}")
        if network in measured:
            figures = measured[network]
            values = [f"{figures[name].value:.2f}" if name in figures else "" for name in names]
            name = f"{network}, here" if published is None else "  measured here"
            lines.append(f"{name:<22}{values[0]:>13}{values[1]:>12}{values[2]:>12}{values[3]:>12}".rstrip())
    return "\n".join([*lines, f"{'centred box':<22}{CUB_CENTRED_BOX:>13.2f}"])


def recognition_table(measured: Mapping[str, Figure]) -> str:
    """The paper's fine-grained recognition on CUB-200-2011, with one's own beside.

    Args:
        measured: the figures of `jaxcam.recognition.recognize`.

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
    lines = [f"{'%':<22}{'published':>11}{'here':>10}{'95% interval':>15}"]
    for row, (name, published) in zip(rows, CUB_RECOGNITION.items(), strict=True):
        value, low, high, _ = measured.get(name, (None, None, None, 0))
        here = "" if value is None else f"{value:>10.2f}{f'{low:.2f}..{high:.2f}':>15}"
        lines.append(f"{row:<22}{published:>11.2f}{here}")
    return "\n".join(lines)


def _line(name: str, errors: Sequence[float | None]) -> str:
    return f"{name:<22}{''.join(' ' * 8 if error is None else f'{error:8.2f}' for error in errors)}".rstrip()
