"""Greyscale files of more than 8 bits, made here: the high byte of 12 and 16, and of 32 only where it is certain."""

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from jaxcam.image_files import read_image

RAMP = np.linspace(0, 65535, 60 * 90).astype(np.uint16).reshape(60, 90)
DARK = RAMP >> 8
WIDE = RAMP.astype(np.int32)


def encode(levels, kind):
    buffer = BytesIO()
    Image.fromarray(levels).save(buffer, kind)
    return buffer.getvalue()


def tiff(levels, bits, data, *, signed=False):
    """One of a kind that Pillow reads but does not write."""
    (height, width), start = levels.shape, 8
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, 1), (273, start), (277, 1), (278, height)]
    tags += [(279, len(data)), (339, 2 if signed else 1)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", start + len(data)) + data + struct.pack("<H", len(tags)) + entries + b"\0" * 4


def twelve_bits(levels):
    """Two levels in three bytes."""
    first, second = levels.ravel()[::2].astype(int), levels.ravel()[1::2].astype(int)
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], 1).astype(np.uint8)
    return tiff(levels, 12, packed.tobytes())


def pgm(levels):
    return b"P5 90 60 65535\n" + levels.astype(">u2").tobytes()


@pytest.mark.parametrize(
    "contents, levels",
    [
        (encode(RAMP, "PNG"), RAMP),
        (encode(RAMP, "TIFF"), RAMP),
        (encode(RAMP.astype(">u2"), "TIFF"), RAMP),
        (pgm(RAMP), RAMP),
        (twelve_bits(RAMP >> 4), RAMP),
        (encode(WIDE, "TIFF"), RAMP),
        (tiff(RAMP, 16, (RAMP >> 1).tobytes(), signed=True), RAMP >> 1),
        (encode(DARK, "PNG"), DARK),
        (encode(DARK, "TIFF"), DARK),
        (pgm(DARK), DARK),
        (encode(0 * WIDE, "TIFF"), 0 * RAMP),
    ],
    ids=[
        *("png", "tiff", "big-endian tiff", "pgm", "12-bit tiff", "32-bit tiff", "signed tiff"),
        *("dark png", "dark tiff", "dark pgm", "black 32-bit tiff"),
    ],
)
def test_the_high_byte(contents, levels):
    image = read_image(contents)
    np.testing.assert_array_equal(image, np.repeat((levels >> 8)[..., None], 3, axis=2))


@pytest.mark.core
@pytest.mark.parametrize(
    "contents, reason",
    [
        (encode(DARK.astype(np.int32), "TIFF"), "from 0 to 255, those of 8 bits or dark ones of 16; save it"),
        (encode(WIDE - 1, "TIFF"), "from -1 to 65534; save it with 8 or 16 bits"),
        (encode(WIDE + 1, "TIFF"), "from 1 to 65536; save it with 8 or 16 bits"),
        (tiff(RAMP, 16, (RAMP ^ 0x8000).tobytes(), signed=True), "from -32768 to 32767; save it with 8 or 16 bits"),
    ],
    ids=["of 8 bits", "below black", "above white", "signed"],
)
def test_levels_without_a_white(contents, reason):
    """They would be all black, or clipped, and nobody would know."""
    with pytest.raises(ValueError, match=f"cannot be read: it has grey levels {reason}"):
        read_image(contents)
