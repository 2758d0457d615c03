"""How an evaluation makes maps and boxes: what its figures must be reported with."""

from dataclasses import dataclass, replace

from jaxcam.forward import whole_lengths
from jaxcam.methods.table import find_method
from jaxcam.metrics import FRAME
from jaxcam.params import Params

# Option of the protocol -> what it may be.
CHOICES = {
    "views": ("single", "ten_crop"),
    "rule": ("paper", "release", "wsol"),
    "box_grid": ("network", "image"),
}


@dataclass(frozen=True)
class Protocol:
    """The way from an image to maps and boxes.

    Attributes:
        method: of the maps, a name of `jaxcam.methods.table.METHODS`: "cam", "grad_cam", "saliency" (the paper's
            Backprop) ...
        views: "single", the squashed image; or "ten_crop", maps merged from ten crops of the image squashed a little
            larger, as in the authors' released code.
        rule: of the boxes: "paper", "release" (its five boxes as the guesses), or "wsol", whose grid is 224 x 224.
        box_grid: "network": the map is boxed on the grid of the squashed image, and the corners scaled; "image": on the
            image file's own pixels, as the paper did.
        image_size: (height, width) of the network's images in place of the card's.
        stage: that the method looks at; None for its own.

    Raises:
        ValueError: for an unknown choice, or choices that do not go together.

    >>> Protocol(rule="wsol").views
    'single'
    """

    method: str = "cam"
    views: str = "single"
    rule: str = "paper"
    box_grid: str = "network"
    image_size: tuple[int, int] | None = None
    stage: str | None = None

    def __post_init__(self):
        for option, known in CHOICES.items():
            if getattr(self, option) not in known:
                raise ValueError(f"{option}: got {getattr(self, option)!r}; use {' or '.join(known)}")
        find_method(self.method, stage=self.stage)
        if self.image_size is not None and whole_lengths(self.image_size, 2) is None:
            raise ValueError(f"image_size: got {self.image_size!r}; give (height, width) of at least 1")
        if self.views == "ten_crop" and self.method != "cam":
            raise ValueError(f"views: got ten_crop with method {self.method}; ten crops are merged of class maps, cam")
        if self.rule == "wsol" and self.box_grid != "network":
            raise ValueError("box_grid: got image with rule wsol, which has a grid of its own, 224 x 224; leave it out")

    def settle(self, params: Params) -> Params:
        """The params with the image size of the protocol, if it has one."""
        if self.image_size is None:
            return params
        return params.replace(card=replace(params.card, image_size=self.image_size))

    def canvas(self, image_size: tuple[int, ...]) -> tuple[int, ...]:
        """Size that images are squashed to, for a network's: 8/7 of it for ten crops, but 256 from 224 to 256."""
        if self.views == "single":
            return image_size
        return tuple(256 if 224 <= length <= 256 else round(length * 8 / 7) for length in image_size)

    def grid(self, image_size: tuple[int, ...]) -> tuple[int, ...] | None:
        """Size that maps are boxed at; None where it is each image file's own."""
        if self.box_grid == "image":
            return None
        return FRAME if self.rule == "wsol" else self.canvas(image_size)

    @property
    def upsample(self) -> str:
        """How maps are resized to that size."""
        if self.rule == "wsol":
            return "bicubic"
        return "catmull_rom" if self.views == "ten_crop" else "bilinear"

    @property
    def antialias(self) -> bool:
        """Whether the kernel is widened where maps shrink: class maps of cells hardly ever do."""
        return self.rule != "wsol" and (self.views == "ten_crop" or find_method(self.method).on_pixels)
