"""Image files of every kind, made here, against Pillow and plain NumPy."""

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from jaxcam.geometry import resize_matrix
from jaxcam.image_files import read_image, read_size, resize_image

PHOTO = data.chelsea()[100:160, 90:180]  # 60 x 90
GREY = np.asarray(Image.fromarray(PHOTO).convert("L"))
LEVEL = int(np.median(GREY))
RAMP = np.linspace(0, 65535, 60 * 90).astype(np.uint16).reshape(60, 90)


def encode(image, kind, **options):
    buffer = BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pillow(contents):
    with Image.open(BytesIO(contents)) as image:
        return np.asarray(image.convert("RGB"))


def three(grey):
    return np.repeat(grey[..., None], 3, axis=2)


def over_white(colours, alpha):
    share = alpha[..., None].astype(float) / 255
    return share * colours + (1 - share) * 255


def palette(image):
    """Pillow's palette image and the colours it stands for."""
    indexed = Image.fromarray(image).quantize(16)
    return indexed, np.asarray(indexed.convert("RGB"))


def transparent_palette():
    indexed, colours = palette(PHOTO)
    alpha = np.where(np.asarray(indexed) == 3, 0, 255)
    return encode(indexed, "PNG", transparency=3), over_white(colours, alpha)


def animation():
    frames = [Image.fromarray(np.full((8, 9, 3), level, np.uint8)) for level in (40, 200)]
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:]), np.full((8, 9, 3), 40)


def without_adobe(contents):
    """A CMYK JPEG without Adobe's marker, which says that inks are stored inverted."""
    start = contents.index(b"\xff\xee")
    return contents[:start] + contents[start + 2 + int.from_bytes(contents[start + 2 : start + 4], "big") :]


ALPHA = np.tile(np.linspace(0, 255, 90).astype(np.uint8), (60, 1))
INKS = Image.fromarray(PHOTO).convert("CMYK")
INVERTED_INKS = INKS.point(lambda ink: 255 - ink)
CASES = {
    "png": (encode(PHOTO, "PNG"), PHOTO, 0),
    "bmp": (encode(PHOTO, "BMP"), PHOTO, 0),
    "webp": (encode(PHOTO, "WEBP", lossless=True), PHOTO, 0),
    "grey png": (encode(GREY, "PNG"), three(GREY), 0),
    "grey jpeg": (encode(GREY, "JPEG", quality=95), three(GREY), 12),
    "colour jpeg": (encode(PHOTO, "JPEG", quality=95, subsampling=0), PHOTO, 16),
    "rgba": (encode(np.dstack([PHOTO, ALPHA]), "PNG"), over_white(PHOTO, ALPHA), 1),
    "la": (encode(np.dstack([GREY, ALPHA]), "PNG"), over_white(three(GREY), ALPHA), 1),
    "palette": (encode(palette(PHOTO)[0], "PNG"), palette(PHOTO)[1], 0),
    "palette with transparency": (*transparent_palette(), 0),
    "transparent level": (encode(GREY, "PNG", transparency=LEVEL), three(np.where(GREY == LEVEL, 255, GREY)), 0),
    "1 bit": (encode(Image.fromarray(GREY > 100), "PNG"), three(255 * (GREY > 100)), 0),
    "16-bit png": (encode(RAMP, "PNG"), three(RAMP / 257), 1),
    "cmyk jpeg of adobe": (encode(INKS, "JPEG", quality=100), PHOTO, 16),
    "cmyk jpeg, inks as they are": (without_adobe(encode(INVERTED_INKS, "JPEG", quality=100)), PHOTO, 16),
    "animation": (*animation(), 0),
    "one pixel": (encode(np.full((1, 1, 3), 77, np.uint8), "PNG"), np.full((1, 1, 3), 77), 0),
    "one pixel jpeg": (encode(np.full((1, 1, 3), 77, np.uint8), "JPEG"), np.full((1, 1, 3), 77), 2),
}

# EXIF orientation -> the picture as it is meant, from the pixels as stored.
UPRIGHT = {
    1: lambda image: image,
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image, 2).transpose(1, 0, 2),
    8: np.rot90,
}


