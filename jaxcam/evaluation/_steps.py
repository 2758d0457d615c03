"""The compiled step of an evaluation: a batch of squashed images -> top-5 classes, maps, boxes; on all devices."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int, UInt8

from jaxcam.arrays import type_of_array
from jaxcam.box_rules import boxes
from jaxcam.box_rules.release import boxes_on_host, call_for_each
from jaxcam.compilation import cpu_options
from jaxcam.evaluation.protocol import Protocol
from jaxcam.forward import class_probabilities, kernel_of, preprocess
from jaxcam.geometry import resize
from jaxcam.methods.arguments import class_weights
from jaxcam.methods.crops import ten_crop_forward, ten_crop_maps
from jaxcam.methods.cut import check_cells, cut_at
from jaxcam.methods.table import find_method
from jaxcam.metrics import highest_points
from jaxcam.params import Params


class Frames(NamedTuple):
    """The way from maps to the pixels of each image file, padded to the same size: matrices that resize."""

    rows: Float[type_of_array, "b h y"]
    columns: Float[type_of_array, "b w x"]
    sizes: Int[type_of_array, "b 2"]  # height, width


class Rows(NamedTuple):
    """What a step is given of a batch, an image a row."""

    images: UInt8[type_of_array, "b h w 3"]
    labels: Int[type_of_array, "b"]
    index: Int[type_of_array, "b"]  # type: ignore[assignment]  # hides tuple.index
    frames: Frames | None  # None where all maps are boxed on the same grid


class Found(NamedTuple):
    """Boxes and points of each image, in pixels of the grid; n are the top classes. `release` gives two boxes a map."""

    boxes: Float[type_of_array, "b n *two 4"]
    true_box: Float[type_of_array, "b *two 4"]  # of the map of the image's own class
    random_box: Float[type_of_array, "b *two 4"]  # of noise in the network's cells
    point: Float[type_of_array, "b 2"]  # where the map of the image's own class is highest
    highest: Float[type_of_array, "b"]  # how high
    maps: Float[type_of_array, "b 2 y x"]  # of the first guess and of the image's own class, not resized


class Seen(NamedTuple):
    """What a step finds in each image."""

    top: Int[type_of_array, "b n"]  # classes, the most probable first
    probabilities: Float[type_of_array, "b n"]
    found: Found | None  # None where no box is asked for


class Evidence(NamedTuple):
    """A network's opinion on a batch: the scores that rank the classes, and the maps of any of them."""

    scores: Float[Array, "b c"]
    probabilities: Float[Array, "b c"]
    maps_of: Callable[[Array], Array]  # labels (b, n) -> raw maps (b, n, y, x)
    cells: tuple[int, ...]  # (y, x) of the network's


def on_devices(step: Callable[..., Any], **static: Any) -> Callable[..., Any]:
    """`step(params, rows, threshold, **static)` compiled once, each of this host's devices taking its share of rows."""
    return _compiled(step, tuple(static.items()), tuple(jax.local_devices()))


def shardings() -> tuple[NamedSharding, NamedSharding]:
    """Of what each of this host's devices has whole, and of the rows that they share."""
    return _shardings(tuple(jax.local_devices()))


@lru_cache(maxsize=64)
def _compiled(step, static, devices):
    whole, split = _shardings(devices)
    # No device needs another's rows, so there is nothing for the types of varying axes to check.
    run = jax.shard_map(
        partial(step, **dict(static)),
        mesh=whole.mesh,
        in_specs=(whole.spec, split.spec, whole.spec),
        out_specs=split.spec,
        check_vma=False,
    )
    return jax.jit(run, in_shardings=(whole, split, whole), out_shardings=split, compiler_options=cpu_options())


def _shardings(devices: tuple[jax.Device, ...]) -> tuple[NamedSharding, NamedSharding]:
    mesh = Mesh(np.array(devices), ("data",))
    return NamedSharding(mesh, P()), NamedSharding(mesh, P("data"))


def look(params: Params, rows: Rows, threshold: Array, *, protocol: Protocol, localize: bool) -> Seen:
    """Everything `evaluate` asks of a batch."""
    evidence = _evidence(params, jnp.asarray(rows.images), protocol)
    top = jax.lax.top_k(evidence.scores, min(5, evidence.scores.shape[-1]))[1]
    probabilities = jnp.take_along_axis(evidence.probabilities, top, axis=-1)
    if not localize:
        return Seen(top, probabilities, None)
    maps = evidence.maps_of(jnp.concatenate([top, rows.labels[:, None]], axis=1))
    noise = resize(_noise(jnp.asarray(rows.index), evidence.cells), maps.shape[-2:], axis=1)

    def find(grid: Array, sizes: Array | None) -> tuple[Any, ...]:
        true = grid[:, -2]
        return _boxes(grid, threshold, sizes, protocol), highest_points(true), true.max(axis=(-2, -1))

    together = jnp.concatenate([maps, noise[:, None]], axis=1)
    found, points, highest = _on_grid(together, rows.frames, params.card.image_size, protocol, find)
    both = jnp.stack([maps[:, 0], maps[:, -1]], axis=1)
    return Seen(top, probabilities, Found(found[:, :-2], found[:, -2], found[:, -1], points, highest, both))


