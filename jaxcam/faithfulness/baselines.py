"""What stands in a pixel's place when it is taken away."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.ndimage import gaussian_filter1d

from jaxcam.faithfulness.shown import ShownImages
from jaxcam.params import Params

BASELINES = ("black", "mean", "blurred")
# Of the Gaussian of "blurred", in pixels: the authors' of RISE, for images of 224 x 224.
BLUR_SIZE, BLUR_STD = 11, 5


def baseline_images(params: Params, images: ShownImages, baseline: str) -> ShownImages:
    """The images that pixels are taken from where they are taken away.

    Args:
        params: any network's, whose card has the mean.
        images: in [0, 1], at the network's size.
        baseline: "black" for 0; "mean" for the card's mean, which the network is given as 0; "blurred" for the image
            under a Gaussian of 11 pixels and std 5, with the mean around it.

    Raises:
        ValueError: for another baseline.
    """
    if baseline not in BASELINES:
        raise ValueError(f"baseline: got {baseline!r}; use one of {', '.join(BASELINES)}")
    if baseline == "black":
        return jnp.zeros_like(images)
    mean = _mean(params, images.ndim)
    if baseline == "mean":
        return jnp.broadcast_to(mean, images.shape)
    blurred = images - mean
    for axis in range(1, images.ndim - 1):
        matrix = jnp.asarray(_blur_matrix(images.shape[axis]))
        blurred = jnp.tensordot(blurred, matrix, axes=(axis, 1), precision=jax.lax.Precision.HIGHEST)
        blurred = jnp.moveaxis(blurred, -1, axis)
    return blurred + mean


def _mean(params: Params, rank: int) -> Float[Array, "..."]:
    """The image that the network is given as 0."""
    how = params.card.preprocessing
    mean = np.array(how.mean, np.float32) / how.scale
    return jnp.asarray(mean[::-1] if how.channel_order == "BGR" else mean).reshape((1,) * (rank - 1) + (-1,))


def _blur_matrix(length: int) -> Float[np.ndarray, "n n"]:
    """Along one axis, with zeros around it."""
    # SciPy folds what lies beyond the kernel's ends back into it, so that it sums to 1; the authors' is made like this.
    kernel = gaussian_filter1d(np.eye(BLUR_SIZE)[BLUR_SIZE // 2], BLUR_STD)
    shifts = range(-(BLUR_SIZE // 2), BLUR_SIZE // 2 + 1)
    return sum(weight * np.eye(length, k=shift) for weight, shift in zip(kernel, shifts, strict=True)).astype(
        np.float32
    )
