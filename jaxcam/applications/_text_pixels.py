"""Which pixels of a photo a map takes for text: their boxes, and how they meet the boxes of words."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage

from jaxcam.arrays import type_of_array
from jaxcam.metrics import FRAME

THRESHOLDS = np.arange(1, 20, dtype=np.float32) / 20
CONNECTED = np.ones((3, 3), int)  # diagonal neighbours too, as the paper's box rule has it here


class PixelSums(NamedTuple):
    """Pixels of photos squashed to 224x224, at t thresholds; two of them merge by `merged`.

    A pixel is text where its centre lies in the box of a word. It is found where M(x, y) >= threshold * max M > 0.

    Attributes:
        hits: (t,) pixels that are text and found.
        found: (t,) pixels that are found.
        text: pixels that are text.
        pixels: all.
    """

    hits: Int[np.ndarray, " t"]
    found: Int[np.ndarray, " t"]
    text: int
    pixels: int

    @property
    def recall(self) -> Float[np.ndarray, " t"]:
        """hits / text, in percent."""
        return 100 * self.hits / max(self.text, 1)

    @property
    def precision(self) -> Float[np.ndarray, " t"]:
        """hits / found, in percent; 0 where nothing is found."""
        return 100 * self.hits / np.maximum(self.found, 1)

    @property
    def f1(self) -> Float[np.ndarray, " t"]:
        """The harmonic mean of both, 2 hits / (found + text), in percent."""
        return 200 * self.hits / np.maximum(self.found + self.text, 1)

    def merged(self, other: "PixelSums") -> "PixelSums":
        """The sums over the photos of both."""
        return PixelSums(
            self.hits + other.hits, self.found + other.found, self.text + other.text, self.pixels + other.pixels
        )

    def rows(self) -> list[dict[str, float]]:
        """Recall, precision and F1 at each of the thresholds, for a report."""
        columns = {"recall": self.recall, "precision": self.precision, "f1": self.f1}
        return [
            {name: round(float(column[index]), 3) for name, column in columns.items()}
            for index in range(len(self.hits))
        ]  # fmt: skip


def no_pixels(count: int) -> PixelSums:
    """The sums over no photo, at `count` thresholds."""
    return PixelSums(np.zeros(count, np.int64), np.zeros(count, np.int64), 0, 0)


def word_pixels(
    boxes: tuple[tuple[float, float, float, float], ...], size: tuple[int, int]
) -> Bool[np.ndarray, "224 224"]:
    """Which pixels of the squashed photo are text: those whose centres lie in a word's box.

    Args:
        boxes: half-open (x0, y0, x1, y1) in pixels of the photo.
        size: its (height, width).

    >>> word_pixels(((0.0, 0.0, 10.0, 5.0),), (10, 20)).sum().item() == 112 * 112
    True
    """
    text = np.zeros(FRAME, bool)
    y, x = ((np.arange(length) + 0.5) * full / length for length, full in zip(FRAME, size, strict=True))
    for x0, y0, x1, y1 in boxes:
        text |= ((y >= y0) & (y < y1))[:, None] & ((x >= x0) & (x < x1))
    return text


class Found(NamedTuple):
    """What `find_pixels` found in a batch.

    Attributes:
        hits: (b, t) as of `PixelSums`.
        found: (b, t) likewise.
        packed: (b, h, w / 8) the pixels that are found at the detector's own threshold, as bits.
    """

    hits: Int[type_of_array, "b t"]
    found: Int[type_of_array, "b t"]
    packed: UInt8[type_of_array, "b h octets"]


@jax.jit
def find_pixels(
    maps: Float[type_of_array, "b h w"],
    text: Bool[type_of_array, "b h w"],
    thresholds: Float[type_of_array, " t"],
    own: Float[type_of_array, ""],
) -> Found:
    """Count, on the device, what maps take for text; no map need go to the host.

    Args:
        maps: raw.
        text: which pixels are text.
        thresholds: shares of each map's maximum to count at.
        own: that of the detector.
    """
    highest = maps.max((1, 2), keepdims=True)

    def found_at(threshold):
        return (maps >= threshold * highest) & (highest > 0)

    def counts(threshold):
        found = found_at(threshold)
        return jnp.sum(found & text, (1, 2), jnp.int32), jnp.sum(found, (1, 2), jnp.int32)

    hits, found = lax.map(counts, thresholds)
    return Found(hits.T, found.T, jnp.packbits(found_at(own), axis=-1))


def boxes_of(packed: UInt8[np.ndarray, "h octets"], size: tuple[int, int]) -> Float[np.ndarray, "n 4"]:
    """The box of each connected component of a photo's found pixels, the component with the most pixels first.

    Args:
        packed: of `find_pixels`.
        size: (height, width) of the photo, in pixels.

    Returns:
        Half-open (x0, y0, x1, y1) in pixels of the photo, not rounded.

    >>> found = np.zeros(FRAME, bool)
    >>> found[0, :5], found[100:112, 200:224] = True, True
    >>> boxes_of(np.packbits(found, axis=-1), (224, 448)).tolist()
    [[400.0, 100.0, 448.0, 112.0], [0.0, 0.0, 10.0, 1.0]]
    """
    found = np.unpackbits(packed, axis=-1, count=FRAME[1])
    numbered, _ = ndimage.label(found, CONNECTED)
    areas = np.bincount(numbered.reshape(-1))[1:]
    order = np.argsort(-areas, kind="stable")
    places = ndimage.find_objects(numbered)
    corners = [(x.start, y.start, x.stop, y.stop) for y, x in (places[index] for index in order)]
    scale = np.tile([size[1] / FRAME[1], size[0] / FRAME[0]], 2)
    return np.array(corners, np.float64).reshape(-1, 4) * scale


def baselines(text: Bool[np.ndarray, "224 224"]) -> PixelSums:
    """What says nothing of the photo would find in it: the whole of it, and a centred box of half its sides."""
    height, width = FRAME
    middle = text[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4]
    total = int(text.sum())
    return PixelSums(np.array([total, int(middle.sum())]), np.array([text.size, middle.size]), total, text.size)
