"""Infidelity and max-sensitivity: whether a map foretells what the network does, and how much noise changes it.

Yeh et al., "On the (In)fidelity and Sensitivity of Explanations", NeurIPS 2019, arXiv 1901.09392, and its code.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxcam.arrays import Images, LabelsLike
from jaxcam.compilation import jit_network
from jaxcam.faithfulness.baselines import baseline_images
from jaxcam.faithfulness.pixel_order import visible_nan
from jaxcam.faithfulness.quality import Method
from jaxcam.faithfulness.record import Record, sums
from jaxcam.faithfulness.shown import MapsLike, MaskLike, Shown, scores_of_images, scores_of_variants, show
from jaxcam.methods.chunks import check_counts
from jaxcam.params import Params

# The authors take all squares of 1 to 10 pixels on images of 28.
LARGEST_SQUARE = 10 / 28


def infidelity(
    params: Params,
    images: Images,
    labels: LabelsLike,
    maps: MapsLike,
    *,
    key: Array | None = None,
    mask: MaskLike = None,
    num_samples: int = 50,
    baseline: str = "black",
    scaled: bool = True,
    score: str = "logit",
    chunk: int = 1,
) -> Record:
    """Infidelity: the mean squared error of the map's sum over a square as the drop of the score without the square.

    INFD = mean over squares Q of (b sum over p in Q of M(p) - (f(I) - f(I without Q)))^2, with b the factor that makes
    it least, as in the authors' code: maps of most methods have a scale of their own. captum 0.8 has b = 1 by default.

    Squares are drawn from all those inside the image with sides of up to 10 / 28 of its shorter one, each as likely as
    the others; the authors go through all of them. They are the same for every image.

    Args:
        params: any network's.
        images: uint8 or float in [0, 1], (b, h, w, channels).
        labels: (b,) classes.
        maps: (b, y, x) raw maps of any size.
        key: of the squares; None for `jax.random.key(0)`.
        mask: (b,) False where the row counts for nothing.
        num_samples: squares.
        baseline: what a removed pixel becomes: "black", "mean" or "blurred".
        scaled: fit b; False for 1, for methods whose maps are in units of the score.
        score: f: "logit", as the authors', or "probability".
        chunk: how many changed batches pass through the network together.

    Returns:
        `Sums` of "infidelity".

    Raises:
        ValueError: for shapes that do not fit together, or an unknown option.

    >>> import jaxcam
    >>> red = jaxcam.from_functions(  # the logit is the sum of red, so the image is its own map
    ...     lambda weights, images: images,
    ...     lambda weights, cells: cells.sum((1, 2)),
    ...     card=jaxcam.Card((), (), (4, 4), 1, jaxcam.Preprocessing(mean=(0.0,), std=(1.0,))),
    ... )
    >>> image = jax.random.uniform(jax.random.key(0), (1, 4, 4, 1))
    >>> record = infidelity(red, image, jnp.array([0]), image[..., 0], scaled=False)
    >>> bool(record["infidelity"].total < 1e-9)
    True
    """
    check_counts(num_samples=num_samples)
    shown = show(params, images, labels, maps, mask)
    options = {"num_samples": num_samples, "baseline": baseline, "scaled": scaled, "score": score, "chunk": chunk}
    return {"infidelity": sums(_infidelity(params, shown, jax.random.key(0) if key is None else key, **options), mask)}


def max_sensitivity(
    params: Params,
    method: Method,
    images: Images,
    labels: LabelsLike,
    *,
    key: Array | None = None,
    mask: MaskLike = None,
    num_samples: int = 10,
    radius: float = 0.2,
) -> Record:
    """Max-sensitivity: the largest change of a map under uniform noise on the image, as a share of the map.

    SENS = max over noise n of |M(I + n) - M(I)| / |M(I)|, with n in [-radius, radius] everywhere and |.| the root of
    the sum of squares. The paper's definition does not divide; the authors' code does, as maps have a scale of their
    own. A map of zeros has none, and is not counted.

    Args:
        params: any network's.
        method: `(params, images, labels) -> maps`; options by `functools.partial`.
        images: uint8 or float in [0, 1], (b, h, w, channels).
        labels: (b,) classes.
        key: of the noise, which is the same for every image; None for `jax.random.key(0)`.
        mask: (b,) False where the row counts for nothing.
        num_samples: noisy copies; the authors' are 50. The method is called once for each.
        radius: in units of the image; the authors' is 0.2, captum's 0.02.

    Returns:
        `Sums` of "max_sensitivity".

    Raises:
        ValueError: for shapes that do not fit together.

    >>> import jaxcam
    >>> params = jaxcam.from_functions(
    ...     lambda _, images: images, lambda _, cells: cells.sum((1, 2)), card=jaxcam.Card(image_size=(8, 8))
    ... )
    >>> red = lambda params, images, labels: images[..., 0]
    >>> record = max_sensitivity(params, red, jnp.ones((1, 8, 8, 3)), jnp.array([0]), num_samples=1, radius=0.1)
    >>> 0 < float(record["max_sensitivity"].total) < 0.1
    True
    """
    check_counts(num_samples=num_samples)
    shown = show(params, images, labels, mask=mask)
    maps = method(params, shown.images, shown.labels)
    key = jax.random.key(0) if key is None else key
    largest = jnp.zeros(len(maps), jnp.float32)
    for one in jax.random.split(key, num_samples):
        noisy = method(params, _noisy(shown.images, one, radius), shown.labels)
        largest = jnp.maximum(largest, _change(maps, noisy))
    counted = (jnp.abs(maps).max(axis=tuple(range(1, maps.ndim))) != 0) & shown.mask
    return {"max_sensitivity": sums(largest, counted)}


@jax.jit
def _noisy(images: Array, key: Array, radius: Array | float) -> Array:
    return images + jax.random.uniform(key, images.shape[1:], jnp.float32, minval=-radius, maxval=radius)[None]


@jax.jit
def _change(maps: Array, others: Array) -> Float[Array, " b"]:
    maps, others = (some.reshape(len(some), -1) for some in (maps, others))
    norms = jnp.linalg.norm(maps, axis=1)
    return jnp.linalg.norm(others - maps, axis=1) / jnp.where(norms == 0, 1, norms)


@partial(jit_network, static_argnames=("num_samples", "baseline", "scaled", "score", "chunk"))
def _infidelity(params: Params, shown: Shown, key: Array, *, num_samples, baseline, scaled, score, chunk) -> Array:
    space = shown.maps.shape[1:]
    squares = _squares(key, space, num_samples)
    empty = baseline_images(params, shown.images, baseline)

    def without(square):
        return jnp.where(_inside(square, space)[None, ..., None], empty, shown.images)

    def summed(square):
        return jnp.where(_inside(square, space)[None], shown.maps, 0).sum(axis=tuple(range(1, shown.maps.ndim)))

    before = scores_of_images(params, shown.images, shown.labels, score)
    after = scores_of_variants(params, shown.labels, without, squares, score=score, chunk=chunk)
    drops, told = before[None] - after, jax.lax.map(summed, squares)
    if scaled:
        squared = (told**2).sum(axis=0)
        told = told * ((drops * told).sum(axis=0) / jnp.where(squared == 0, 1, squared))[None]
    return visible_nan((told - drops) ** 2, shown.maps).mean(axis=0)


def _squares(key: Array, space: tuple[int, ...], count: int) -> tuple[Int[Array, " t"], Int[Array, "t rank"]]:
    """Sides and first corners of squares (in a volume: cubes), each of those inside the image as likely as another."""
    sides = np.arange(1, max(1, round(LARGEST_SQUARE * min(space))) + 1)
    places = np.stack([length - sides + 1 for length in space], axis=-1)
    side_key, corner_key = jax.random.split(key)
    chosen = jax.random.categorical(side_key, jnp.log(jnp.asarray(places, jnp.float32)).sum(axis=-1), shape=(count,))
    corners = jax.random.randint(corner_key, (count, len(space)), 0, jnp.asarray(places)[chosen])
    return jnp.asarray(sides)[chosen], corners


def _inside(square: tuple[Int[Array, ""], Int[Array, " rank"]], space: tuple[int, ...]) -> Bool[Array, "*space"]:
    """Which pixels lie in a square."""
    side, corner = square
    inside = jnp.ones(space, bool)
    for axis, length in enumerate(space):
        along = (jnp.arange(length) >= corner[axis]) & (jnp.arange(length) < corner[axis] + side)
        inside &= jnp.expand_dims(along, tuple(other for other in range(len(space)) if other != axis))
    return inside
