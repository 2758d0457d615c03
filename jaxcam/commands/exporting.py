"""`jaxcam export`: a network and its maps as one file."""

from functools import partial
from pathlib import Path
from typing import Literal


def export(
    *,
    out: Path,
    checkpoint: str = "tiny_imagenet",
    method: str = "cam",
    stage: str | None = None,
    top: int | None = None,
    threshold: float | None = None,
    photo_size: tuple[int, int] | None = None,
    batch_size: int | None = None,
    platforms: tuple[Literal["cpu", "cuda", "rocm", "tpu"], ...] = ("cpu", "cuda", "tpu"),
) -> int:
    """Write one file that JAX alone can run: from photos to their top classes, maps and boxes.

    Args:
        out: the file, such as cat.jaxcam.
        checkpoint: a bundled name, or a folder (with a separator: ./mine).
        method: of the maps, one of those that `jaxcam methods` lists.
        stage: of the network, that the method looks at; by default the last one with cells.
        top: number of classes; 5 by default, or all where there are fewer.
        threshold: share of a map's maximum above which a pixel belongs to its box; the checkpoint's own by default.
        photo_size: height and width of the photos; what the checkpoint's network takes by default.
        batch_size: number of photos at a time; any by default.
        platforms: that the file is to run on.
    """
    from jaxcam.checkpoints import load
    from jaxcam.explanation import answers
    from jaxcam.exporting import export as write
    from jaxcam.methods.table import find_method

    map_method = find_method(method, stage=stage)
    staged = map_method if stage is None else partial(map_method, stage=stage)
    function = partial(answers, top=top, threshold=threshold, method=None if method == "cam" else staged)
    write(load(checkpoint), function, out=out, photo_size=photo_size, batch_size=batch_size, platforms=platforms)
    print(f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB)")
    return 0