@pytest.mark.core
@pytest.mark.parametrize("kind", CASES)
def test_every_kind_becomes_rgb(kind):
    contents, expected, tolerance = CASES[kind]
    image = read_image(contents)
    assert (image.dtype, image.shape) == (np.uint8, expected.shape)
    assert np.abs(image - expected.astype(float)).max() <= tolerance
    assert read_size(contents) == expected.shape[:2]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_the_fast_way_equals_pillow(options, tmp_path):
    contents = encode(PHOTO, "JPEG", **options)
    (tmp_path / "photo.jpg").write_bytes(contents)
    for source in (contents, tmp_path / "photo.jpg", str(tmp_path / "photo.jpg")):
        np.testing.assert_array_equal(read_image(source), pillow(contents))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    contents = encode(PHOTO, kind, exif=exif)
    stored = pillow(contents)
    expected = UPRIGHT[orientation](stored)
    np.testing.assert_array_equal(read_image(contents), stored)
    np.testing.assert_array_equal(read_image(contents, orient=True), expected)
    assert read_size(contents) == stored.shape[:2]
    assert read_size(contents, orient=True) == expected.shape[:2]
    small = read_image(contents, orient=True, max_side=45)
    assert small.shape == ((45, 30, 3) if orientation >= 5 else (30, 45, 3))


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_oriented_tiff(orientation):
    contents = encode(PHOTO, "TIFF", tiffinfo={0x0112: orientation})
    expected = UPRIGHT[orientation](PHOTO)
    np.testing.assert_array_equal(read_image(contents, orient=True), expected)
    assert read_size(contents, orient=True) == expected.shape[:2]


def test_a_broken_exif_block_is_passed_over():
    exif = Image.Exif()
    exif[0x0112] = 6
    contents = encode(PHOTO, "JPEG", exif=exif)
    entry = struct.Struct(">HHIHH")
    no_tiff = contents.replace(b"Exif\0\0MM", b"Exif\0\0XX")
    no_orientation = contents.replace(entry.pack(0x0112, 3, 1, 6, 0), entry.pack(0x0112, 3, 1, 99, 0))
    for broken in (no_tiff, no_orientation):
        assert broken != contents
        np.testing.assert_array_equal(read_image(broken, orient=True), pillow(contents))


@pytest.mark.parametrize(
    "max_side, expected", [(90, (60, 90)), (200, (60, 90)), (45, (30, 45)), (7, (5, 7)), (1, (1, 1))]
)
def test_max_side(max_side, expected):
    for kind in ("JPEG", "PNG"):
        contents = encode(PHOTO, kind)
        image = read_image(contents, max_side=max_side)
        assert image.shape[:2] == expected
        filtered = resize_image(pillow(contents), expected).astype(float)
        assert np.abs(image - filtered).mean() <= 2  # a JPEG decoded at a fraction is filtered a little otherwise
    assert read_image(encode(np.zeros((1, 500, 3), np.uint8), "PNG"), max_side=max_side).shape == (1, max_side, 3)


@pytest.mark.parametrize("kind, options", [("JPEG", {}), ("PNG", {"compress_level": 1})])
def test_fifty_megapixels(kind, options, monkeypatch):
    image = Image.new("L", (8192, 6144))
    image.paste(255, (4096, 0, 8192, 6144))
    contents = encode(image, kind, **options)
    image.close()
    decoded, decode = [], simplejpeg.decode_jpeg
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *a, **k: decoded.append(decode(*a, **k)) or decoded[-1])
    small = read_image(contents, max_side=1024)
    assert read_size(contents) == (6144, 8192)
    assert small.shape == (768, 1024, 3)
    assert (small[:, :511].max(), small[:, 513:].min()) == (0, 255)
    assert [array.shape for array in decoded] == ([(1536, 2048, 3)] if kind == "JPEG" else [])


