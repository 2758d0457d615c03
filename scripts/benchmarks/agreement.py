"""How well two libraries' results agree; a ValueError where they do not."""

from typing import Any

import numpy as np


def incomparable(ours: Any, theirs: Any) -> str:
    """Other work, which ours includes."""
    return "part of the work"


def equal(ours: Any, theirs: Any) -> str:
    """The same numbers, such as corners of boxes."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    differing = np.flatnonzero((ours != theirs).reshape(len(ours), -1).any(axis=1))
    if differing.size:
        first = differing[0]
        raise ValueError(f"{differing.size} of {len(ours)} differ; the first, {first}: {ours[first]}, {theirs[first]}")
    return "equal"


def close(ours: Any, theirs: Any, *, within: float = 1e-3) -> str:
    """Nowhere further apart than a share of the largest value."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    if not difference <= within:
        raise ValueError(f"results differ by {difference:.2g} of the largest value, more than {within}")
    return f"within {difference:.0e}"


def alike(ours: Any, theirs: Any, *, least: float = 0.9) -> str:
    """Maps (..., h, w) that two formulas draw alike: the least Pearson correlation, of what is above zero."""
    pairs = (np.maximum(np.asarray(maps, np.float64), 0) for maps in (ours, theirs))
    a, b = (maps.reshape(-1, maps.shape[-2] * maps.shape[-1]) for maps in pairs)
    correlations = [np.corrcoef(one, other)[0, 1] for one, other in zip(a, b, strict=True) if one.any() and other.any()]
    lowest = min(correlations)
    if not lowest >= least:
        raise ValueError(f"maps correlate by {lowest:.3f} only, less than {least}")
    return f"correlation {lowest:.3f}"


def percentages(ours: Any, theirs: Any, *, within: float = 1.0) -> str:
    """Percentages that differ by an image or so, whose box or class float32's rounding decides."""
    difference = np.abs(np.asarray(ours) - np.asarray(theirs)).max()
    if not difference <= within:
        raise ValueError(f"percentages: got {ours} and {theirs}, more than {within} apart")
    return f"within {difference:.2f} points"
