"""Writes `.caffemodel` files byte by byte, as Caffe's caffe.proto and the encoding of Protocol Buffers say."""

import numpy as np


def varint(number):
    """Seven bits a byte, the lowest first; the highest bit says that more follow."""
    encoded = bytearray()
    while number > 127:
        encoded.append(number % 128 + 128)
        number //= 128
    return bytes([*encoded, number])


def field(number, value):
    """A field with a number (wire type 0), or with text or bytes (wire type 2)."""
    if isinstance(value, int):
        return varint(8 * number) + varint(value)
    value = value.encode() if isinstance(value, str) else bytes(value)
    return varint(8 * number + 2) + varint(len(value)) + value


def blob(array, *, legacy=False):
    """A BlobProto: with a shape, or with the four lengths (num, channels, height, width) that all blobs once had."""
    if legacy:
        lengths = (1,) * (4 - array.ndim) + array.shape
        shape = b"".join(field(number, length) for number, length in enumerate(lengths, start=1))
    else:
        shape = field(7, field(1, b"".join(map(varint, array.shape))))
    return shape + field(5, array.astype("<f4").tobytes())


# Version -> the layers' field in the network, and a layer's fields: name, type, bottom, top, blobs.
VERSIONS = {1: (2, 4, 5, 2, 3, 6), 2: (100, 1, 2, 3, 4, 7)}


def layer(name, blobs=(), *, version=2):
    """A layer of a network, given the bytes of its blobs."""
    number, of_name, of_type, of_bottom, of_top, of_blobs = VERSIONS[version]
    kind = 4 if version == 1 else "Convolution"
    parts = [field(of_bottom, "below"), field(of_top, name), field(of_name, name), field(of_type, kind)]
    return field(number, b"".join(parts + [field(of_blobs, each) for each in blobs]))


def caffemodel(layers, *, version=2, legacy=False):
    """A whole file: `layers` are pairs of a name and the layer's arrays."""
    encoded = [
        layer(name, [blob(array, legacy=legacy) for array in arrays], version=version) for name, arrays in layers
    ]
    return field(1, "a network") + b"".join(encoded)


def random_layers(shapes, seed=0):
    """Names and arrays: for the shape of a weight, one of unit gain and a bias; for None, no arrays."""
    random = np.random.default_rng(seed)

    def arrays(shape):
        if shape is None:
            return ()
        weight = random.standard_normal(shape, np.float32) * np.float32((2 / np.prod(shape[1:])) ** 0.5)
        return weight, random.normal(0, 0.3, shape[0]).astype(np.float32)

    return [(name, arrays(shape)) for name, shape in shapes]
