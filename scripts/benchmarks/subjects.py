"""Photos and networks that all libraries are given alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from skimage import data

LEARNING_RATE, WEIGHT_DECAY = 0.01, 5e-4  # of training, in all its steps; the decay of kernels alone


@dataclass(frozen=True)
class Subject:
    """A network, whose weights lie in `folder`, and a batch for it.

    Attributes:
        network: our name.
        folder: of files with weights, by torchvision's names; without a file the weights are those of `jaxcam.init`.
        batch_size: images.
        size: their side in pixels.
        threads: that torch takes; XLA takes all cores.
        dtype: that the network computes in, "float32" or "bfloat16".
        device: "cpu" or "gpu", as JAX calls its platforms.
        compiled: torch compiles the network.
    """

    network: str
    folder: str
    batch_size: int = 32
    size: int = 224
    threads: int = 2
    dtype: str = "float32"
    device: str = "cpu"
    compiled: bool = False

    @property
    def exact(self) -> bool:
        """Whether rounding leaves two libraries' results the same: it does not in bfloat16, nor in a GPU's TF32."""
        return self.dtype == "float32" and self.device == "cpu"

    @property
    def file(self) -> Path:
        return Path(self.folder, f"{self.network}.safetensors")

    def images(self) -> np.ndarray:
        """uint8 (b, h, w, 3)."""
        return crops(self.batch_size, self.size, self.size)


@lru_cache(maxsize=4)
def crops(count: int, height: int, width: int) -> np.ndarray:
    """uint8 (count, height, width, 3), always the same: pieces of the photos that scikit-image brings along."""
    rng = np.random.default_rng(0)
    photos = [data.chelsea(), data.coffee(), data.astronaut()]
    photos = [np.tile(photo, (-(-height // photo.shape[0]), -(-width // photo.shape[1]), 1)) for photo in photos]
    found = []
    for index in range(count):
        photo = photos[index % len(photos)]
        y, x = (rng.integers(0, photo.shape[axis] - side + 1) for axis, side in enumerate((height, width)))
        found.append(photo[y : y + height, x : x + width])
    return np.stack(found)


class Photo(NamedTuple):
    """An image file, with a made class and a made true box (x0, y0, x1, y1)."""

    path: Path
    label: int
    box: tuple[float, float, float, float]


def photos_in(folder: str, labels: Sequence[int]) -> list[Photo]:
    """JPEG files of 500 x 375 pixels with these classes, written where they are not there yet."""
    height, width = 375, 500
    rng, found = np.random.default_rng(2), []
    for index, label in enumerate(labels):
        sides = (np.sort(rng.choice(side, 2, replace=False)).astype(float).tolist() for side in (width, height))
        (x0, x1), (y0, y1) = sides
        found.append(Photo(Path(folder, f"{index}.jpg"), label, (x0, y0, x1 + 1, y1 + 1)))
    if not found[-1].path.exists():
        Path(folder).mkdir(parents=True, exist_ok=True)
        for photo, image in zip(found, crops(len(found), height, width), strict=True):
            Image.fromarray(image).save(photo.path, quality=90)
    return found
