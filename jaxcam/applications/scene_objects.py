"""Which objects tell a scene from others: what lies under the class maps of linear SVMs for scene categories.

Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv 1512.04150, section 4.2.
"""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8
from PIL import Image
from tqdm import tqdm

from jaxcam.applications.feature_files import files_hash
from jaxcam.applications.keeping import kept_features
from jaxcam.applications.scene_counts import SceneObjects
from jaxcam.applications.svm import LinearSvm, fit_svm
from jaxcam.batches import Batch, batches
from jaxcam.compilation import jit_network
from jaxcam.datasets.scenes import Objects, Scenes
from jaxcam.evaluation.figures import dataset_hash, params_hash
from jaxcam.evaluation.inputs import check_threshold
from jaxcam.evaluation.journal import Journal
from jaxcam.forward import forward
from jaxcam.methods.activation import cam_from_features
from jaxcam.params import Params

FEATURES, LINES = ".features", "photos.jsonl.part"  # what is kept of a call
THREADS = 4
ROWS = 64  # masks of a step are filled up to a multiple of it, so that few programs are compiled

Squashed = tuple[list[str], list[UInt8[np.ndarray, "h w"]]]


def find_scene_objects(
    params: Params,
    scenes: Scenes,
    *,
    threshold: float = 0.5,
    overlap: float = 0.5,
    batch_size: int = 32,
    keep: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> SceneObjects:
    """The objects of each scene category that lie most often where its linear SVM sees it.

    A linear SVM, each category against all others, is trained on pooled features f divided by their length |f|. Its
    weights make the map of a photo's true category, M(x, y) = sum_k w_k f_k(x, y), whose mean over the cells is
    mean(M) / |f| + b = the SVM's score. The rule, of which the paper says no more than "objects that most frequently
    overlap with the high CAM activation regions":

    - a pixel is under high activation where M >= threshold * max M > 0, on the grid of the squashed image;
    - an object (all that have one name in a photo) overlaps where at least the share `overlap` of its pixels is;
    - the objects of a category are ordered by how many of its photos they overlap in, then by the mean of their shares.

    Args:
        params: any network's with a last feature map; its own classes and linear layer are not used.
        scenes: photos with objects, of two categories or more, with two photos each.
        threshold: share of a map's maximum, above 0 and at most 1.
        overlap: share of an object's pixels, above 0 and at most 1.
        batch_size: images a step.
        keep: a folder where FEATURES and LINES keep what was found in each photo at once, so that interrupted, the same
            call goes on; None to keep nothing.
        progress: show images a second and time left on stderr.

    Returns:
        SceneObjects; `print` shows the table.

    Raises:
        ValueError: for an option out of range, fewer categories or photos, a file that cannot be read, a mask of
            another size than its photo, something kept with other settings, or without scikit-learn.

    >>> import tempfile
    >>> import jaxcam
    >>> from jaxcam.datasets.scenes import scene_folder
    >>> as_is = jaxcam.Card(image_size=(4, 4), preprocessing=jaxcam.Preprocessing(mean=(0.0,), std=(1.0,)))
    >>> colours = jaxcam.from_functions(lambda _, images: images, lambda _, cells: cells.mean((1, 2)), card=as_is)
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for name, colour in (("night/1", "black"), ("night/2", "black"), ("noon/1", "gold"), ("noon/2", "gold")):
    ...         Path(home, "photos", name).parent.mkdir(parents=True, exist_ok=True)
    ...         Path(home, "masks", name).mkdir(parents=True)
    ...         photo, sun = Image.new("RGB", (4, 4), "navy"), Image.new("1", (4, 4))
    ...         photo.paste(colour, (0, 0, 2, 2))
    ...         sun.paste(1, (0, 0, 2, 2))
    ...         photo.save(f"{home}/photos/{name}.png")
    ...         sun.save(f"{home}/masks/{name}/sun or moon.png")
    ...     scenes = scene_folder(f"{home}/photos", masks=f"{home}/masks")
    ...     find_scene_objects(colours, scenes, progress=False).objects("noon")
    (ObjectCount(name='sun or moon', photos=2, overlapping=2, share=100.0),)
    """
    threshold = check_threshold(threshold)
    if not 0 < overlap <= 1:
        raise ValueError(f"overlap: got {overlap}; give a share of an object's pixels, above 0 and at most 1")
    dataset = scenes.dataset
    of = {} if keep is None else {"params": params_hash(params), "photos": _hash(scenes)}
    homes = [None if keep is None else Path(keep, name) for name in (FEATURES, LINES)]
    kept = Journal(homes[1], {**of, "threshold": threshold})
    labels = np.array([example.label for example in dataset], np.int64)
    svm = fit_svm(kept_features(params, dataset, homes[0], batch_size=batch_size, progress=progress), labels)
    lines = dict(kept.done)
    with tqdm(total=len(dataset), initial=len(lines), desc="objects", unit=" images", disable=not progress) as bar:
        for line in _lines(params, scenes, svm, threshold, batch_size, set(lines)):
            kept.append([line])
            lines[line["index"]] = line
            bar.update()
    return SceneObjects(
        dataset.classes,
        tuple(lines[index] for index in range(len(dataset))),
        svm,
        threshold,
        float(overlap),
        params.card.image_size,
        dataset.skipped,
    )


def _hash(scenes: Scenes) -> str:
    """Of the names, sizes and times of all files, in their order."""
    photos = (example.path for example in scenes.dataset)
    state = files_hash([*photos, *(path for objects in scenes.objects for path in objects.paths())])
    return hashlib.sha256(repr((dataset_hash(scenes.dataset), scenes.objects, state)).encode()).hexdigest()


def _lines(
    params: Params, scenes: Scenes, svm: LinearSvm, threshold: float, batch_size: int, done: set[int]
) -> Iterator[dict[str, Any]]:
    """For each photo that is not done: its objects, with the share of their pixels under high activation."""
    places = [index for index in range(len(scenes.dataset)) if index not in done]
    if not places:
        return
    card, dataset = params.card, scenes.dataset
    rows = batches(
        replace(dataset, examples=tuple(dataset[place] for place in places)),
        batch_size=batch_size,
        image_size=card.image_size,
        interpolation=card.preprocessing.interpolation,
    )
    kernel, level = jnp.asarray(svm.kernel, jnp.float32), jnp.float32(threshold)
    waiting = None
    with ThreadPoolExecutor(THREADS) as pool:
        for batch in rows:
            at = [places[index] for index in batch.index[batch.mask].tolist()]
            tasks = [
                (scenes.objects[place], size, card.image_size) for place, size in zip(at, _sizes(batch), strict=True)
            ]
            squashed = list(pool.map(_squashed, *zip(*tasks, strict=True)))
            columns = np.searchsorted(svm.classes, batch.labels).astype(np.int32)
            masks, owners = _stacked(squashed, card.image_size)
            # The device works on this batch while the host reads the masks of the next one.
            running = at, squashed, _under(params, batch.images, kernel, columns, level, masks, owners)
            if waiting is not None:
                yield from _told(dataset.classes, scenes, *waiting)
            waiting = running
    if waiting is not None:
        yield from _told(dataset.classes, scenes, *waiting)


def _sizes(batch: Batch) -> list[tuple[int, int]]:
    return [(int(height), int(width)) for height, width in batch.sizes[batch.mask]]


def _squashed(objects: Objects, size: tuple[int, int], grid: tuple[int, ...]) -> Squashed:
    """Of each object, how much of every pixel of the squashed image it covers, in 255ths."""
    names, shares = [], []
    for name, mask in objects.masks(size):
        if not mask.any():
            continue
        whole = Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0)))
        share = np.array(whole.resize((grid[1], grid[0]), Image.Resampling.BOX))
        if not share.any():  # so small that no 255th is left of it
            y, x = np.argwhere(mask)[0] * grid // np.array(size)
            share[y, x] = 1
        names.append(name)
        shares.append(share)
    return names, shares


