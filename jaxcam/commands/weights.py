"""`jaxcam import-weights`: a checkpoint from other libraries' files."""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from jaxcam.training.recipes import parse_options


def import_with(arguments: Sequence[str]) -> Callable[..., int]:
    """The command `import-weights`; the arguments go into the checkpoint's record."""

    def import_weights(
        source: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FILE|MODEL")],
        *,
        network: str,
        out: Path,
        origin: str | None = None,
        classes: Path | None = None,
        num_classes: int | None = None,
        options: tuple[str, ...] = (),
        overwrite: bool = False,
    ) -> int:
        """Make a checkpoint of weights from torchvision, timm or Caffe.

        Args:
            source: a .safetensors, .pth or .caffemodel file, or a model of timm's on the Hub (timm/resnet50.a1_in1k).
            network: a name that `jaxcam networks` lists.
            out: folder of the checkpoint.
            origin: torchvision, timm or caffe, where the file does not tell.
            classes: a file with a name a line, or "WordNet id<TAB>name"; by default ILSVRC's for 1000 classes and
                Places205's for 205.
            num_classes: another number of classes than the file's makes a fresh classifier, to be trained.
            options: of the network, as "name=value"; a value is JSON or a plain word.
            overwrite: replace an existing checkpoint.
        """
        from jaxcam.weights.checkpoint import make_checkpoint, summarize

        record = {"command": shlex.join(["jaxcam", *arguments])}
        given: dict[str, Any] = {"origin": origin, "classes": classes, "num_classes": num_classes}
        given |= {"options": parse_options(options), "overwrite": overwrite, "record": record}
        params, report = make_checkpoint(source, network, out, **given)
        print(summarize(params, report, out))
        return 0

    return import_weights
