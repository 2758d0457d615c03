"""Image files of any kind as uint8 RGB arrays: what a network, a data set and a report read their photos with."""

from io import BytesIO
from pathlib import Path

import numpy as np
import simplejpeg
from jaxtyping import Bool
from PIL import ExifTags, Image, ImageChops, TiffImagePlugin

from jaxcam.arrays import Photos
from jaxcam.records import Record

Source = Path | str | bytes | Record

# Where Pillow refuses too (179 megapixels): a small file that claims more is taken for a decompression bomb.
MAX_PIXELS = 2 * 89_478_485

# Our name of an interpolation -> Pillow's.
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "catmull_rom": Image.Resampling.BICUBIC}

# EXIF orientation -> (swap the axes, then reverse the rows, then reverse the columns).
ORIENTATIONS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def read_image(source: Source, *, orient: bool = False, max_side: int | None = None) -> Photos:
    """An image file as RGB: greyscale is replicated, transparency laid over white, 16 bits become 8.

    So do 32, where the grey levels are those of 16: a file with others is refused, for it does not say what is white.
    Of an animation the first frame is read. Safe to call from many threads.

    Args:
        source: a file, its bytes, or a record of a shard.
        orient: turn the image upright, as its EXIF orientation says. Data sets leave this off: their boxes are given
            in the pixels as stored.
        max_side: shrink the image, aspect kept and antialiased, so that its longer side has at most so many pixels;
            large JPEGs are then decoded at a fraction of their size.

    Returns:
        uint8 (h, w, 3).

    Raises:
        ValueError: names the file and says why it cannot be read (missing, empty, truncated, no image, above 179
            megapixels, floating-point pixels, grey levels in 32 bits that are not those of 16), or for a `max_side`
            below 1.

    >>> buffer = BytesIO()
    >>> Image.new("LA", (5, 4), (0, 0)).save(buffer, "PNG")  # black, but fully transparent
    >>> image = read_image(buffer.getvalue())
    >>> image.shape, image.min().item()
    ((4, 5, 3), 255)
    """
    if max_side is not None and max_side < 1:
        raise ValueError(f"max_side: got {max_side}; give a number of pixels of at least 1, or None to keep the size")
    try:
        data = _bytes(source)
        image = _decode_jpeg(data, max_side) if data[:3] == b"\xff\xd8\xff" else None
        if image is None:
            image, orientation = _decode(data, max_side)
        else:
            orientation = _orientation(Image.open(BytesIO(data))) if orient else 1
    # Decoders meet broken bytes with OSError, SyntaxError, struct.error, EOFError, a warning made an error and more.
    except Exception as error:
        raise _unreadable(source, error) from error
    return _upright(image, orientation) if orient else image


def why_unreadable(source: Source) -> str:
    """What `read_image` says of a file that it cannot read; "" of one that it can.

    >>> why_unreadable(Path("no/such.jpg"))
    'no/such.jpg: cannot be read: no such file or directory'
    """
    try:
        read_image(source)
    except ValueError as error:
        return str(error)
    return ""


def read_size(source: Source, *, orient: bool = False) -> tuple[int, int]:
    """Height and width of an image file, from its header only.

    Args:
        source: a file, its bytes, or a record of a shard.
        orient: the size after turning the image upright, as its EXIF orientation says.

    Returns:
        (height, width) in pixels.

    Raises:
        ValueError: names the file and says why it cannot be read.

    >>> buffer = BytesIO()
    >>> Image.new("L", (5, 4)).save(buffer, "PNG")
    >>> read_size(buffer.getvalue())
    (4, 5)
    """
    try:
        with _opened(source) as image:
            width, height = image.size
            # Pillow turns TIFF files itself, and gives their upright size already.
            swapped = orient and image.format != "TIFF" and _orientation(image) >= 5
    except Exception as error:
        raise _unreadable(source, error) from error
    return (width, height) if swapped else (height, width)


def read_bytes(source: Source) -> bytes:
    """An image file as it is stored, after a look at its header.

    Args:
        source: a file, its bytes, or a record of a shard.

    Raises:
        ValueError: names the file and says why it cannot be read.

    >>> read_bytes(b"no image")
    Traceback (most recent call last):
    ValueError: image of 8 bytes: cannot be read: it is no image, or of an unknown format
    """
    try:
        data = _bytes(source)
        Image.open(BytesIO(data)).close()
    except Exception as error:
        raise _unreadable(source, error) from error
    return data


def read_mask(source: Source) -> Bool[np.ndarray, "h w"]:
    """Which pixels of an image file are not black: a mask, in whatever way it was saved. Transparency is no matter.

    Args:
        source: a file, its bytes, or a record of a shard.

    Returns:
        bool (h, w).

    Raises:
        ValueError: names the file and says why it cannot be read.

    >>> buffer = BytesIO()
    >>> Image.fromarray(np.uint8([[0, 1, 255]])).save(buffer, "PNG")
    >>> read_mask(buffer.getvalue())
    array([[False,  True,  True]])
    """
    try:
        with _opened(source) as image:
            return np.array(image.convert("L")) > 0
    except Exception as error:
        raise _unreadable(source, error) from error


