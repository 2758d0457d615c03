"""The rule of the CAM paper's released code: a loose and a tight box from the contours at three levels of a map.

Source: Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv 1512.04150, and the box
generator that its authors released. The heatmap is not written as a JPEG in between, as it was there.
"""

from collections import defaultdict
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float, Int

from jaxcam.arrays import type_of_array

LEVELS = (20, 100, 110)  # of 255
LEAST_DISTANCE = 10  # of 255, to the nearest pixel that is not above the level
MARGIN = 5  # pixels that a box keeps from the right and the lower border

# Rank of the class, and whether its loose (0) or its tight (1) box, for each of the five guesses.
FIVE_BOXES = ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0))

# Numbers handed to a callback in one array. On a CPU, JAX copies larger ones in the threads that run its programs, and
# where each of those waits for a callback of its own, nobody is left to copy (jax-ml/jax#24255).
PIECE = 16_000

Rectangle = tuple[int, int, int, int]  # x, y, width, height, as OpenCV gives it


def release_boxes(maps: Float[type_of_array, "... h w"], *, inclusive_corners: bool = False) -> Float[Array, "... 2 4"]:
    """A loose and a tight box of each map, as the authors' released generator finds them; on the host, also under jit.

    For each level l of 20, 100, 110: m = (255 M / max M, rounded half up, > l); D = distance to the nearest pixel
    outside m; the contours, outer ones and holes, of {round(255 D / max D) > 10}. Their bounding rectangles (x, y,
    w, h), with x <= W - 5, y <= H - 5, w <= W - x - 5, h <= H - y - 5 (so that w or h may be negative, and corners
    swap), are pooled and sorted by area w h. The loose box is the first; the tight box is the second, or the third
    where the second shares more than half of the first's area (the original then deletes the second and leaves what
    follows it unexamined).

    Args:
        maps: floating-point (..., h, w), raw, of 6 pixels or more a side. Computed in float32, then float64.
        inclusive_corners: count the pixels at (x + w, y + h) in, as the authors' evaluation did: boxes one pixel wider
            and higher.

    Returns:
        float32 (..., 2, 4) half-open boxes (x0, y0, x1, y1) in the maps' pixels, the loose one first. An empty box
        where a contour lies in the margin. The whole map twice where its maximum is not above 0, NaN for a map with a
        NaN. There are three levels and so at least three rectangles, of which two always remain.

    Raises:
        ValueError: for smaller maps.

    Of equal areas, the one found first stays first: by level, then as OpenCV's `RETR_CCOMP` lists contours, that is by
    component, the last in raster order first, and after each its holes, likewise the last first. (The original's sort
    leaves it open. It was built with OpenCV 2.4, which blanks the map's outermost pixels first; OpenCV does not since
    3.2, nor is it done here.)

    >>> maps = np.zeros((40, 50), np.float32)
    >>> maps[5:30, 8:40] = 0.3
    >>> maps[10:20, 15:25] = 1.0
    >>> release_boxes(maps)
    Array([[ 8.,  5., 40., 30.],
           [15., 10., 25., 20.]], dtype=float32)
    """
    if min(maps.shape[-2:]) <= MARGIN:
        raise ValueError(
            f"maps: got shape {maps.shape}; the rule release keeps {MARGIN} pixels from the border, "
            f"give maps of at least {MARGIN + 1} x {MARGIN + 1} pixels"
        )
    find = partial(boxes_on_host, inclusive_corners=inclusive_corners)
    if not isinstance(maps, jax.core.Tracer):
        return jnp.asarray(find(maps))
    # A box is a step function of its map: its gradient is zero.
    return call_for_each(find, lax.stop_gradient(maps))


def call_for_each(
    find: Callable[[np.ndarray], np.ndarray],
    maps: Float[type_of_array, "... h w"],
    sizes: Int[type_of_array, "... 2"] | None = None,
) -> Float[Array, "... 2 4"]:
    """The two boxes that a host function finds in each map, from inside a compiled program.

    Args:
        find: (h, w) of NumPy -> (2, 4).
        maps: floating-point (..., h, w).
        sizes: (height, width) of the corner of each map that `find` is given; by default all of it.
    """
    *batch, height, width = maps.shape
    if sizes is None:
        sizes = jnp.broadcast_to(jnp.array([height, width]), (*batch, 2))

    def call(size, *pieces):
        whole = np.concatenate([np.asarray(piece) for piece in pieces]).reshape(height, width)
        rows, columns = np.asarray(size).tolist()
        return find(whole[:rows, :columns]).astype(np.float32)

    def of_one(one):
        values, size = one
        pieces = jnp.split(values.reshape(-1), list(range(PIECE, values.size, PIECE)))
        result = jax.ShapeDtypeStruct((2, 4), jnp.float32)
        return jax.pure_callback(call, result, size, *pieces, vmap_method="sequential")

    found = lax.map(of_one, (maps.reshape(-1, height, width), jnp.asarray(sizes).reshape(-1, 2)))
    return found.reshape(*batch, 2, 4)


