"""Pages that show what `find_scene_objects` found: a scene category each."""

import os
import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from PIL import Image
from tqdm import tqdm

from jaxcam.applications.scene_counts import SceneObjects
from jaxcam.applications.scene_objects import scene_maps
from jaxcam.datasets.scenes import Scenes
from jaxcam.geometry import resize_matrix
from jaxcam.image_files import read_image, resize_image
from jaxcam.params import Params
from jaxcam.report.scene_sheet import ScenePhoto, save_scene_sheet

SIDE = 480  # pixels of a shown photo's longer side


def save_scene_sheets(
    params: Params,
    scenes: Scenes,
    found: SceneObjects,
    folder: str | os.PathLike[str],
    *,
    pictures: int = 3,
    top: int = 6,
    progress: bool = True,
) -> list[str]:
    """Write `<scene category>.png`: its objects, and photos of it with heatmap and outlines.

    Args:
        params: that the SVM's features are from.
        scenes: that `find_scene_objects` was given.
        found: what it returned.
        folder: for the files.
        pictures: photos a category, evenly spaced over those of it.
        top: how many objects a category.
        progress: show it on stderr.

    Returns:
        The files' names.
    """
    files = _file_names(found.categories)
    for category, name in zip(tqdm(found.categories, "sheets", disable=not progress), files, strict=True):
        photos = found.photos(category)
        objects = [count for count in found.objects(category)[:top] if count.overlapping]
        save_scene_sheet(
            Path(folder, name),
            _shown(params, scenes, found, category, {count.name for count in objects}, pictures),
            title=category,
            subtitle=f"{photos} photos; an object overlaps with at least {found.overlap:g} of its pixels",
            overlapping=[(count.name, 100 * count.overlapping / photos) for count in objects],
            frequent=[(count.name, 100 * count.photos / photos) for count in found.frequent(category)[:top]],
            threshold=found.threshold,
        )
    return files


def _file_names(categories):
    """One for each category, also where they differ only in what no file name has, or in case.

    >>> _file_names(("church/indoor", "church_indoor", "street"))
    ['church_indoor.png', 'church_indoor-2.png', 'street.png']
    """
    names: list[str] = []
    for category in categories:
        stem = re.sub(r"[^\w.-]+", "_", category).lstrip(".") or "scene"
        name, number = stem, 1
        while f"{name}.png".casefold() in map(str.casefold, names):
            number += 1
            name = f"{stem}-{number}"
        names.append(f"{name}.png")
    return names


def _shown(params, scenes, found, category, names, pictures):
    """Photos of a category, with its maps and the masks of the objects of these names."""
    of_it = [index for index, line in enumerate(found.lines) if line["category"] == category]
    count = min(pictures, len(of_it))
    chosen = [of_it[(2 * part + 1) * len(of_it) // (2 * count)] for part in range(count)]
    if not chosen:
        return []
    card = params.card
    how = card.preprocessing.interpolation
    files = [read_image(scenes.dataset[index].path) for index in chosen]
    images = np.zeros((pictures, *card.image_size, 3), np.uint8)
    images[:count] = [resize_image(file, card.image_size, interpolation=how) for file in files]
    label = scenes.dataset.classes.index(category)
    columns = np.full(pictures, np.searchsorted(found.svm.classes, label), np.int32)
    maps = np.asarray(scene_maps(params, images, jnp.asarray(found.svm.kernel, jnp.float32), columns))
    shown = []
    for index, file, squashed in zip(chosen, files, maps, strict=False):
        scale = min(1.0, SIDE / max(file.shape[:2]))
        height, width = (max(1, round(length * scale)) for length in file.shape[:2])
        rows, across = (resize_matrix(*sides) for sides in zip(squashed.shape, (height, width), strict=True))
        masks = scenes.objects[index].masks(file.shape[:2])
        objects = {name: _resized(mask, (width, height)) for name, mask in masks if name in names}
        photo = resize_image(file, (height, width))
        shown.append(ScenePhoto(photo, (rows @ squashed @ across.T).astype(np.float32), objects))
    return shown


def _resized(mask, size):
    return np.array(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
