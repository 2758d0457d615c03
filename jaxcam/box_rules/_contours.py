"""Every contour of every level set of an 8-bit map, each walked once. Importing this compiles nothing yet, but is slow.

A crack is the side between a pixel and its neighbour. With the set on the right hand, the cracks between a set and its
complement chain up to closed walks, one around each 8-connected component and one around each of its holes. At a
corner where two pixels of the set touch diagonally the walk turns left, so that both are of one component. A walk has
at least one crack that goes up, with the set to its right: the pixels that are brighter than their left neighbour
start all walks there are, and one bit for each such pixel and level tells which walks are done. What it costs is the
length of all contours together, with neither a labelling nor a scan of the map for each level.
"""

from typing import no_type_check

import numpy as np
from numba import njit

WORDS, BITS = 4, 64  # a bit for each of at most 256 levels


@njit(nogil=True)
@no_type_check  # a checked function is none that numba could compile
def walk_all(ranks):
    """Walk the contours of {ranks > k} for k = 0, 1, ..., 254, of 8-bit ranks (h + 2, w + 2) whose frame is 0.

    Returns rows (k, x0, y0, x1, y1), the inclusive bounding boxes, without the frame, of the pixels along each contour;
    and for each k the number of the row whose contour has the largest area, the last of equals, -1 where there is none.
    For one k the rows are in the raster order of the contours' first upward cracks.
    """
    height, width = ranks.shape
    done = np.zeros((height, width, WORDS), np.uint64)
    rows = np.empty((1024, 5), np.int32)
    largest, areas = np.full(WORDS * BITS, -1), np.zeros(WORDS * BITS, np.int64)
    count = 0
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            for k in range(int(ranks[y, x - 1]), int(ranks[y, x])):
                if done[y, x, k // BITS] >> np.uint64(k % BITS) & np.uint64(1):
                    continue
                if count == len(rows):
                    rows = np.concatenate((rows, np.empty_like(rows)))
                area = _walk(ranks, done, k, y, x, rows[count])
                if area >= areas[k]:
                    largest[k], areas[k] = count, area
                count += 1
    return rows[:count], largest


@njit(nogil=True)
@no_type_check
def _walk(ranks, done, k, first_y, first_x, row):
    """Walk the contour of {ranks > k} through the left side of a pixel: fills its row and marks its upward cracks.

    Returns 4 times OpenCV's contour area, or -1 around a hole, which has less than the contour around it.
    """
    word, bit = k // BITS, np.uint64(1) << np.uint64(k % BITS)
    y, x, down, right = first_y, first_x, -1, 0
    x0, y0, x1, y1 = x, y, x, y
    pixels = turns = straight = 0
    while True:
        if down == -1:
            done[y, x, word] |= bit
            pixels -= x
        elif down == 1:
            pixels += x + 1
        x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
        # Of the two pixels ahead, that to the left is entered first: it is connected whatever the other is.
        if ranks[y + down - right, x + right + down] > k:
            y, x = y + down - right, x + right + down
            down, right = -right, down
            turns += 1
        elif ranks[y + down, x + right] > k:
            y, x = y + down, x + right
            straight += 1
        else:
            down, right = right, -down
            turns += 1
        if y == first_y and x == first_x and down == -1:
            break
    row[0], row[1], row[2], row[3], row[4] = k, x0 - 1, y0 - 1, x1 - 1, y1 - 1
    # OpenCV's polygon joins the centres of pixels. About a corner of the walk it covers a quarter of a pixel less than
    # the pixels do where the walk turns, and two quarters less where it goes straight on.
    return 4 * pixels - turns - 2 * straight if pixels > 0 else -1