def _stacked(
    squashed: list[Squashed], grid: tuple[int, ...]
) -> tuple[UInt8[np.ndarray, "r h w"], Int[np.ndarray, " r"]]:
    """The masks of all photos, and the row of the batch that each is of."""
    masks = [mask for _, shares in squashed for mask in shares]
    owners = np.repeat(np.arange(len(squashed)), [len(names) for names, _ in squashed])
    count = max(ROWS, -(-len(masks) // ROWS) * ROWS)
    filled, rows = np.zeros((count, *grid), np.uint8), np.zeros(count, np.int32)
    if masks:
        filled[: len(masks)], rows[: len(masks)] = masks, owners
    return filled, rows


@jit_network
def scene_maps(
    params: Params, images: UInt8[np.ndarray | Array, "b h w 3"], kernel: Array, columns: Array
) -> Float[Array, "b h w"]:
    """Class maps of squashed images by an SVM's weights, at the images' size.

    Args:
        params: a network's.
        images: of its card's size.
        kernel: float32 (k, c).
        columns: (b,) the column of each image's map.
    """
    features, _ = forward(params, images)
    return cam_from_features(features, kernel, columns, size=params.card.image_size)


@jit_network
def _under(
    params: Params,
    images: Array,
    kernel: Float[Array, "k c"],
    columns: Array,
    threshold: Array,
    masks: UInt8[Array, "r h w"],
    owners: Int[Array, " r"],
) -> tuple[Int[Array, " r"], Array]:
    """How much of each mask is under high activation, in 255ths of a pixel, and which maps have nothing above zero."""
    maps = scene_maps(params, images, kernel, columns)
    top = maps.max(axis=(1, 2), keepdims=True)
    high = (maps >= threshold * top) & (top > 0)
    return jnp.where(high[owners], masks.astype(jnp.int32), 0).sum(axis=(1, 2)), top[:, 0, 0] <= 0


def _told(
    classes: tuple[str, ...], scenes: Scenes, places: list[int], squashed: list[Squashed], found: Any
) -> Iterator[dict[str, Any]]:
    """The lines of a batch, read from the device."""
    under, empty = jax.device_get(found)
    first = 0
    for row, (place, (names, masks)) in enumerate(zip(places, squashed, strict=True)):
        shares = {
            name: round(int(part) / int(mask.sum(dtype=np.int64)), 6)
            for name, part, mask in zip(names, under[first:], masks, strict=False)
        }
        first += len(names)
        example = scenes.dataset[place]
        told = {"index": place, "path": str(example.path), "category": classes[example.label]}
        yield {**told, "objects": shares, "nothing": bool(empty[row])}
