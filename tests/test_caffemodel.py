"""jaxcam.weights.caffe.caffemodel: files written by hand and by Google's library, and hostile ones."""

import hashlib
import pickle
import tracemalloc

import numpy as np
import pytest

from jaxcam.weights.caffe.caffemodel import MAX_FIELDS, read_caffemodel
from tests.reference.caffe_proto import NetParameter
from tests.reference.caffemodel import blob, caffemodel, field, layer, random_layers, varint

SHAPES = [("data", None), ("conv1", (4, 3, 5, 5)), ("conv1/relu", None), ("fc8", (1, 7)), ("loss", None)]
ONES = np.ones((2, 3), np.float32)


def written(tmp_path, content):
    path = tmp_path / "weights.caffemodel"
    path.write_bytes(content)
    return path


def assert_holds(source, layers):
    assert source.layers == tuple(name for name, _ in layers)
    expected = {
        f"{name}.{kind}": array
        for name, arrays in layers
        for kind, array in zip(("weight", "bias"), arrays, strict=False)
    }
    assert list(source.arrays) == list(expected)
    for name, array in expected.items():
        assert source.arrays[name].dtype == np.float32
        np.testing.assert_array_equal(source.arrays[name], array)


@pytest.mark.core
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("legacy", [False, True])
def test_reads_what_was_written(tmp_path, version, legacy):
    layers = random_layers(SHAPES)
    source = read_caffemodel(written(tmp_path, caffemodel(layers, version=version, legacy=legacy)))
    assert_holds(source, layers)


@pytest.mark.parametrize("version", [1, 2])
def test_reads_what_googles_library_writes(tmp_path, version):
    layers = random_layers(SHAPES)
    network = NetParameter(name="a network", force_backward=True)
    for name, arrays in layers:
        added = (network.layers if version == 1 else network.layer).add(name=name, bottom=["below"])
        for array in arrays:
            one = added.blobs.add(data=array.ravel().tolist(), diff=[0.5] * array.size)
            one.shape.dim.extend(array.shape)
    assert_holds(read_caffemodel(written(tmp_path, network.SerializeToString())), layers)


def test_writer_and_googles_library_agree():
    layers = random_layers(SHAPES)
    for version, legacy in ((1, True), (2, False)):
        network = NetParameter.FromString(caffemodel(layers, version=version, legacy=legacy))
        read = network.layers if version == 1 else network.layer
        assert [one.name for one in read] == [name for name, _ in layers]
        for one, (_, arrays) in zip(read, layers, strict=True):
            for found, array in zip(one.blobs, arrays, strict=True):
                np.testing.assert_array_equal(np.array(found.data, np.float32), array.ravel())
                lengths = [found.num, found.channels, found.height, found.width] if legacy else found.shape.dim
                assert [length for length in lengths if length != 1] == [n for n in array.shape if n != 1]


@pytest.mark.parametrize(
    "index, lengths, shape",
    [
        (0, (8, 3, 2, 2), (8, 3, 2, 2)),
        (0, (1, 1, 5, 6), (5, 6)),  # an inner product
        (0, (1, 1, 1, 6), (1, 6)),  # of one output
        (0, (1, 3, 2, 2), (1, 3, 2, 2)),
        (1, (1, 1, 1, 6), (6,)),
        (1, (1, 1, 1, 1), (1,)),
    ],
)
def test_legacy_shapes(tmp_path, index, lengths, shape):
    array = np.arange(np.prod(lengths), dtype=np.float32).reshape(lengths)
    blobs = [blob(ONES)] * index + [blob(array, legacy=True)]
    arrays = read_caffemodel(written(tmp_path, layer("fc", blobs))).arrays
    np.testing.assert_array_equal(list(arrays.values())[index], array.reshape(shape))


def test_further_blobs_are_numbered(tmp_path):
    source = read_caffemodel(written(tmp_path, layer("bn", [blob(ONES[0]), blob(ONES[0]), blob(ONES[0, :1])])))
    assert list(source.arrays) == ["bn.weight", "bn.bias", "bn.blob2"]


def test_layers_without_weights_may_share_a_name(tmp_path):
    assert read_caffemodel(written(tmp_path, layer("data") + layer("data"))).layers == ("data", "data")


WHOLE = caffemodel(random_layers(SHAPES))
NAN = blob(np.array([1, np.nan], np.float32))
INFINITE = blob(np.array([1, -np.inf], np.float32))
DIMENSIONS = field(7, field(1, varint(2) + varint(3)))
FLOATS = ONES.astype("<f4").tobytes()

