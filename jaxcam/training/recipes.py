"""Recipes: how to train, as values, by name and by data set."""

from typing import NamedTuple

from jaxcam.training.recipe import Recipe, parse_options

__all__ = [
    "CUB",
    "FOLDER",
    "HEAD",
    "ILSVRC_RELEASE",
    "MODERN",
    "PRESETS",
    "RECIPES",
    "TINY_IMAGENET",
    "Preset",
    "Recipe",
    "find_recipe",
    "parse_options",
]

ILSVRC_RELEASE = Recipe(
    network="googlenet_gap",
    options=("cam_groups=2",),
    load_size=256,
    crop="placed",
    epochs=8.0,  # 159,986 steps of the 1,281,167 images less those held out; theirs are at most 160,000
    batch_size=64,
    optimizer="caffe",
    learning_rate=0.001,
    schedule="steps",
    warmup_epochs=0.0,
    bias_rate=2.0,
    label_smoothing=0.0,
    ema=0.0,
    holdout=0.001,
)

HEAD = Recipe(
    network="vgg16_gap",
    load_size=256,
    crop="placed",
    epochs=3.0,
    batch_size=128,
    learning_rate=0.02,
    warmup_epochs=0.1,
    body_rate=0.0,
    label_smoothing=0.0,
)

CUB = Recipe(
    network="resnet50",
    load_size=256,
    crop="placed",
    epochs=50.0,
    batch_size=32,
    learning_rate=0.01,
    weight_decay=1e-4,
    body_rate=0.1,
    label_smoothing=0.0,
)

TINY_IMAGENET = Recipe(
    network="resnet18",
    options=("width=48", "stem=small", "strides=[2,1,2,1]"),
    image_size=72,
    load_size=64,
    crop_size=48,
    attention_dropout=0.75,
    epochs=10.0,
    schedule="flat",
    cooldown=0.5,
    holdout=0.1,
)

FOLDER = Recipe(learning_rate=0.01, batch_size=32, epochs=10.0, ema=0.99)

MODERN = Recipe(
    network="resnet50",
    crop_size=176,
    trivial_augment=True,
    mixup=0.2,
    cutmix=1.0,
    epochs=100.0,
    batch_size=256,
    learning_rate=0.125,
    warmup_epochs=5.0,
    weight_decay=5e-5,
    ema=0.9998,
    bfloat16=True,
    holdout=0.005,
)


class Preset(NamedTuple):
    """A recipe with a name.

    Attributes:
        recipe: its values.
        about: what it is for, what it is expected to reach, and where that was measured.
    """

    recipe: Recipe
    about: str


# What `--recipe` chooses from.
PRESETS = {
    "release": Preset(
        ILSVRC_RELEASE,
        "the solver of the authors' release, over a plain network's weights. Expected of googlenet_gap: the paper's "
        "top-1 Loc error of 56.40% and top-5 of 43.00% (arXiv 1512.04150); not measured yet",
    ),
    "head": Preset(
        HEAD,
        "the head of a GAP network over the body of a plain one, which stays as it is. Nothing published to expect; "
        "not measured yet",
    ),
    "cub": Preset(
        CUB,
        "birds, from ImageNet's weights, the head ten times as fast as the body. Expected of resnet50: about the 63.0% "
        "MaxBoxAccV2 of the WSOL benchmark's CAM (arXiv 2001.07437), trained much alike; not measured yet",
    ),
    "tiny_imagenet": Preset(
        TINY_IMAGENET,
        "a small network in hours on two cores. As the second run of scripts/reproduce_tiny_imagenet.py: top-1 "
        "accuracy 54.60%, top-1 Loc 37.23% (checkpoints/README.md); from fresh weights not measured yet",
    ),
    "folder": Preset(FOLDER, "one's own photos, from a bundled or imported checkpoint. Not measured yet"),
    "modern": Preset(
        MODERN,
        "networks like resnet50 from fresh weights. torchvision reached 80.86% top-1 with the like in 600 epochs, six "
        "times as many (V. Vryniotis, pytorch.org, 2021), so less is expected; not measured yet",
    ),
}

# By the layout of a data set, as `jaxcam.datasets.DATASETS` names it: what is chosen without `--recipe`.
RECIPES = {
    "ilsvrc": ILSVRC_RELEASE,
    "cub": CUB,
    "tiny_imagenet": TINY_IMAGENET,
    "wsol": FOLDER,
    "folder": FOLDER,
    "tfds:NAME": FOLDER,
    "packed": FOLDER,
}


def find_recipe(dataset: str, name: str | None = None) -> Recipe:
    """The recipe of a name, or without one that of a data set; of an unknown data set, the plain one.

    Args:
        dataset: as the command line has it: "cub", "tfds:caltech_birds2011".
        name: one of `PRESETS`.

    Raises:
        ValueError: for another name.

    >>> find_recipe("cub").epochs, find_recipe("tfds:mnist") == FOLDER, find_recipe("cub", "modern").epochs
    (50.0, True, 100.0)
    """
    if name is None:
        kind, colon, _ = dataset.partition(":")
        return RECIPES.get(f"{kind}:NAME" if colon else kind, Recipe())
    if name not in PRESETS:
        raise ValueError(f"recipe: got {name!r}; known are {', '.join(PRESETS)}")
    return PRESETS[name].recipe
