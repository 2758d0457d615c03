"""Concepts that a network sees in some images, found without labels: deep feature factorization."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcam.arrays import Images
from jaxcam.compilation import jit_network
from jaxcam.forward import check_images, preprocess
from jaxcam.geometry import resize
from jaxcam.methods.arguments import Size, check_rank, check_size, check_upsample
from jaxcam.methods.chunks import check_counts
from jaxcam.methods.cut import check_cells, cut_at
from jaxcam.params import Params

TINY = 1e-12


class Concepts(NamedTuple):
    """What `find_concepts` found, the concept that the images have most of first.

    Attributes:
        directions: float32 (n, k), of length 1, not negative: for `jaxcam.with_concepts`.
        maps: float32 (b, n, y, x), not negative: how much of each is where; without b for one image.
    """

    directions: Float[Array, "n k"]
    maps: Float[Array, "*b_n_space"]


def find_concepts(
    params: Params,
    images: Images,
    *,
    num_concepts: int = 4,
    stage: str | None = None,
    key: Array | None = None,
    num_steps: int = 200,
    size: Size = "cells",
    upsample: str = "bilinear",
) -> Concepts:
    """Concepts common to some images: what a stage gives, factorized into a few directions and where each of them is.

    A(p) ~ sum_j M_j(p) d_j, both not negative: the least squares of all cells of all images together, by multiplicative
    updates, M <- M * (A D') / (M D D'), D <- D * (M' A) / (M' M D), D the rows d_j.

    Least squares have many minima, so another key may find other concepts. Features below 0, which not every stage has,
    count as 0. pytorch-grad-cam instead subtracts each channel's minimum and adds it to all directions.

    Args:
        params: any network's.
        images: uint8 or float in [0, 1], (b, h, w, channels) or one (h, w, channels).
        num_concepts: number n of directions.
        stage: a name of the network's `stages`; None for the last one with cells that classify.
        key: a `jax.random.key` of where the updates begin; None for that of 0.
        num_steps: number of updates.
        size: of the maps: "cells" for no upsampling, None for the given images' (h, w), or (height, width).
        upsample: "bilinear", "bicubic" (a = -0.75) or "catmull_rom" (a = -0.5).

    Returns:
        `Concepts`: directions (n, k) and maps (b, n, y, x). Concepts of other images are shown by the methods for
        `jaxcam.with_concepts(params, directions, stage=stage)`.

    Raises:
        ValueError: for wrong images, or an option that does not fit.

    Source: Collins, Achanta, Suesstrunk, "Deep Feature Factorization for Concept Discovery", ECCV 2018, arXiv
    1806.10206; Lee, Seung, "Algorithms for Non-negative Matrix Factorization", NIPS 2000.

    >>> import jax.numpy as jnp, jaxcam
    >>> as_is = jaxcam.Card(image_size=(4, 4), preprocessing=jaxcam.Preprocessing(mean=(0.0,), std=(1.0,)))
    >>> colours = jaxcam.from_functions(lambda _, images: images, lambda _, cells: cells.mean((1, 2)), card=as_is)
    >>> image = jnp.ones((4, 4, 3)).at[:2, :, 2].set(0)  # yellow above white
    >>> found = jaxcam.find_concepts(colours, image, num_concepts=2, num_steps=2000)
    >>> found.directions.round(2)
    Array([[0.71, 0.71, 0.  ],
           [0.24, 0.24, 0.94]], dtype=float32)
    >>> found.maps[:, :, 0].round(1)
    Array([[1.4, 1.4, 1.1, 1.1],
           [0. , 0. , 1.1, 1.1]], dtype=float32)
    """
    check_counts(num_concepts=num_concepts, num_steps=num_steps)
    images, single = check_images(params, images)
    lengths, upsample = check_size(size, images.shape[1:-1]), check_upsample(upsample)
    key = jax.random.key(0) if key is None else key
    directions, maps = _factorized(num_concepts, num_steps, stage, params, preprocess(params, images), key)
    if lengths is not None:
        check_rank(lengths, maps.ndim - 2)
        maps = resize(maps, lengths, axis=2, method=upsample)
    return Concepts(directions, maps[0] if single else maps)


@partial(jit_network, static_argnums=(0, 1, 2))
def _factorized(num_concepts, num_steps, stage, params, pixels, key):
    cut = cut_at(params, pixels, stage)
    check_cells(cut)
    cells = jnp.maximum(cut.cells, 0)
    rows = cells.reshape(-1, cells.shape[-1])
    maps, directions = factorize(rows, *_beginning(rows, num_concepts, key), num_steps=num_steps)
    lengths = jnp.linalg.norm(directions, axis=1)
    maps, directions = maps * lengths[None], directions / jnp.maximum(lengths, TINY)[:, None]
    order = jnp.argsort(-maps.sum(axis=0))
    return directions[order], jnp.moveaxis(maps[:, order].reshape(*cells.shape[:-1], -1), -1, 1)


def _beginning(rows: Array, num_concepts: int, key: Array) -> tuple[Array, Array]:
    """Random maps and directions whose products are about as large as the features."""
    shapes = (rows.shape[0], num_concepts), (num_concepts, rows.shape[1])
    scale = jnp.sqrt(rows.mean() / num_concepts)
    maps, directions = (
        scale * jnp.abs(jax.random.normal(one, shape, jnp.float32))
        for one, shape in zip(jax.random.split(key), shapes, strict=True)
    )
    return maps, directions


def factorize(
    rows: Float[Array, "m k"], maps: Float[Array, "m n"], directions: Float[Array, "n k"], *, num_steps: int
) -> tuple[Float[Array, "m n"], Float[Array, "n k"]]:
    """Maps and directions whose product is near rows, from where they begin; none of them is negative.

    >>> maps, directions = factorize(jnp.ones((3, 2)), jnp.ones((3, 1)), jnp.full((1, 2), 3.0), num_steps=1)
    >>> (maps @ directions).round(3)
    Array([[1., 1.],
           [1., 1.],
           [1., 1.]], dtype=float32)
    """
    product = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)

    def step(_: Any, factors: tuple[Array, Array]) -> tuple[Array, Array]:
        maps, directions = factors
        below = product(maps, product(directions, directions.T))
        maps = maps * product(rows, directions.T) / jnp.maximum(below, TINY)
        below = product(product(maps.T, maps), directions)
        return maps, directions * product(maps.T, rows) / jnp.maximum(below, TINY)

    return jax.lax.fori_loop(0, num_steps, step, (maps, directions))