def sweep(params: Params, rows: Rows, thresholds: Array, *, protocol: Protocol) -> Float[Array, "b t 4"]:
    """The box of each image's own class at every threshold, in pixels of the grid."""
    maps = _evidence(params, jnp.asarray(rows.images), protocol).maps_of(jnp.asarray(rows.labels)[:, None])

    def find(grid: Array, sizes: Array | None) -> Array:
        return jax.lax.map(lambda threshold: _boxes(grid, threshold, sizes, protocol)[:, 0], thresholds).swapaxes(0, 1)

    return _on_grid(maps, rows.frames, params.card.image_size, protocol, find)


def map_shape(params: Params, protocol: Protocol) -> tuple[int, int]:
    """(y, x) of the maps before they are resized."""
    images = jax.ShapeDtypeStruct((1, *protocol.canvas(params.card.image_size), 3), jnp.uint8)
    labels = jnp.zeros((1, 1), jnp.int32)
    shape = jax.eval_shape(lambda params, images: _evidence(params, images, protocol).maps_of(labels), params, images)
    return shape.shape[-2:]


def _evidence(params: Params, images: Array, protocol: Protocol) -> Evidence:
    size = params.card.image_size
    if protocol.views == "ten_crop":
        canvas = protocol.canvas(size)
        features, averaged = ten_crop_forward(params, images, canvas=canvas)

        def merged(labels: Array) -> Array:
            return ten_crop_maps(features, kernel_of(params), labels, crop=size, size=canvas, canvas=canvas)

        return Evidence(averaged, averaged, merged, features.shape[2:4])
    method = find_method(protocol.method)
    cut = cut_at(params, preprocess(params, images), protocol.stage, to_pixels=method.on_pixels)

    def maps_of(labels: Array) -> Array:
        if not method.on_pixels:
            check_cells(cut)
        return method.core(cut, class_weights(labels, cut.logits.shape[1]))

    cells = (cut.pixels if method.on_pixels else cut.cells).shape[1:3]
    return Evidence(cut.logits, class_probabilities(params, cut.logits), maps_of, cells)


def _noise(index: Array, cells: tuple[int, ...]) -> Array:
    """Noise (b, y, x), the same for an image whatever the batch."""
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(0)))(index)
    return jax.vmap(lambda key: jax.random.uniform(key, cells, jnp.float32))(keys)


def _on_grid(
    maps: Array,
    frames: Frames | None,
    image_size: tuple[int, ...],
    protocol: Protocol,
    use: Callable[[Array, Array | None], Any],
) -> Any:
    """`use(maps on their grid, sizes)`: of all images at once, or one by one where each has its own pixels."""
    size = protocol.grid(image_size)
    if size is not None:
        resized = resize(maps, size, axis=2, method=protocol.upsample, antialias=protocol.antialias)
        return use(resized, None)
    if frames is None:
        raise ValueError("frames: got none for box_grid image; give the way into the files' pixels")

    def use_one(one: Any) -> Any:
        maps, (rows, columns, sizes) = one
        grid = jnp.einsum("bnyx,bhy,bwx->bnhw", maps, rows, columns, precision=jax.lax.Precision.HIGHEST)
        height, width = (jnp.arange(length) for length in grid.shape[-2:])
        inside = (height[:, None] < sizes[0, 0]) & (width[None] < sizes[0, 1])
        # Nothing outside the image reaches a threshold.
        return use(jnp.where(inside[None, None], grid, -jnp.inf), sizes)

    results = jax.lax.map(use_one, jax.tree.map(lambda array: array[:, None], (maps, frames)))
    return jax.tree.map(lambda array: array[:, 0], results)


def _boxes(maps: Array, threshold: Array, sizes: Array | None, protocol: Protocol) -> Array:
    """Boxes (b, n, 4), (b, n, 2, 4) for `release`, of maps (b, n, h, w) that fill only `sizes` (b, 2) of the grid."""
    if protocol.rule != "release":
        found = boxes(maps, rule=protocol.rule, threshold=threshold)
        if sizes is None:
            return found
        # Where a map has nothing above zero, its box is the whole grid and to be the whole image.
        return jnp.minimum(found, jnp.tile(sizes[:, None, ::-1], 2).astype(jnp.float32))
    if sizes is None:
        return boxes(maps, rule="release")

    of_each = jnp.broadcast_to(sizes[:, None], (*maps.shape[:2], 2))
    return call_for_each(boxes_on_host, maps, of_each)
