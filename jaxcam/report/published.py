"""Published figures, to set one's own beside."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jaxcam.report.table import Report


class Errors(NamedTuple):
    """Errors on ILSVRC CLS-LOC in percent; None where none was published."""

    top1: float
    top5: float
    top1_loc: float | None = None
    top5_loc: float | None = None


# Network -> its errors on ILSVRC's validation images: Zhou et al., "Learning Deep Features for Discriminative
# Localization", CVPR 2016, arXiv 1512.04150, tables 1 and 2.
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
}
COLUMNS = ("top1_accuracy", "top5_accuracy", "top1_localization", "top5_localization")


def ilsvrc_table(measured: Mapping[str, Report]) -> str:
    """The paper's tables 1 and 2 for ILSVRC's validation images, with the errors measured here beneath.

    Args:
        measured: network -> its Report.

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
    return "\n".join(lines)


def _line(name: str, errors: Sequence[float | None]) -> str:
    return f"{name:<22}{''.join(' ' * 8 if error is None else f'{error:8.2f}' for error in errors)}".rstrip()
