"""The card: what of a network's inputs and classes changes the computation or its reading."""

from dataclasses import dataclass, field

from jaxcam.geometry import METHODS


@dataclass(frozen=True)
class Preprocessing:
    """How an image in [0, 1] becomes the network's input: resized, then (scale * image - mean) / std.

    Attributes:
        interpolation: "bilinear", "bicubic" or "catmull_rom" (see `jaxcam.geometry.resize_matrix`).
        antialias: filter when shrinking, as Pillow does.
        scale: 1 for networks fed [0, 1], 255 for Caffe's.
        mean: one value a channel, in the network's channel order; one value serves all.
        std: likewise.
        channel_order: "RGB" or "BGR".

    >>> Preprocessing(scale=255.0, mean=(104.0, 117.0, 123.0), std=(1.0,), channel_order="BGR").scale  # Caffe's
    255.0
    """

    interpolation: str = "bilinear"
    antialias: bool = True
    scale: float = 1.0
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    channel_order: str = "RGB"

    def __post_init__(self):
        if self.interpolation not in METHODS:
            raise ValueError(f"interpolation: got {self.interpolation!r}; use one of {', '.join(METHODS)}")
        if self.channel_order not in ("RGB", "BGR"):
            raise ValueError(f"channel_order: got {self.channel_order!r}; use RGB or BGR")


IMAGENET = Preprocessing()  # torchvision's and timm's
IMAGENET_BICUBIC = Preprocessing(interpolation="catmull_rom")  # Pillow's bicubic
SYMMETRIC = Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))  # to [-1, 1]: Inception's
CAFFE = Preprocessing(scale=255.0, mean=(104.0, 117.0, 123.0), std=(1.0,), channel_order="BGR")


@dataclass(frozen=True)
class Card:
    """What changes the computation or its reading, and nothing else.

    Attributes:
        classes: a readable name a class, in the order of the logits.
        class_ids: their WordNet ids, or empty.
        image_size: (height, width) that images are squashed to; its length is the spatial rank.
        channels: channels of an image.
        preprocessing: see `Preprocessing`.
        threshold: share of a map's maximum above which a cell belongs to the box.

    >>> Card(classes=("cat", "dog"), image_size=(64, 64)).threshold
    0.2
    """

    classes: tuple[str, ...] = ()
    class_ids: tuple[str, ...] = ()
    image_size: tuple[int, ...] = (224, 224)
    channels: int = 3
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    threshold: float = 0.2

    def __post_init__(self):
        if self.class_ids and len(self.class_ids) != len(self.classes):
            raise ValueError(f"class_ids: got {len(self.class_ids)} for {len(self.classes)} classes; give one a class")
        if not self.image_size or min(self.image_size) < 1:
            raise ValueError(f"image_size: got {self.image_size}; give lengths of at least 1")
