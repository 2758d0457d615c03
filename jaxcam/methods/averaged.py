"""Maps from gradients at the pixels, averaged over versions of an image: noisy ones, or those on the way to it.

I is the image that the network is given: at its resolution, in [0, 1], before mean and std.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcam.forward import check_images, preprocess
from jaxcam.methods.backprop import over_channels, pixel_scale, pixels_of
from jaxcam.methods.chunks import check_counts
from jaxcam.methods.cut import Cut, RawMaps, Targets, cut_at
from jaxcam.methods.map_method import map_method
from jaxcam.params import Params


@map_method(on_pixels=True, takes_stage=False)
def smooth_grad(
    cut: Cut,
    targets: Targets,
    *,
    key: Array | None = None,
    num_samples: int = 50,
    std: float = 0.15,
    channels: str = "absolute",
) -> RawMaps:
    """SmoothGrad: the gradient of a class score, averaged over noisy copies of an image.

    M(p) = sum over channels of |mean over copies of dS / dI(p)|, each copy I + std * normal noise.

    The paper leaves open how channels become one; its authors' code adds the absolute values of the mean.

    Args:
        key: a `jax.random.key` of the noise, the same for every image; None for that of 0.
        num_samples: number of copies; the paper sees little change beyond 50.
        std: of the noise, where the image's range is 1; the paper takes 0.1 to 0.2.
        channels: "sum" of signed values, "absolute" for the sum of absolute ones, "max" for the largest of these.

    Source: Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017, arXiv 1706.03825.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> jaxcam.smooth_grad(params, jnp.zeros((2, 32, 24, 3)), jnp.array([3, 1]), num_samples=2).shape
    (2, 32, 24)
    """
    check_counts(num_samples=num_samples)
    scale = jnp.asarray(pixel_scale(cut))
    keys = jax.random.split(jax.random.key(0) if key is None else key, num_samples)

    # Drawn in one loop, which compiles ten times faster than many draws; the noise of a copy is as large as an image.
    noise = jax.lax.map(lambda key: std * scale * jax.random.normal(key, cut.pixels.shape[1:], jnp.float32)[None], keys)

    def noisy(pixels: Array, noise: Array) -> Array:
        return pixels + noise

    gradients = _mean_gradients(cut, targets, noisy, noise, np.full(num_samples, 1 / num_samples))
    return over_channels(gradients * scale[None], channels)


def _with_checked_baseline(params: Params, options: dict[str, Any]) -> dict[str, Any]:
    """The options, where a baseline of an image's shape is as images are; `_baseline_pixels` tells of other shapes."""
    baseline, rank = options.get("baseline"), len(params.card.image_size)
    if not isinstance(baseline, np.ndarray | jax.Array) or baseline.ndim != rank + 1:
        return options
    if baseline.shape[-1] != params.card.channels:
        return options
    return {**options, "baseline": check_images(params, baseline, name="baseline")[0][0]}


@map_method(on_pixels=True, takes_stage=False, check=_with_checked_baseline)
def integrated_gradients(
    cut: Cut, targets: Targets, *, baseline: float | Array = 0.0, steps: int = 50, channels: str = "sum"
) -> RawMaps:
    """Integrated gradients: how a class score's change from a baseline to an image is shared by the pixels.

    M(p) = sum over channels of (I(p) - B(p)) * mean over t in [0, 1] of dS / dI(p) at B + t (I - B).

    Its sum over the pixels is S(I) - S(B), up to the error of the quadrature, which is that of Gauss and Legendre, as
    in captum; the paper adds up steps of equal length.

    Args:
        baseline: B, a number in [0, 1], or one image as an array, uint8 or float in [0, 1], resized as the others are.
            The default is black.
        steps: number of points on the way; the paper takes 20 to 300.
        channels: "sum" of signed values, as in the paper, "absolute" for the sum of absolute ones, "max" for the
            largest of these.

    Source: Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017, arXiv 1703.01365.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> jaxcam.integrated_gradients(params, jnp.ones((2, 32, 24, 3)), jnp.array([3, 1]), steps=2).shape
    (2, 32, 24)
    """
    check_counts(steps=steps)
    change = cut.pixels - _baseline_pixels(cut, baseline)
    points, weights = np.polynomial.legendre.leggauss(steps)  # on [-1, 1], where weights add up to 2

    def on_the_way(pixels: Array, left: Array) -> Array:
        return pixels - left * change

    gradients = _mean_gradients(cut, targets, on_the_way, jnp.asarray((1 - points) / 2, jnp.float32), weights / 2)
    return over_channels(change[:, None] * gradients, channels)


def _baseline_pixels(cut: Cut, baseline: float | Array) -> Float[Array, "1 *space channels"]:
    shape = cut.pixels.shape[1:]
    if jnp.ndim(baseline) == 0:
        if not isinstance(baseline, jax.Array) and not 0 <= baseline <= 1:
            raise ValueError(f"baseline: got {baseline}; give a grey from 0 to 1, or an image")
        return pixels_of(cut, jnp.full(shape, baseline, jnp.float32))
    baseline = jnp.asarray(baseline)
    if baseline.ndim != len(shape) or baseline.shape[-1] != shape[-1]:
        space = "h, w" if len(shape) == 3 else ", ".join(["n"] * (len(shape) - 1))
        raise ValueError(
            f"baseline: got shape {baseline.shape}; give a number, or one image ({space}, {shape[-1]}) for all"
        )
    batch, _ = check_images(cut.params, baseline, name="baseline")
    return jnp.asarray(preprocess(cut.params, batch, image_size=shape[:-1]))


def _mean_gradients(
    cut: Cut, targets: Targets, version_of: Callable[[Array, Any], Array], given: Array, weights: np.ndarray
) -> Float[Array, "b n *space channels"]:
    """The gradients of all scores at the network's pixels, averaged with weights over versions of these."""

    @jax.jit  # so that it is traced once, however often it is written out
    def gradients_at(pixels: Array, one: Array) -> Array:
        moved = cut_at(cut.params, version_of(pixels, one), cut.stage, to_pixels=True)
        return jnp.stack([moved.pixel_gradient(target) for target in targets.swapaxes(0, 1)], axis=1)

    shares = jnp.asarray(weights, jnp.float32)
    nothing = jnp.zeros((*targets.shape[:2], *cut.pixels.shape[1:]), cut.pixels.dtype)

    def looped(pixels: Array, given: Array) -> Array:
        def add(total: Array, version: tuple[Array, Array]) -> tuple[Array, None]:
            return total + version[1] * gradients_at(pixels, version[0]), None

        return jax.lax.scan(add, nothing, (given, shares))[0]

    def written_out(pixels: Array, given: Array) -> Array:
        total = nothing
        for one, share in zip(given, shares, strict=True):
            # One version begins when the one before has ended, so memory does not grow with their number.
            pixels, total = jax.lax.optimization_barrier((pixels, total))
            total = total + share * gradients_at(pixels, one)
        return total

    # On CPUs, XLA finds the fast form of a convolution's gradient only outside of loops. ResNet-18 at 224 pixels, 2
    # cores, jax 0.12: 58 ms a version written out and 1.8 s in a loop; 50 versions compile in 6 s and take the memory
    # of one, 56 MiB (718 MiB without the barrier, which the XLA of jax 0.10 drops before it orders a program).
    return jax.lax.platform_dependent(cut.pixels, given, cpu=written_out, default=looped)
