"""Pooled features of many photos, with those that cannot be read left out."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxcam.applications.keeping import kept_features, unread_photos
from jaxcam.datasets import Dataset, Example
from jaxcam.params import Params


def concept_features(
    params: Params,
    paths: Sequence[Path],
    *,
    batch_size: int,
    keep: str | os.PathLike[str] | None,
    progress: bool,
) -> tuple[Float[np.ndarray, "n k"], tuple[str, ...]]:
    """float32 (n, k), a row of NaN for a photo that cannot be read, and why these cannot.

    Args:
        params: a network's.
        paths: the photos.
        batch_size: images a step.
        keep: as for `kept_features`.
        progress: show it on stderr.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: got {batch_size}; give at least 1")
    photos = Dataset(tuple(Example(path, 0) for path in paths), ("any",))
    features = kept_features(params, photos, keep, on_error="skip", batch_size=batch_size, progress=progress)
    reasons = list(unread_photos(features, photos).values())
    if len(reasons) == len(paths):
        raise ValueError(f"photos: none of the {len(paths)} can be read; the first one: {reasons[0]}")
    return features, tuple(reasons)
