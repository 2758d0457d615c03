"""jaxcam.datasets.masks against OpenCV: masks of several sizes and kinds; what is ignored; mistakes."""

import numpy as np
import pytest
from PIL import Image

from jaxcam.datasets import Example, truth_mask, wsol
from jaxcam.image_files import read_mask
from tests.made_data import make_wsol_masks
from tests.reference import wsol as reference


def blobs(rng, height, width):
    """Noise of some pixels' grain, a third of it set."""
    grain = rng.random((height // 3 + 1, width // 3 + 1)) < 1 / 3
    return np.kron(grain, np.ones((3, 3), bool))[:height, :width]


@pytest.mark.core
@pytest.mark.parametrize("size", [(224, 224), (50, 97)])
def test_equals_the_benchmark(tmp_path, size):
    """Files smaller and larger than the frame, of sizes where rounding matters, with an instance of another size."""
    rng = np.random.default_rng(0)
    for height, width in ((36, 58), (375, 500), (72, 1023), (1, 1), (224, 224)):
        shapes = ((height, width), (2 * height + 1, width), (height, width + 3))
        paths = [tmp_path / f"{number}.png" for number in range(3)]
        for path, shape in zip(paths, shapes, strict=True):
            Image.fromarray(blobs(rng, *shape)).save(path)
        found = truth_mask(Example(tmp_path / "a.jpg", 0, masks=tuple(paths[:2]), ignored=paths[2]), size=size)
        np.testing.assert_array_equal(found, reference.truth(paths[:2], paths[2], size[::-1]))
        assert found.dtype == np.uint8


def test_the_object_is_not_ignored(tmp_path):
    example = wsol(make_wsol_masks(tmp_path), split="val", masks=tmp_path / "masks")[3]
    expected = np.zeros((60, 80), np.uint8)
    expected[20:, 30:] = 255
    expected[30:, 40:] = expected[:10, 3:13] = 1
    np.testing.assert_array_equal(truth_mask(example, size=(60, 80)), expected)
    alone = Example(example.path, 0, masks=example.masks)
    np.testing.assert_array_equal(truth_mask(alone, size=(60, 80)), expected == 1)


def test_a_mask_in_any_kind_of_file(tmp_path):
    """One bit, 8 bits, 16 bits, a palette and colours, with transparent pixels and without."""
    shown = np.array([[False, True, True], [False, False, True]])
    palette = Image.fromarray(np.where(shown, 1, 0).astype(np.uint8), "P")
    palette.putpalette([0, 0, 0, 128, 0, 0])
    grey = Image.fromarray(np.where(shown, 200, 0).astype(np.uint8))
    transparent = grey.copy()
    transparent.putalpha(0)
    kinds = [Image.fromarray(shown), grey, palette, grey.convert("RGB"), transparent]
    for kind in [*kinds, Image.fromarray(np.where(shown, 65535, 0).astype(np.uint16))]:
        kind.save(tmp_path / "mask.png")
        np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), shown)
    palette.save(tmp_path / "mask.png", transparency=0)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), shown)


def test_what_cannot_be_read_is_named(tmp_path):
    example = wsol(make_wsol_masks(tmp_path), split="val", masks=tmp_path / "masks")[0]
    whole = example.ignored.read_bytes()
    example.ignored.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"0_ignored\.png: cannot be read: "):
        truth_mask(example)
    example.masks[1].unlink()
    with pytest.raises(ValueError, match=r"0_two\.png: cannot be read: no such file"):
        truth_mask(example)
    with pytest.raises(ValueError, match=r"size: got \(0, 4\)"):
        truth_mask(example, size=(0, 4))