def huge_png():
    """A small file that claims 40000 x 40000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 40000, 40000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + encode(PHOTO, "PNG")[33:]


def huge_jpeg():
    """The same, as 65000 x 65000."""
    contents = encode(PHOTO, "JPEG")
    place = contents.index(b"\xff\xc0") + 5
    return contents[:place] + struct.pack(">HH", 65000, 65000) + contents[place + 4 :]


BROKEN = {
    "empty.png": (b"", "empty"),
    "text.jpg": (b"This is no photo.", "no image"),
    "cut.jpg": (encode(PHOTO, "JPEG")[:1500], "truncated"),
    "head.jpg": (b"\xff\xd8\xff", "no image"),
    "cut.png": (encode(PHOTO, "PNG")[:1500], "truncated"),
    "float.tif": (encode(GREY.astype(np.float32), "TIFF"), "floating-point"),
    "huge.png": (huge_png(), "too many pixels"),
    "huge.jpg": (huge_jpeg(), "too many pixels"),
}


@pytest.mark.core
@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_named(name, tmp_path):
    contents, reason = BROKEN[name]
    (tmp_path / name).write_bytes(contents)
    with pytest.raises(ValueError, match=reason) as caught:
        read_image(tmp_path / name, orient=True, max_side=64)
    assert str(caught.value).startswith(f"{tmp_path / name}: cannot be read: ")
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(ValueError, match=f"image of {len(contents)} bytes: .*{reason}"):
        read_image(contents)


def test_a_huge_jpeg_is_not_even_decoded_at_a_fraction(monkeypatch):
    monkeypatch.setattr(simplejpeg, "decode_jpeg", None)
    with pytest.raises(ValueError, match="too many pixels"):
        read_image(huge_jpeg(), max_side=64)


@pytest.mark.parametrize("read", [read_image, read_size])
def test_missing_file_and_folder(read, tmp_path):
    with pytest.raises(ValueError, match=r"none\.jpg: cannot be read: no such file"):
        read(tmp_path / "none.jpg")
    with pytest.raises(ValueError, match="is a directory"):
        read(tmp_path)
    with pytest.raises(ValueError, match="no image"):
        read_size(b"text")


def test_a_stray_byte_is_forgiven():
    """simplejpeg refuses it, every viewer shows it."""
    contents = encode(PHOTO, "JPEG")
    place = contents.index(b"\xff\xdb")
    stray = contents[:place] + b"\x11\x22" + contents[place:]
    with pytest.raises(ValueError, match="extraneous"):
        simplejpeg.decode_jpeg(stray)
    np.testing.assert_array_equal(read_image(stray), pillow(contents))


@settings(max_examples=80, deadline=None)
@given(kind=st.sampled_from(["colour jpeg", "png", "palette", "16-bit png", "animation"]), data=st.data())
def test_damage_gives_an_image_or_a_value_error(kind, data):
    contents = bytearray(CASES[kind][0])
    for _ in range(data.draw(st.integers(0, 4))):
        contents[data.draw(st.integers(0, len(contents) - 1))] = data.draw(st.integers(0, 255))
    del contents[data.draw(st.integers(0, len(contents))) :]
    shape, message = (), ""
    try:
        shape = read_image(bytes(contents), orient=True, max_side=40).shape
    except ValueError as error:
        message = str(error)
    assert "cannot be read" in message or (len(shape) == 3 and max(shape[:2]) <= 40)


def test_many_threads_read_the_same():
    sources = [contents for contents, _, _ in CASES.values()] * 8
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(read_image, sources))
    for image, source in zip(together, sources, strict=True):
        np.testing.assert_array_equal(image, read_image(source))


@pytest.mark.parametrize("size", [(20, 20), (61, 33), (120, 200), (1, 1), (60, 7)])
@pytest.mark.parametrize("interpolation", ["bilinear", "catmull_rom"])
def test_resize_image_is_the_antialiased_matrix(size, interpolation):
    rows, columns = (resize_matrix(n, m, interpolation, antialias=True) for n, m in zip((60, 90), size, strict=True))
    expected = np.einsum("yh,hwc,xw->yxc", rows, PHOTO.astype(np.float64), columns).clip(0, 255)
    image = resize_image(PHOTO, size, interpolation=interpolation)
    assert image.dtype == np.uint8
    assert np.abs(image - expected).max() <= 1.51  # Pillow rounds after each of its two passes
    assert resize_image(PHOTO, (60, 90)) is PHOTO


def test_resize_image_errors():
    for image in (PHOTO.astype(np.float32), GREY, np.dstack([PHOTO, ALPHA])):
        with pytest.raises(ValueError, match=r"uint8 \(h, w, 3\)"):
            resize_image.__wrapped__(image, (5, 5))
    for size in ((0, 5), (5, -1)):
        with pytest.raises(ValueError, match="at least 1"):
            resize_image(PHOTO, size)
    with pytest.raises(ValueError, match="interpolation: got 'bicubic'; use one of bilinear, catmull_rom"):
        resize_image(PHOTO, (5, 5), interpolation="bicubic")
    with pytest.raises(ValueError, match="max_side: got 0"):
        read_image(encode(PHOTO, "PNG"), max_side=0)
