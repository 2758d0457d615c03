"""Maps as heatmaps over their photos, with their boxes."""

from functools import lru_cache

import numpy as np
from jaxtyping import UInt8

from jaxcam.arrays import Boxes, Images, Maps
from jaxcam.methods.scaling import normalize


def overlay(
    images: Images, maps: Maps, boxes: Boxes | None = None, *, alpha: float = 0.4, colormap: str = "jet"
) -> UInt8[np.ndarray, "..."]:
    """Heatmaps laid over the photos they explain.

    picture = (1 - alpha) image + alpha colour(max(map, 0) / max(map))

    Args:
        images: uint8 or float in [0, 1], (b, h, w, 3) or one (h, w, 3); one channel is shown as grey.
        maps: raw maps (b, h, w), or (b, n, h, w) for n pictures an image; without b for one image. Each is scaled by
            its own maximum.
        boxes: (b, 4) or (b, n, 4) half-open (x0, y0, x1, y1) in pixels, drawn as white outlines with a dark rim.
        alpha: opacity of the heat, from 0 (only the photo) to 1 (only the map).
        colormap: any name of Matplotlib's, such as "jet", "turbo", "inferno" or "viridis".

    Returns:
        uint8 pictures (b, h, w, 3) or (b, n, h, w, 3), without b for one image.

    Raises:
        ValueError: for maps or boxes that do not fit the images, images out of range, NaN, or an unknown option.

    >>> photo = np.full((2, 2, 3), 100, np.uint8)
    >>> overlay(photo, np.array([[0.0, 1.0], [2.0, 4.0]], np.float32), alpha=1.0)[..., 0]  # the heat's red
    array([[  0,   0],
           [124, 127]], dtype=uint8)
    """
    images, maps = np.asarray(images), np.asarray(maps)
    pixels = _pixels(images)
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha: got {alpha}; give an opacity from 0 to 1")
    batch, space = images.shape[:-3], images.shape[-3:-1]
    if maps.shape[: len(batch)] != batch or maps.shape[-2:] != space or maps.ndim - images.ndim not in (-1, 0):
        raise ValueError(
            f"maps: got shape {maps.shape} for images {images.shape}; give a map (h, w) of the image's size, "
            "or n of them (n, h, w), per image"
        )
    if not np.isfinite(maps).all():
        raise ValueError("maps: got NaN or infinity; was a label out of range?")
    if maps.ndim == images.ndim:
        pixels = pixels[..., None, :, :, :]
    levels = np.rint(255 * np.asarray(normalize(maps))).astype(np.uint8)
    pictures = np.rint((1 - alpha) * pixels + alpha * _colours(colormap)[levels]).astype(np.uint8)
    if boxes is not None:
        _draw_boxes(pictures, np.asarray(boxes))
    return pictures


def _pixels(images: np.ndarray) -> np.ndarray:
    """Images as float32 RGB in 0..255."""
    if images.ndim not in (3, 4) or images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise ValueError(f"images: got shape {images.shape}; give (b, h, w, 3) or one (h, w, 3)")
    pixels = images.astype(np.float32)
    if images.dtype != np.uint8:
        low, high = pixels.min(), pixels.max()
        if not (np.issubdtype(images.dtype, np.floating) and low >= 0 and high <= 1):
            raise ValueError(f"images: got {images.dtype} from {low} to {high}; give uint8, or floats in [0, 1]")
        pixels *= 255
    return np.broadcast_to(pixels, (*images.shape[:-1], 3))


@lru_cache
def _colours(colormap: str) -> np.ndarray:
    """The 256 colours of a Matplotlib colormap as float32 RGB in 0..255."""
    from matplotlib import colormaps  # slow to import, and only wanted here

    if colormap not in colormaps:
        raise ValueError(f"colormap: got {colormap!r}; use a name of Matplotlib's, such as jet, turbo or viridis")
    return colormaps[colormap](np.arange(256), bytes=True)[:, :3].astype(np.float32)


def _draw_boxes(pictures: np.ndarray, boxes: np.ndarray) -> None:
    """Draw one box into each picture (..., h, w, 3), in place."""
    height, width = pictures.shape[-3:-1]
    if boxes.shape != (*pictures.shape[:-3], 4):
        raise ValueError(f"boxes: got shape {boxes.shape}; give {(*pictures.shape[:-3], 4)}, one box a map")
    if not np.isfinite(boxes).all():
        raise ValueError("boxes: got NaN or infinity; was a label out of range?")
    low, high = np.floor(boxes[..., :2]), np.ceil(boxes[..., 2:])
    corners = np.concatenate([low, high], axis=-1).clip(0, (width, height, width, height)).astype(int)
    stroke = max(1, round(min(height, width) / 150))
    for position in np.ndindex(boxes.shape[:-1]):
        x0, y0, x1, y1 = map(int, corners[position])
        # A white line between two dark ones is visible on any photo; in a box too small for three, the white one stays.
        inset = min(stroke, max(0, min(x1 - x0, y1 - y0) - 1) // 2)
        _outline(pictures[position], (x0, y0, x1, y1), 0, 3 * stroke)
        _outline(pictures[position], (x0 + inset, y0 + inset, x1 - inset, y1 - inset), 255, stroke)


def _outline(picture: np.ndarray, box: tuple[int, int, int, int], colour: int, thickness: int) -> None:
    """A frame of the given thickness just inside a box, in place."""
    x0, y0, x1, y1 = box
    if x1 <= x0 or y1 <= y0:
        return
    t = min(thickness, x1 - x0, y1 - y0)
    picture[y0 : y0 + t, x0:x1] = picture[y1 - t : y1, x0:x1] = colour
    picture[y0:y1, x0 : x0 + t] = picture[y0:y1, x1 - t : x1] = colour
