"""Maps to box: noise in a network's cells, enlarged to an image's size, as raw class maps are."""

import numpy as np

THRESHOLD = 0.2
THRESHOLDS = tuple(number / 1000 for number in range(1000))
OVERLAP = 0.5


def made_maps(count: int, *, cells: int = 7, size: int = 224) -> np.ndarray:
    """float32 (count, size, size), smooth and partly negative."""
    from skimage.transform import resize

    rng = np.random.default_rng(0)
    noise = rng.normal(size=(cells, cells, count)).astype(np.float32)
    return np.ascontiguousarray(np.moveaxis(resize(noise, (size, size), order=1, mode="edge"), -1, 0))


def made_targets(count: int, *, size: int = 224) -> np.ndarray:
    """(count, 1, 4) a true box a map, around the middle, which many maps' boxes fit: half-open, in whole pixels."""
    corners = np.random.default_rng(1).integers(0, size // 3, (count, 4))
    return np.where(np.arange(4) < 2, corners, size - corners).astype(np.float64)[:, None]
