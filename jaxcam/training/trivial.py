"""TrivialAugment: one random operation of a fixed set, at a random strength, with nothing to tune.

Mapped over a batch, a branch for each operation would compute all of them. Here the geometric ones are one warp, the
enhancements one blend, and those that map a channel's levels one lookup, and one of the three results is kept.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxcam.training.colour import blend, grey

GEOMETRIC = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
ENHANCEMENTS = ("brightness", "color", "contrast", "sharpness")
ON_LEVELS = ("posterize", "solarize", "autocontrast", "equalize")
OPERATIONS = ("identity", *GEOMETRIC, *ENHANCEMENTS, *ON_LEVELS)
STEPS = 30  # strengths are 0 / 30 to 30 / 30


def trivial_augment(key: Key[Array, ""], image: Float[Array, "h w 3"]) -> Float[Array, "h w 3"]:
    """TrivialAugment Wide: one operation, uniformly drawn, at one of 31 strengths, uniformly drawn.

    At full strength: shear by 0.99, translate by 32 pixels and rotate by 135 degrees, each in either direction;
    brightness, colour, contrast and sharpness from 0.01 at strength 0 to 2; posterize to 2 bits; solarize all levels.
    Autocontrast and equalize know no strength. Pixels from outside of the image are black.

    Args:
        key: of this image.
        image: (h, w, 3) in [0, 1]. Operations on levels round it to 8 bits; resampling is bilinear.

    Returns:
        (h, w, 3) in [0, 1].

    Source: Müller and Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation", ICCV 2021,
    arXiv 2103.10158.

    >>> jax.jit(trivial_augment)(jax.random.key(0), jnp.ones((8, 8, 3))).shape
    (8, 8, 3)
    """
    operation_key, step_key, sign_key = jax.random.split(key, 3)
    operation = jax.random.randint(operation_key, (), 0, len(OPERATIONS), jnp.int32)
    step = jax.random.randint(step_key, (), 0, STEPS + 1, jnp.int32)
    return apply_operation(image, operation, step, jax.random.rademacher(sign_key, (), jnp.int32))


def apply_operation(
    image: Float[Array, "h w 3"], operation: Int[Array, ""], step: Int[Array, ""], sign: Int[Array, ""]
) -> Float[Array, "h w 3"]:
    """One operation on an image.

    Args:
        image: (h, w, 3) in [0, 1].
        operation: place in `OPERATIONS`.
        step: its strength, from 0 to `STEPS`.
        sign: 1 or -1, the direction of a geometric operation.

    Returns:
        (h, w, 3) in [0, 1].

    >>> image, operation = jnp.linspace(0.0, 0.5, 12).reshape(2, 2, 3), OPERATIONS.index("autocontrast")
    >>> float(jax.jit(apply_operation)(image, operation, 0, 1).max())
    1.0
    """
    drawn = {name: operation == place for place, name in enumerate(OPERATIONS)}
    # Each reads the image itself: of one another's results, XLA would compute every pixel each time that it is read.
    results = {
        GEOMETRIC: _warp(image, drawn, step, sign),
        ENHANCEMENTS: _enhance(image, drawn, step),
        ON_LEVELS: _map_levels(image, drawn, step),
    }
    kept = [jnp.stack([drawn[name] for name in names]).any() for names in results]
    return jnp.select(kept, list(results.values()), image)


def _warp(image: Array, drawn: dict[str, Array], step: Array, sign: Array) -> Array:
    """Shear and translate from the upper left corner and rotate about the centre, as far as they were drawn."""
    shear = 0.99 / STEPS * (sign * step).astype(jnp.float32)
    shift = (sign * (32 * step // STEPS)).astype(jnp.float32)  # whole pixels and degrees, as in the authors' code
    angle = jnp.where(drawn["rotate"], jnp.deg2rad((sign * (135 * step // STEPS)).astype(jnp.float32)), 0.0)
    height, width, _ = image.shape
    y, x = jnp.arange(0.5, height, dtype=jnp.float32)[:, None], jnp.arange(0.5, width, dtype=jnp.float32)[None, :]
    across, down = x - width / 2, y - height / 2
    # Where each pixel comes from.
    source_x = width / 2 + jnp.cos(angle) * across - jnp.sin(angle) * down
    source_y = height / 2 + jnp.sin(angle) * across + jnp.cos(angle) * down
    source_x += jnp.where(drawn["shear_x"], shear * y, 0.0) + jnp.where(drawn["translate_x"], shift, 0.0)
    source_y += jnp.where(drawn["shear_y"], shear * x, 0.0) + jnp.where(drawn["translate_y"], shift, 0.0)
    return _sample(image, source_y, source_x)


def _sample(image: Array, y: Array, x: Array) -> Array:
    """Pixels at positions (the first pixel's centre is 0.5): bilinear, clamped at the edges, black outside of them."""
    height, width, _ = image.shape
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    top, left = jnp.floor(y - 0.5), jnp.floor(x - 0.5)
    down, right = (y - 0.5 - top)[..., None], (x - 0.5 - left)[..., None]
    rows = [jnp.clip(top.astype(jnp.int32) + place, 0, height - 1) for place in range(2)]
    columns = [jnp.clip(left.astype(jnp.int32) + place, 0, width - 1) for place in range(2)]
    upper, lower = ((1 - right) * image[row, columns[0]] + right * image[row, columns[1]] for row in rows)
    return jnp.where(inside[..., None], (1 - down) * upper + down * lower, 0.0)


def _enhance(image: Array, drawn: dict[str, Array], step: Array) -> Array:
    """A blend with black, grey, the mean grey or a smoothed image, whichever was drawn."""
    own = grey(image)
    plain = {
        "brightness": jnp.zeros_like(image),
        "color": jnp.broadcast_to(own, image.shape),
        "contrast": jnp.full_like(image, own.mean()),
        "sharpness": _smooth(image),
    }
    chosen = jnp.select([drawn[name] for name in plain], list(plain.values()))
    return blend(chosen, image, 0.01 + 1.99 / STEPS * step.astype(jnp.float32))


def _smooth(image: Array) -> Array:
    """Mean of 3x3 pixels, the middle one five times; the pixels at the border stay."""
    height, width, _ = image.shape
    padded = jnp.pad(image, ((1, 1), (1, 1), (0, 0)))
    near = sum(padded[y : y + height, x : x + width] for y in range(3) for x in range(3))
    y, x = jnp.arange(height)[:, None, None], jnp.arange(width)[None, :, None]
    border = (y == 0) | (y == height - 1) | (x == 0) | (x == width - 1)
    return jnp.where(border, image, (near + 4 * image) / 13)


def _map_levels(image: Array, drawn: dict[str, Array], step: Array) -> Array:
    """Each channel's 256 levels by a table of the operation drawn."""
    # A level of a channel is one number, since XLA adds and looks up by one index several times faster than by two.
    places = jnp.round(image * 255).astype(jnp.int32) * 3 + jnp.arange(3, dtype=jnp.int32)[None, None]
    counts = jnp.zeros(256 * 3, jnp.int32).at[places.ravel()].add(1).reshape(256, 3)
    level = jnp.broadcast_to(jnp.arange(256, dtype=jnp.int32)[:, None], (256, 3))
    dropped_bits = 6 * step // STEPS
    tables = {
        "posterize": level >> dropped_bits << dropped_bits,
        "solarize": jnp.where(level < 256 - 256 * step // STEPS, level, 255 - level),
        "autocontrast": _stretch(counts, level),
        "equalize": _equalize(counts, level),
    }
    table = jnp.select([drawn[name] for name in tables], list(tables.values()))
    # Made once, and not again for each pixel that is looked up.
    return jax.lax.optimization_barrier(table).ravel()[places].astype(image.dtype) / 255


def _stretch(counts: Array, level: Array) -> Array:
    """The lowest level of a channel to 0 and its highest to 255; a channel of one level stays."""
    low = jnp.where(counts > 0, level, 255).min(0, keepdims=True)
    high = jnp.where(counts > 0, level, 0).max(0, keepdims=True)
    stretched = jnp.clip((level - low) * 255 // jnp.maximum(high - low, 1), 0, 255)
    return jnp.where(high > low, stretched, level)


def _equalize(counts: Array, level: Array) -> Array:
    """A channel's levels so that about as many pixels fall on each; too few pixels or levels stay."""
    last = jnp.where(counts > 0, level, 0).max(0, keepdims=True)
    below = jnp.cumsum(counts, 0) - counts
    pixels_a_level = jnp.where(level == last, below, 0).sum(0, keepdims=True) // 255
    equal = (pixels_a_level // 2 + below) // jnp.maximum(pixels_a_level, 1)
    return jnp.where(pixels_a_level > 0, jnp.minimum(equal, 255), level)