def five_box_guesses(
    labels: Int[type_of_array, "b n"], boxes: Float[type_of_array, "b n 2 4"]
) -> tuple[Int[type_of_array, "b 5"], Float[type_of_array, "b 5 4"]]:
    """Five guesses an image that spend two boxes on each of the first two classes, as for the paper's 37.1% error.

    Class 1 loose, class 1 tight, class 2 loose, class 2 tight, class 3 loose.

    Args:
        labels: (b, n) predicted classes, best first, at least three.
        boxes: (b, n, 2, 4) the loose and the tight box of each.

    Returns:
        labels (b, 5) and boxes (b, 5, 4), of the kind of array given.

    Raises:
        ValueError: for fewer than three classes.

    >>> five_box_guesses(np.array([[7, 3, 9]]), np.zeros((1, 3, 2, 4)))[0]
    array([[7, 7, 3, 3, 9]])

    Source: Zhou et al., CVPR 2016, arXiv 1512.04150, section 3.2, and the authors' released evaluation.
    """
    if labels.shape[1] < 3:
        raise ValueError(f"labels: got {labels.shape[1]} classes an image; give at least 3")
    ranks, which = np.array(FIVE_BOXES).T
    return labels[:, ranks], boxes[:, ranks, which]


def boxes_on_host(maps: type_of_array, *, inclusive_corners: bool = False) -> Float[np.ndarray, "... 2 4"]:
    """The boxes of `release_boxes`, for maps on the host and without JAX.

    Args:
        maps: floating-point (..., h, w), raw; of fewer than 6 pixels a side the boxes are the whole.
        inclusive_corners: as for `release_boxes`.

    Returns:
        float32 (..., 2, 4) half-open boxes (x0, y0, x1, y1) in the maps' pixels, the loose one first.

    >>> boxes_on_host(np.pad(np.ones((10, 20), np.float32), 8)).tolist()
    [[8.0, 8.0, 28.0, 18.0], [8.0, 8.0, 28.0, 18.0]]
    """
    values = np.asarray(maps).astype(np.float32)
    found = np.empty((*values.shape[:-2], 2, 4), np.float32)
    for place in np.ndindex(values.shape[:-2]):
        found[place] = _loose_and_tight(values[place], inclusive_corners)
    return found


def _loose_and_tight(values: np.ndarray, inclusive_corners: bool) -> np.ndarray:
    """The two boxes (2, 4) of one map (h, w)."""
    height, width = values.shape
    highest = np.float64(values.max())
    if np.isnan(highest):
        return np.full((2, 4), np.nan)
    if highest <= 0 or min(height, width) <= MARGIN:  # nothing is above zero, or within the margins
        return np.tile([0, 0, width, height], (2, 1))
    shares = values == highest if np.isinf(highest) else values / highest
    grey = np.floor(255 * np.clip(shares, 0, 1) + 0.5)
    contours = [contour for level in LEVELS for contour in contour_rectangles(_core(grey > level))]
    largest, second, third, *_ = sorted((_clipped(*c, height, width) for c in contours), key=_area, reverse=True)
    # Only these can be among the first two of what the original's loops leave: it deletes at most every other one.
    tight = third if _overlap(largest, second) > 0.5 * max(_area(largest), _area(second)) else second
    boxes = [(min(x, x + w), min(y, y + h), max(x, x + w), max(y, y + h)) for x, y, w, h in (largest, tight)]
    return np.array(boxes) + (np.array([0, 0, 1, 1]) if inclusive_corners else 0)


def _core(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask that are far enough from its outside; all of them where it has no outside."""
    from scipy import ndimage  # slow to import, and of no use to the other rules

    if mask.all():
        return mask
    distance = ndimage.distance_transform_edt(mask)
    return np.floor(distance * (255 / distance.max()) + 0.5) > LEAST_DISTANCE


def contour_rectangles(mask: np.ndarray) -> list[Rectangle]:
    """Bounding rectangles of a mask's contours, outer ones and holes, in the order of OpenCV's `RETR_CCOMP`.

    Args:
        mask: bool (h, w); its components are 8-connected, its holes 4-connected.

    Returns:
        (x, y, width, height) of each contour, in pixels. A hole's is that of the mask's pixels around it.

    >>> ring = np.pad(np.ones((5, 7), bool), 2)
    >>> ring[4, 4:7] = False
    >>> contour_rectangles(ring)
    [(2, 2, 7, 5), (3, 3, 5, 3)]
    """
    from scipy import ndimage

    components, _ = ndimage.label(mask, np.ones((3, 3)))
    # The padding joins all background that reaches the border; its corner comes first, so it has number 1.
    background, _ = ndimage.label(~np.pad(mask, 1))
    holes = defaultdict(list)
    for number, (rows, columns) in enumerate(ndimage.find_objects(background)[1:], start=2):
        # The pixel above a hole's first one belongs to the component that it is in.
        first = columns.start + np.argmax(background[rows.start, columns] == number)
        # A hole's contour is made of the pixels around it: one further on each side.
        rectangle = (columns.start - 2, rows.start - 2, columns.stop - columns.start + 2, rows.stop - rows.start + 2)
        holes[components[rows.start - 2, first - 1]].append(rectangle)
    found = []
    for number, (rows, columns) in reversed(list(enumerate(ndimage.find_objects(components), start=1))):
        found.append((columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start))
        found += reversed(holes[number])
    return found


def _clipped(x: int, y: int, w: int, h: int, height: int, width: int) -> Rectangle:
    """Kept from the right and the lower border; w and h by x and y as they were, and so negative beyond the margin."""
    return min(x, width - MARGIN), min(y, height - MARGIN), min(w, width - x - MARGIN), min(h, height - y - MARGIN)


def _area(rectangle: Rectangle) -> int:
    return rectangle[2] * rectangle[3]


def _overlap(a: Rectangle, b: Rectangle) -> int:
    """Pixels that two rectangles share; none where a width or height is negative."""
    columns = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    rows = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(columns, 0) * max(rows, 0)
