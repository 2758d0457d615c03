"""`jaxcam explain`: photos."""

from pathlib import Path
from typing import Annotated

import tyro


def explain(
    photos: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="[PHOTO ...]")] = (),
    *,
    checkpoint: str = "tiny_imagenet",
    method: str = "cam",
    stage: str | None = None,
    top: int | None = None,
    label: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME|INDEX")] = (),
    threshold: float | None = None,
    save_maps: bool = False,
    out: Path = Path("out"),
) -> int:
    """Show where a network sees its classes in photos: a PNG each, and one JSON.

    Args:
        photos: image files; without any, a bundled photo of a cat.
        checkpoint: a bundled name, or a folder (with a separator: ./mine).
        method: of the maps, one of those that `jaxcam methods` lists.
        stage: of the network, that the method looks at; by default the last one with cells.
        top: number of classes to show, the most probable first; 5 by default, or all where there are fewer.
        label: a class to show instead of the top ones, by name or index; may be given several times.
        threshold: share of a map's maximum above which a pixel belongs to its box; the checkpoint's own by default.
        save_maps: write the raw maps too, as <photo>.npy (classes, height, width).
        out: folder for the results. Of the files there only those of an earlier call are replaced.
    """
    from skimage import data

    from jaxcam.checkpoints import load
    from jaxcam.photo_reports import explain_photos, find_label

    out.mkdir(parents=True, exist_ok=True)
    params = load(checkpoint)
    unreadable = explain_photos(
        params,
        photos or (Path(data.__file__).with_name("chelsea.png"),),
        out,
        checkpoint=checkpoint,
        method=method,
        stage=stage,
        top=top,
        labels=[find_label(params.card, wanted) for wanted in label],
        threshold=threshold,
        save_maps=save_maps,
    )
    return 1 if unreadable else 0
