"""Made sets of TensorFlow Datasets, prepared without TensorFlow from data sets in other layouts."""

from typing import ClassVar

import tensorflow_datasets as tfds


class Made(tfds.core.GeneratorBasedBuilder):
    """What its split generators yield is set before it is prepared: split -> rows."""

    VERSION = tfds.core.Version("1.2.0")
    code_path = None  # where checksums of downloads would lie; finding it needs importlib_resources
    rows: ClassVar = {}
    features: ClassVar = {}

    def _info(self):
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(self.features))

    def _split_generators(self, dl_manager):
        return {split: enumerate(rows) for split, rows in self.rows.items()}

    def _generate_examples(self):
        """Not needed: the splits come as rows."""


class MadeBirds(Made):
    """Like caltech_birds2011: classes without names, one normalised box an image."""

    features: ClassVar = {
        "image": tfds.features.Image(),
        "image/filename": tfds.features.Text(),
        "label": tfds.features.ClassLabel(num_classes=3),
        "bbox": tfds.features.BBoxFeature(),
    }


class MadeObjects(Made):
    """Like stanford_dogs: a list of objects an image."""

    features: ClassVar = {
        "image": tfds.features.Image(),
        "label": tfds.features.ClassLabel(names=["ant", "bee", "cat"]),
        "objects": tfds.features.Sequence({"bbox": tfds.features.BBoxFeature()}),
    }


class MadeImagenet(Made):
    """Like imagenet2012: WordNet ids, here out of order; file names; no boxes; test images without labels."""

    features: ClassVar = {
        "image": tfds.features.Image(encoding_format="jpeg"),
        "file_name": tfds.features.Text(),
        "label": tfds.features.ClassLabel(names=["n02012849", "n01443537", "n01440764"]),
    }


class MadeSounds(Made):
    """No images at all."""

    features: ClassVar = {"sound": tfds.features.Text(), "label": tfds.features.ClassLabel(num_classes=2)}


def normalized(box, size=(60, 80)):
    """A half-open box of pixels as TFDS has it."""
    (height, width), (x0, y0, x1, y1) = size, box
    return tfds.features.BBox(ymin=y0 / height, xmin=x0 / width, ymax=y1 / height, xmax=x1 / width)


def prepare(builder, data_dir, **rows):
    """Write splits as ArrayRecord."""
    builder.rows = rows
    builder(data_dir=data_dir, file_format="array_record").download_and_prepare()