HOSTILE = {
    "empty": (b"", "it has no layers"),
    "name only": (field(1, "a network"), "it has no layers"),
    "both versions": (layer("a", version=1) + layer("b", version=2), "it has both V1 and V2 layers"),
    "pickle": (pickle.dumps({"conv1": [1.0]}), "weights.caffemodel: "),
    "group": (b"\x0b" + layer("a"), "got wire type 3"),
    "text": (b"name: 'net' layer { name: 'data' }", "got wire type 6"),
    "no end of a number": (b"\xff" * 30, "a number has more than 10 bytes"),
    "cut within a number": (WHOLE + b"\xa2", "it is cut off within a number"),
    "longer than the file": (field(1, "net") + b"\xa2\x06" + varint(2**62), "a field of 4611686018427387904 bytes"),
    "layer as a number": (field(100, 7), "layer: got wire type 0, expected 2"),
    "name as a number": (field(100, field(1, 7)), "name: got wire type 0, expected 2"),
    "no name": (field(100, field(7, blob(ONES))), "a layer has no name"),
    "name that is no text": (field(100, field(1, b"\xff\xfe")), "the name of a layer is no text"),
    "two names": (field(100, field(1, "a") + field(1, "b")), "name: got more than 1"),
    "layer twice": (layer("a", [blob(ONES)]) * 2, "layer a: it is there twice"),
    "not a number": (layer("a", [NAN]), "a.weight: it has values that are not finite"),
    "infinite": (layer("a", [blob(ONES), INFINITE]), "a.bias: it has values that are not finite"),
    "double precision": (layer("a", [DIMENSIONS + field(8, bytes(48))]), "a.weight: got double precision"),
    "unpacked data": (layer("a", [DIMENSIONS + b"\x2d" + bytes(4)]), "data: got wire type 5, expected 2"),
    "unpacked shape": (layer("a", [field(7, field(1, 2)) + field(5, FLOATS[:8])]), "dim: got wire type 0, expected 2"),
    "half a value": (
        layer("a", [DIMENSIONS + field(5, FLOATS[:-2])]),
        r"got 22 bytes of float32 for the shape \(2, 3\)",
    ),
    "fewer values": (layer("a", [DIMENSIONS + field(5, FLOATS[:-4])]), "got 20 bytes"),
    "more values": (layer("a", [DIMENSIONS + field(5, FLOATS + FLOATS[:4])]), "got 28 bytes"),
    "no values": (layer("a", [DIMENSIONS]), "got 0 bytes"),
    "empty blob": (layer("a", [b""]), "got 0 bytes"),
    "length of zero": (layer("a", [field(7, field(1, bytes(1)))]), "got 0 bytes"),
    "huge lengths": (layer("a", [field(7, field(1, varint(2**40) * 4)) + field(5, FLOATS)]), "got 24 bytes"),
    "lengths that wrap": (layer("a", [field(7, field(1, varint(2**63) * 2)) + field(5, FLOATS)]), "got 24 bytes"),
    "negative length": (layer("a", [field(1, 2**64 - 2) + field(2, 3) + field(5, FLOATS)]), "got 24 bytes"),
    "too many axes": (layer("a", [field(7, field(1, varint(1) * 33)) + field(5, FLOATS[:4])]), "more than 32 axes"),
    "too many blobs": (layer("a", [blob(ONES)] * 17), "blobs: got more than 16"),
    "too many layers": (layer("a") * (MAX_FIELDS + 1), f"layer: got more than {MAX_FIELDS}"),
    "too many fields": (b"\x08\x00" * (MAX_FIELDS + 1), f"a message has more than {MAX_FIELDS} fields"),
}


@pytest.mark.parametrize("content, message", HOSTILE.values(), ids=HOSTILE)
def test_hostile_file_is_refused(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(ValueError, match=message) as caught:
        read_caffemodel(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == content


def test_every_cut_file_is_refused(tmp_path):
    """But for cuts between two layers, where Protocol Buffers has no means to tell: then what is there is whole."""
    layers = random_layers([("a", (2, 2)), ("b", (1, 2))])
    content = caffemodel(layers)
    whole = {len(caffemodel(layers[:count])) for count in (1, 2)}
    for length in range(len(content)):
        path = written(tmp_path, content[:length])
        if length in whole:
            assert_holds(read_caffemodel(path), layers[:1])
        else:
            with pytest.raises(ValueError, match=r"weights\.caffemodel: "):
                read_caffemodel(path)


def test_flipped_bits_are_refused_or_read(tmp_path):
    """Whatever a damaged file holds, nothing but a ValueError comes of it."""
    content = caffemodel(random_layers([("a", (1, 2))]), version=1, legacy=True)
    for position in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            try:
                source = read_caffemodel(written(tmp_path, damaged))
            except ValueError:
                continue
            assert all(np.isfinite(array).all() for array in source.arrays.values())


@pytest.mark.parametrize("bomb", [b"\xa2\x06\x00", layer("x"), b"\x08\x00"], ids=["empty", "named", "unknown"])
def test_bomb_takes_little_memory(tmp_path, bomb):
    """Many messages of few bytes are refused before there is an object for each."""
    path = written(tmp_path, bomb * (1_000_000 // len(bomb)))
    tracemalloc.start()
    with pytest.raises(ValueError, match="more than"):
        read_caffemodel(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 1_000_000


def test_file_takes_no_more_than_twice_its_size(tmp_path):
    path = written(tmp_path, caffemodel(random_layers([("fc6", (1000, 3000)), ("fc7", (500, 1000))])))
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    tracemalloc.start()
    source = read_caffemodel(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(array.nbytes for array in source.arrays.values()) > 0.99 * path.stat().st_size
    # The check for finite values takes a byte a value of one array at a time.
    assert peak < 2.3 * path.stat().st_size
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
