"""Random crops and mirrors on the device, inside the compiled step."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Shaped


def random_crop(
    key: Key[Array, ""], image: Float[Array, "h w k"], *, size: int, area: float, flip: bool
) -> Float[Array, "size size k"]:
    """A random rectangle of an image, resized to a square and mirrored half of the time.

    Its share of the image's area is uniform in [area, 1] and its aspect ratio log-uniform in [3/4, 4/3], clipped to the
    image. Resampling is bilinear, antialiased when shrinking.

    Args:
        key: of this image.
        image: (h, w, k).
        size: side of the square, in pixels.
        area: smallest share of the image's area, from 0 to 1; 1 takes the whole image.
        flip: whether to mirror at all.

    Returns:
        (size, size, k).

    Source: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, arXiv 1409.4842.

    >>> random_crop(jax.random.key(0), jnp.ones((8, 8, 3)), size=4, area=0.5, flip=True).shape
    (4, 4, 3)
    """
    area_key, aspect_key, place_key, flip_key = jax.random.split(key, 4)
    space = jnp.array(image.shape[:2], jnp.float32)
    share = jax.random.uniform(area_key, (), jnp.float32, minval=area, maxval=1.0)
    bound = 0.0 if area == 1 else jnp.log(4 / 3)
    aspect = jnp.exp(jax.random.uniform(aspect_key, (), jnp.float32, minval=-bound, maxval=bound))
    window = space * jnp.minimum(jnp.sqrt(share) * jnp.stack([jnp.sqrt(aspect), 1 / jnp.sqrt(aspect)]), 1.0)
    corner = jax.random.uniform(place_key, (2,), jnp.float32) * (space - window)
    scale = size / window
    crop = jax.image.scale_and_translate(
        image, (size, size, image.shape[2]), (0, 1), scale, -corner * scale, method="linear", antialias=True
    )
    return jnp.where(jax.random.bernoulli(flip_key) & flip, crop[:, ::-1], crop)


def place_crop(
    key: Key[Array, ""], image: Shaped[Array, "h w k"], *, size: int, flip: bool
) -> Shaped[Array, "size size k"]:
    """A square window of an image, at a uniformly random place and mirrored half of the time, without resampling.

    Args:
        key: of this image.
        image: (h, w, k), of any dtype.
        size: side of the window, in pixels; at most h and w.
        flip: whether to mirror at all.

    Returns:
        (size, size, k), of the same dtype.

    Raises:
        ValueError: for a window that is empty or larger than the image.

    Source: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks",
    NIPS 2012: 224 of 256 pixels a side.

    >>> place_crop(jax.random.key(0), jnp.ones((8, 8, 3)), size=7, flip=True).shape
    (7, 7, 3)
    """
    height, width, channels = image.shape
    if not 1 <= size <= min(height, width):
        raise ValueError(f"size: got {size} for an image of {height} x {width} pixels; give 1 to {min(height, width)}")
    place_key, flip_key = jax.random.split(key)
    top, left = jax.random.randint(place_key, (2,), 0, jnp.array([height - size + 1, width - size + 1]))
    crop = jax.lax.dynamic_slice(image, (top, left, 0), (size, size, channels))
    return jnp.where(jax.random.bernoulli(flip_key) & flip, crop[:, ::-1], crop)
