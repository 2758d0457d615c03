"""Caffe's `.caffemodel` files as arrays (Jia et al., "Caffe: Convolutional Architecture for Fast Feature Embedding",
ACM Multimedia 2014, arXiv 1408.5093).

Such a file is one message of Protocol Buffers, a NetParameter of Caffe's caffe.proto. The tables below describe the
few fields that hold names and weights. Messages are walked through in place, without a library: that would copy each
level of nesting (five times the memory for VGG-16), and make objects of empty messages at fifteen times their size.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcam.weights.rules import Source

# How a field's value is written: as a varint, as 8 bytes, as a length and so many bytes, as 4 bytes.
VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5
SIZES = {EIGHT: 8, FOUR: 4}
MAX_FIELDS = 10_000  # of one message, so of layers too


class Field(NamedTuple):
    """A field of a message: its name, how its value is written, and how often it may be there."""

    name: str
    kind: int = BYTES
    most: int = 1


# Field number -> field. A file has V1 layers, or V2 ones since 2015.
NETWORK = {2: Field("layers", most=MAX_FIELDS), 100: Field("layer", most=MAX_FIELDS)}
LAYERS = {
    "layers": {4: Field("name"), 6: Field("blobs", most=16)},  # V1
    "layer": {1: Field("name"), 7: Field("blobs", most=16)},  # V2
}
LEGACY_SHAPE = ("num", "channels", "height", "width")
BLOB = {number: Field(name, VARINT) for number, name in enumerate(LEGACY_SHAPE, start=1)}
BLOB |= {5: Field("data"), 7: Field("shape"), 8: Field("double_data")}
SHAPE = {1: Field("dim")}
MAX_AXES = 32  # Caffe's own limit


def read_caffemodel(path: Path) -> Source:
    """The weights of a `.caffemodel`: "<layer>.weight", "<layer>.bias" (then "<layer>.blob2"...), float32.

    Nothing is executed, and at most about twice the file's size of memory is taken.

    Args:
        path: the file, with V1 or V2 layers.

    Returns:
        The arrays, and the names of all layers in order, those without weights too.

    Raises:
        ValueError: for a file that is damaged, empty, no caffemodel, or has values that are not finite.
    """
    arrays: dict[str, np.ndarray] = {}
    names = []
    try:
        for name, blobs in _layers(memoryview(path.read_bytes())):
            names.append(name)
            for index, blob in enumerate(blobs):
                key = f"{name}.{('weight', 'bias')[index] if index < 2 else f'blob{index}'}"
                if key in arrays:
                    raise ValueError(f"layer {name}: it is there twice")
                try:
                    arrays[key] = _array(blob, index)
                except ValueError as error:
                    raise ValueError(f"{key}: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}; give a .caffemodel as Caffe writes it, whole") from None
    return Source(arrays, layers=tuple(names))


def _layers(network: memoryview) -> Iterator[tuple[str, list[memoryview]]]:
    """The name and the blobs of each layer."""
    found = _fields(network, NETWORK)
    given = [version for version, layers in found.items() if layers]
    if len(given) != 1:
        raise ValueError("it has both V1 and V2 layers" if given else "it has no layers")
    for layer in found[given[0]]:
        fields = _fields(layer, LAYERS[given[0]])
        if not fields["name"]:
            raise ValueError("a layer has no name (files that old are for Caffe's upgrade_net_proto_binary)")
        try:
            yield str(fields["name"][0], "utf-8"), fields["blobs"]
        except UnicodeDecodeError as error:
            raise ValueError(f"the name of a layer is no text: {error}") from None


def _array(blob: memoryview, index: int) -> np.ndarray:
    """The array of the blob of that index in its layer."""
    fields = _fields(blob, BLOB)
    if fields["double_data"]:
        raise ValueError("got double precision; single precision is expected")
    data = fields["data"][0] if fields["data"] else memoryview(b"")
    shape = _legacy_shape(fields, index) if any(fields[name] for name in LEGACY_SHAPE) else _shape(fields["shape"])
    if len(data) != 4 * math.prod(shape) or not data:
        raise ValueError(f"got {len(data)} bytes of float32 for the shape {shape}")
    array = np.frombuffer(data, "<f4").reshape(shape).astype(np.float32)  # a copy, which lets the file go
    if not np.isfinite(array).all():
        raise ValueError("it has values that are not finite")
    return array


def _legacy_shape(fields: Mapping[str, list], index: int) -> tuple[int, ...]:
    """The shape of a blob that has four axes whatever it is: (1, 1, out, in) linear, (1, 1, 1, out) a bias."""
    shape = tuple(fields[name][0] if fields[name] else 0 for name in LEGACY_SHAPE)
    ones = 2 if index == 0 else 3
    return shape[ones:] if shape[:ones] == (1,) * ones else shape


def _shape(shapes: list[memoryview]) -> tuple[int, ...]:
    """The lengths of a BlobShape's axes."""
    packed = _fields(shapes[0], SHAPE)["dim"] if shapes else []
    shape: list[int] = []
    position = 0
    while packed and position < len(packed[0]):
        if len(shape) == MAX_AXES:
            raise ValueError(f"its shape has more than {MAX_AXES} axes")
        length, position = _varint(packed[0], position)
        shape.append(length)
    return tuple(shape)


def _fields(message: memoryview, description: Mapping[int, Field]) -> dict[str, list]:
    """The values of the described fields by name, ints or bytes in place; other fields are passed over."""
    found: dict[str, list] = {field.name: [] for field in description.values()}
    position = count = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        value, position = _value(message, position, kind)
        if number in description:
            field = description[number]
            if kind != field.kind:
                raise ValueError(f"{field.name}: got wire type {kind}, expected {field.kind}")
            found[field.name].append(value)
            if len(found[field.name]) > field.most:
                raise ValueError(f"{field.name}: got more than {field.most}")
        count += 1
        if count > MAX_FIELDS:
            raise ValueError(f"a message has more than {MAX_FIELDS} fields")
    return found


def _value(message: memoryview, position: int, kind: int) -> tuple[int | memoryview, int]:
    """The value that begins at a position, and where it ends."""
    if kind == VARINT:
        return _varint(message, position)
    if kind == BYTES:
        length, position = _varint(message, position)
    elif kind in SIZES:
        length = SIZES[kind]
    else:
        raise ValueError(f"got wire type {kind}, which no field of Caffe's has")
    if position + length > len(message):
        raise ValueError(f"a field of {length} bytes is cut off after {len(message) - position}")
    return message[position : position + length], position + length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """A number written 7 bits a byte, the lowest first, all but the last byte with its highest bit set."""
    number = 0
    for index in range(10):
        if position + index >= len(message):
            raise ValueError("it is cut off within a number")
        byte = message[position + index]
        number |= (byte & 127) << (7 * index)
        if byte < 128:
            return number, position + index + 1
    raise ValueError("a number has more than 10 bytes")
