"""Box rules: one function (maps, *, threshold, connectivity) -> boxes each, and the public `boxes` over them."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Shaped

from jaxcam.arrays import Length, type_of_array
from jaxcam.box_rules.paper import paper_boxes
from jaxcam.box_rules.release import release_boxes
from jaxcam.box_rules.wsol import wsol_boxes
from jaxcam.compilation import on_auto_axes

BoxRule = Callable[..., Array]
BOX_RULES: dict[str, BoxRule] = {"paper": paper_boxes, "release": release_boxes, "wsol": wsol_boxes}


def boxes(
    maps: Shaped[type_of_array, "..."],
    *,
    rule: str | BoxRule = "paper",
    threshold: float | int | np.generic | type_of_array | None = None,
    connectivity: int = 8,
) -> Float[Array, "... 4"]:
    """A box around what each map shows most of, on the device: under jit, vmap, pmap, and without a gradient.

    The paper's rule: box(largest component of {(x, y): M(x, y) >= threshold * max M}). The rule "release" has levels
    of its own, gives two boxes a map and runs on the host: see `jaxcam.box_rules.release`. The rule "wsol" is the WSOL
    benchmark's, where what is equal, constant or NaN is treated otherwise: see `jaxcam.box_rules.wsol`.

    Args:
        maps: floating-point (..., h, w), raw: any leading axes, none too. Computed in float32.
        rule: a name in `BOX_RULES`, or such a function.
        threshold: above 0 ("wsol": or 0), at most 1; None for .2, and for "release". May be traced, and an array that
            broadcasts with the leading axes: thresholds (t, 1) on maps (b, h, w) give (t, b) boxes. Another value does
            not compile again.
        connectivity: 8 where diagonal neighbours are connected, or 4. The largest component has the most pixels; of
            equals, its first pixel comes first in raster order.

    Returns:
        float32 (..., 4) half-open boxes (x0, y0, x1, y1) in the maps' pixels, (..., 2, 4) for "release". The whole map
        where its maximum is not above 0. NaN for a map with a NaN, and for a threshold that is out of range and could
        not be checked. Where a map holds inf, nothing else reaches its threshold.

    Raises:
        ValueError: for maps that are not floating-point or have no pixels, a threshold out of range or of a shape that
            does not fit, or an unknown rule or connectivity.

    Source: Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv 1512.04150. The
    paper leaves the connectivity open.

    >>> import jax.numpy as jnp, jaxcam
    >>> jaxcam.boxes(jnp.array([[0.9, 0.0, 0.1, 0.3], [0.0, 0.0, 0.5, 1.0]]))
    Array([2., 0., 4., 2.], dtype=float32)
    """
    if not jnp.issubdtype(maps.dtype, jnp.floating):
        raise ValueError(f"maps: got {maps.dtype}; give floating-point maps, raw rather than thresholded")
    if maps.ndim < 2 or 0 in maps.shape[-2:]:
        raise ValueError(f"maps: got shape {maps.shape}; give (..., h, w) with at least one pixel")
    if isinstance(rule, str) and rule not in BOX_RULES:
        raise ValueError(f"rule: got {rule!r}; use one of {', '.join(BOX_RULES)}, or a function")
    if connectivity not in (4, 8):
        raise ValueError(f"connectivity: got {connectivity!r}; use 4 or 8")
    rule = BOX_RULES[rule] if isinstance(rule, str) else rule
    if rule is release_boxes:
        if threshold is not None or connectivity != 8:
            raise ValueError(
                f"threshold, connectivity: got {threshold} and {connectivity}; the rule release has three levels of "
                "its own and 8-connected components, leave them out"
            )
        return on_auto_axes(release_boxes, maps, axes=maps.ndim - 2)
    threshold = check_threshold(0.2 if threshold is None else threshold, maps.shape[:-2], zero=rule is wsol_boxes)

    def thresholded(maps, threshold):
        return rule(maps, threshold=threshold, connectivity=connectivity)

    return on_auto_axes(thresholded, maps, threshold, axes=maps.ndim - 2)


def check_threshold(
    threshold: float | int | np.generic | type_of_array, batch: tuple[Length, ...], *, zero: bool
) -> type_of_array:
    """The threshold in float32, so that every kind shares a trace; checked where it can be seen (NumPy, Python)."""
    if not isinstance(threshold, Array):
        shares = np.asarray(threshold)
        if not np.all((shares > 0) & (shares <= 1) | (zero & (shares == 0))):
            lowest = "from 0 to 1" if zero else "above 0 and at most 1"
            raise ValueError(f"threshold: got {threshold}; give a share of the maximum, {lowest}")
    try:
        jnp.broadcast_shapes(np.shape(threshold), batch)  # it knows the symbolic lengths of an export too
    except ValueError:
        raise ValueError(
            f"threshold: got shape {np.shape(threshold)} for maps with leading axes {batch}; give one that broadcasts"
        ) from None
    return threshold.astype(jnp.float32) if isinstance(threshold, Array) else np.asarray(threshold, np.float32)