def resize_image(image: Photos, size: tuple[int, int], *, interpolation: str = "bilinear") -> Photos:
    """An image at another size, antialiased when shrinking, by Pillow.

    Args:
        image: uint8 (h, w, 3).
        size: (height, width) wanted, in pixels.
        interpolation: "bilinear", or "catmull_rom" (a = -0.5, what Pillow calls bicubic).

    Returns:
        uint8 (height, width, 3); the image itself where it has that size already.

    Raises:
        ValueError: for another type or shape, a size below 1, or an unknown interpolation.

    >>> resize_image(np.full((4, 6, 3), 7, np.uint8), (2, 3)).tolist()[0]
    [[7, 7, 7], [7, 7, 7], [7, 7, 7]]
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image: got {image.dtype} {image.shape}; give uint8 (h, w, 3), as read_image returns")
    height, width = size
    if height < 1 or width < 1:
        raise ValueError(f"size: got ({height}, {width}); give a height and a width of at least 1")
    if interpolation not in RESAMPLING:
        raise ValueError(f"interpolation: got {interpolation!r}; use one of {', '.join(RESAMPLING)}")
    if image.shape[:2] == (height, width):
        return image
    return np.array(Image.fromarray(image).resize((width, height), RESAMPLING[interpolation]))


def _bytes(source: Source) -> bytes:
    if isinstance(source, bytes):
        return source
    return source.read() if isinstance(source, Record) else Path(source).read_bytes()


def _opened(source: Source) -> Image.Image:
    """The image before it is decoded: of a file no more than the header is read."""
    return Image.open(BytesIO(_bytes(source)) if isinstance(source, bytes | Record) else source)


def _decode_jpeg(data: bytes, max_side: int | None) -> Photos | None:
    """The fast way for 8-bit grey and YCbCr JPEGs; None where Pillow has to look at the file."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours not in ("Gray", "YCbCr") or height * width > MAX_PIXELS:
            return None
        size = _fitted(height, width, max_side)
        # Decoding at a fraction is cheap but filters poorly: leave the last factor of two to the resize.
        image = simplejpeg.decode_jpeg(data, "RGB", min_height=2 * size[0], min_width=2 * size[1])
    except ValueError:  # simplejpeg is strict: it also refuses files with a stray byte that every viewer shows
        return None
    return resize_image(image, size)


def _decode(data: bytes, max_side: int | None) -> tuple[Photos, int]:
    """Any file Pillow reads, and its EXIF orientation."""
    if not data:
        raise ValueError("the file is empty")
    with Image.open(BytesIO(data)) as image:
        height, width = _fitted(image.height, image.width, max_side)
        image.draft(None, (2 * width, 2 * height))  # JPEG only: decode at a fraction
        image.load()
        orientation = _orientation(image)
        colours = _to_colours(image)
    if colours.size != (width, height):
        colours = colours.resize((width, height), Image.Resampling.BILINEAR)
    if colours.mode == "RGBA":
        colours = Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours).convert("RGB")
    return np.array(colours), orientation


def _to_colours(image: Image.Image) -> Image.Image:
    """The image in RGB, or in RGBA where some of it may be transparent."""
    if image.mode == "F":
        raise ValueError("it has floating-point pixels; save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        return Image.fromarray(_high_bytes(image)).convert("RGB")
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        image = ImageChops.invert(image)  # Pillow takes all CMYK JPEGs for Adobe's, which store inverted inks
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _high_bytes(image: Image.Image) -> np.ndarray:
    """The high 8 bits of grey levels of more, as Pillow takes them of 16-bit colours."""
    levels = np.asarray(image)
    if image.mode == "I" and image.format != "PPM":  # 32 bits, or signed ones: the file does not say what is white
        lowest, highest = levels.min(), levels.max()
        if lowest < 0 or highest > 65535:
            raise ValueError(f"it has grey levels from {lowest} to {highest}; save it with 8 or 16 bits")
        if 0 < highest < 256:
            either = "those of 8 bits or dark ones of 16"
            raise ValueError(f"it has grey levels from {lowest} to {highest}, {either}; save it with 8 or 16 bits")
    bits = image.tag_v2.get(258, (16,))[0] if isinstance(image, TiffImagePlugin.TiffImageFile) else 16
    return (levels >> (min(bits, 16) - 8)).astype(np.uint8)


def _fitted(height: int, width: int, max_side: int | None) -> tuple[int, int]:
    """The size with a longer side of at most `max_side`, aspect kept."""
    if max_side is None or max(height, width) <= max_side:
        return height, width
    scale = max_side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1..8; 1 (upright) where there is none or the EXIF block is broken."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 (whatever is wrong with its EXIF block, a photo is still a photo)
        return 1


def _upright(image: Photos, orientation: int) -> Photos:
    """The image turned as its EXIF orientation says."""
    swap, flip_rows, flip_columns = ORIENTATIONS.get(orientation, (False, False, False))
    if swap:
        image = image.swapaxes(0, 1)
    return np.ascontiguousarray(image[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])


def _unreadable(source: Source, error: Exception) -> ValueError:
    """One sentence that names the file and what was wrong with it."""
    name = f"image of {len(source)} bytes" if isinstance(source, bytes) else str(source)
    if isinstance(error, Image.UnidentifiedImageError):
        reason = "it is no image, or of an unknown format"
    elif isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        reason = "it has too many pixels (the limit is 179 megapixels); shrink it first"
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    else:
        reason = str(error) or type(error).__name__
    return ValueError(f"{name}: cannot be read: {reason[:1].lower() + reason[1:]}")
