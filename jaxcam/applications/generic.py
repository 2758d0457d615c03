"""How good a network's features are for other data sets: linear SVMs on them.

Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, arXiv 1512.04150, section 3.3.
"""

import os
from functools import partial
from typing import Any

from jaxcam.applications.feature_files import StoredFeatures, write_features
from jaxcam.applications.pooled import feature_rows, layer_width
from jaxcam.applications.pools import Pool
from jaxcam.checkpoints import checkpoint_hash, describe
from jaxcam.datasets import inspect
from jaxcam.evaluation.origin import origin
from jaxcam.params import Params


def extract_features(
    params: Params,
    pool: Pool,
    out: str | os.PathLike[str],
    *,
    checkpoint: str,
    name: str = "",
    layer: str = "gap",
    batch_size: int = 64,
    on_error: str = "stop",
    progress: bool = True,
) -> StoredFeatures:
    """Write a layer's features of every image of a data set; interrupted, the same call goes on.

    f_k = mean over (x, y) of f_k(x, y), for the layers "gap" and "average_pool".

    Args:
        params: a network's.
        pool: the images.
        out: folder for `features.npy` and `features.json`.
        checkpoint: that the params are from.
        name: of the data set.
        layer: "gap", "average_pool" or "fc7"; see `jaxcam.applications.pooled.layer_width`.
        batch_size: images a step.
        on_error: "stop" at an image that cannot be read, or "skip" it: its features are NaN.
        progress: show it on stderr.

    Returns:
        The features, as `jaxcam.applications.feature_files.read_features` reads them.

    Raises:
        ValueError: for a network without such a layer, an unreadable image that is not to be skipped, or a folder with
            features of another kind.
    """
    width = layer_width(params, layer)
    if not len(pool.dataset):
        raise ValueError("dataset: got no images")
    findings = inspect(pool.dataset, progress=progress)
    if findings.unreadable and on_error == "stop":
        raise ValueError(f"{findings}; --on-error skip leaves out what cannot be read")
    about: dict[str, Any] = {"dataset": name, "layer": layer, "image_size": list(params.card.image_size)}
    about |= {"checkpoint_sha256": checkpoint_hash(checkpoint), "network": describe(checkpoint)["network"]}
    about |= {"checkpoint": checkpoint}
    how: dict[str, Any] = {"batch_size": batch_size, "on_error": on_error, "progress": progress}
    return write_features(
        out, pool, width, partial(feature_rows, params, layer=layer, **how), about=about, further=origin()
    )
