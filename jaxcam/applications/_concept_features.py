"""Pooled features of many photos, kept as they are made, with the photos that cannot be read left out."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from jaxcam.applications.pooled import pooled_features
from jaxcam.datasets import Dataset, Example
from jaxcam.image_files import read_image
from jaxcam.params import Params
from jaxcam.whole_files import whole_file

BATCHES = 4  # that a file of kept features holds: what is lost of an interrupted pass


def concept_features(
    params: Params, paths: Sequence[Path], *, batch_size: int, keep: str | os.PathLike[str] | None, progress: bool
) -> tuple[Float[np.ndarray, "n k"], tuple[str, ...]]:
    """float32 (n, k), a row of NaN for a photo that cannot be read, and why these cannot.

    Args:
        params: a network's.
        paths: the photos.
        batch_size: images a step.
        keep: a folder for what is made, of one network alone; None to keep nothing.
        progress: show it on stderr.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: got {batch_size}; give at least 1")
    step, parts, unreadable = BATCHES * batch_size, [], []
    with tqdm(total=len(paths), desc="features", unit=" images", disable=not progress) as bar:
        for first in range(0, len(paths), step):
            some = paths[first : first + step]
            part, reasons = _kept(params, some, batch_size, keep)
            parts.append(part)
            unreadable += reasons
            bar.update(len(some))
    width = max(part.shape[1] for part in parts)  # a part of which nothing could be read has none
    if width == 0:
        raise ValueError(f"photos: none of the {len(paths)} can be read; the first one: {unreadable[0]}")
    filled = [part if part.shape[1] else np.full((len(part), width), np.nan, np.float32) for part in parts]
    return np.concatenate(filled), tuple(unreadable)


def _kept(params, paths, batch_size, keep):
    """A part's features and what could not be read: from its file where that is there, which it is written to else."""
    if keep is None:
        return _made(params, paths, batch_size)
    # Of a photo that has changed since, or of other photos, the name is another.
    told = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    file_name = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    place = Path(keep, f"{file_name}.npz")
    if place.exists():
        with np.load(place) as kept:
            return kept["features"], kept["unreadable"].tolist()
    features, unreadable = _made(params, paths, batch_size)
    with whole_file(place) as file:
        np.savez(file, features=features, unreadable=np.array(unreadable, str))
    return features, unreadable


def _made(params, paths, batch_size):
    try:
        return _features(params, paths, batch_size), []
    except ValueError:
        reasons = [_reason(path) for path in paths]
        if not any(reasons):
            raise
    good = np.array([not reason for reason in reasons])
    found = _features(params, [path for path, fine in zip(paths, good, strict=True) if fine], batch_size)
    features = np.full((len(paths), found.shape[1]), np.nan, np.float32)
    features[good] = found
    return features, [reason for reason in reasons if reason]


def _features(params, paths, batch_size):
    if not paths:
        return np.zeros((0, 0), np.float32)
    photos = Dataset(tuple(Example(path, 0) for path in paths), ("any",))
    features = pooled_features(params, photos, batch_size=batch_size, progress=False)
    if not np.isfinite(features).all():
        raise ValueError("params: got features with NaN or infinity; are the network's weights in order?")
    return features


def _reason(path):
    """Why a photo cannot be read, "" where it can."""
    try:
        read_image(path)
    except ValueError as error:
        return str(error)
    return ""
