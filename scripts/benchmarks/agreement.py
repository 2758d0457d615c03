"""How well two libraries' results agree; a ValueError where they do not."""

from collections.abc import Callable
from typing import Any

import numpy as np

ROUNDED = 0.05  # of the largest value, that results may differ by where numbers are rounded to 8 bits, or to TF32's 10


def host(values: Any) -> np.ndarray:
    """Anyone's array as one of NumPy's; torch's from where it lies, in bfloat16 too."""
    return np.asarray(values.detach().float().cpu() if hasattr(values, "cpu") else values)


def equal(ours: Any, theirs: Any) -> str:
    """The same numbers, such as corners of boxes."""
    ours, theirs = host(ours), host(theirs)
    differing = np.flatnonzero((ours != theirs).reshape(len(ours), -1).any(axis=1))
    if differing.size:
        first = differing[0]
        raise ValueError(f"{differing.size} of {len(ours)} differ; the first, {first}: {ours[first]}, {theirs[first]}")
    return "equal"


def close(ours: Any, theirs: Any, *, within: float = 1e-3) -> str:
    """Nowhere further apart than a share of the largest value."""
    ours, theirs = (host(values).astype(np.float64) for values in (ours, theirs))
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    if not difference <= within:
        raise ValueError(f"results differ by {difference:.2g} of the largest value, more than {within}")
    return f"within {difference:.0e}"


def alike(ours: Any, theirs: Any, *, least: float = 0.9, of: Callable[..., Any] = np.min) -> str:
    """Maps (..., h, w) that two formulas draw alike: the least Pearson correlation, of what is above zero.

    Those that are constant on both sides count for nothing; a map that is constant on one side correlates with none.
    `of=np.median` for maps of classes that rounding may bring into another order.
    """
    ours, theirs = (host(values).astype(np.float64) for values in (ours, theirs))
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ValueError("maps: got values that are not finite")
    a, b = (np.maximum(maps, 0).reshape(-1, maps.shape[-2] * maps.shape[-1]) for maps in (ours, theirs))
    varied = [(one, other) for one, other in zip(a, b, strict=True) if np.ptp(one) or np.ptp(other)]
    if not varied:
        raise ValueError(f"maps: all {len(a)} are constant on both sides")
    found = of([_correlation(one, other) for one, other in varied])
    if not found >= least:
        raise ValueError(f"maps correlate by {found:.3f} only, less than {least}")
    return f"{'' if of is np.min else 'median '}correlation {found:.3f}"


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return np.corrcoef(one, other)[0, 1] if np.ptp(one) and np.ptp(other) else 0.0


def top_classes(labels: Any, scores: Any, *, within: float = 1e-4) -> str:
    """Labels (b, n) whose scores are those of the n classes that (b, c) scores name first, in their order."""
    labels, scores = host(labels), host(scores)
    best = -np.sort(-scores, axis=1)[:, : labels.shape[1]]
    return close(np.take_along_axis(scores, labels, axis=1), best, within=within)


def percentages(ours: Any, theirs: Any, *, count: int, share: float = 0.0) -> str:
    """Percentages of `count` images that differ by one of 100 or more, whose box or class rounding decides.

    Or by a share of them, where it rounds more.
    """
    images, most = np.abs(host(ours) - host(theirs)).max() * count / 100, max(int(count >= 100), int(share * count))
    if not images < most + 0.5:
        raise ValueError(f"percentages of {count} images: got {ours} and {theirs}, more than {most} images apart")
    return f"within {images:.0f} of {count} images"


def losses(ours: Any, theirs: Any, *, within: float = 1e-3) -> str:
    """Losses of the first steps of training: the first, which no update has changed, closely, the others within 2%.

    In float64 too, the third moves by 1% of the first when the pixels are rounded as float32 rounds them.
    """
    first = close(ours[:1], theirs[:1], within=within)
    return f"{first}, then {close(ours, theirs, within=max(0.02, within))}"
