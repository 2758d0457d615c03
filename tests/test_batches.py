"""jaxcam.batches: which images, in which order, squashed how, padded how, and what cannot be read."""

from itertools import islice

import numpy as np
import pytest
from PIL import Image

from jaxcam import Card, Preprocessing
from jaxcam.batches import batches, check_squash
from jaxcam.datasets import Dataset, Example
from jaxcam.image_files import read_image

SIZE = (12, 16)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Eleven photos of different sizes, in PNG so that their pixels are known; the fifth is greyscale."""
    home, random, examples = tmp_path_factory.mktemp("photos"), np.random.default_rng(0), []
    for index in range(11):
        shape = (20 + index, 30 - index, 3)
        pixels = random.integers(0, 256, shape if index != 4 else shape[:2], np.uint8)
        Image.fromarray(pixels).save(home / f"{index}.png")
        examples.append(Example(home / f"{index}.png", index % 3))
    return Dataset(tuple(examples), ("a", "b", "c"))


def squashed(dataset, index):
    """By Pillow: bilinear, antialiased."""
    photo = Image.open(dataset[index].path).convert("RGB")
    return np.asarray(photo.resize(SIZE[::-1], Image.Resampling.BILINEAR))


def check_rows(batch, dataset):
    for row, index in enumerate(batch.index[batch.mask]):
        np.testing.assert_array_equal(batch.images[row], squashed(dataset, index))
        assert batch.labels[row] == index % 3
        assert tuple(batch.sizes[row]) == (20 + index, 30 - index)


def same(a, b):
    return all(np.array_equal(one, other) for one, other in zip(a, b, strict=True))


@pytest.mark.core
@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("batch_size", [1, 4, 11, 16])
def test_one_ordered_pass(dataset, batch_size, cache):
    """Every image once and in order; the last batch is as large as the others, its padding masked."""
    found = list(batches(dataset, batch_size=batch_size, image_size=SIZE, cache=cache))
    assert len(found) == -(-11 // batch_size)
    for batch in found:
        assert batch.images.shape == (batch_size, *SIZE, 3)
        assert [array.dtype for array in batch] == [np.uint8, np.int32, bool, np.int32, np.int32]
        assert batch.mask.shape == batch.labels.shape == batch.index.shape == (batch_size,)
        assert sorted(batch.mask, reverse=True) == list(batch.mask)
        assert set(batch.index[~batch.mask]) <= {-1}
        check_rows(batch, dataset)
    assert [index for batch in found for index in batch.index[batch.mask]] == list(range(11))


def test_a_shuffled_stream_has_every_image_once_an_epoch(dataset):
    """Also where an epoch ends inside a batch; each epoch has another order, and no row is padding."""
    stream = list(islice(batches(dataset, batch_size=4, image_size=SIZE, shuffle_seed=7), 11))
    assert all(batch.mask.all() for batch in stream)
    for batch in stream[:3]:
        check_rows(batch, dataset)
    epochs = np.concatenate([batch.index for batch in stream]).reshape(4, 11)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(11), (4, 1)))
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert tuple(range(11)) not in {tuple(epoch) for epoch in epochs}


@pytest.mark.core
def test_a_shuffled_stream_follows_its_seed_and_can_be_resumed(dataset):
    def stream(count, *, seed=7, **options):
        return list(islice(batches(dataset, batch_size=4, image_size=SIZE, shuffle_seed=seed, **options), count))

    whole = stream(8)
    assert all(map(same, whole, stream(8, cache=True)))
    for start in (1, 3, 6):
        assert all(map(same, whole[start:], stream(8 - start, start=start)))
    assert not all(map(same, whole, stream(8, seed=8)))


def test_an_ordered_pass_can_be_resumed(dataset):
    whole = list(batches(dataset, batch_size=4, image_size=SIZE))
    for start in range(4):
        rest = list(batches(dataset, batch_size=4, image_size=SIZE, start=start))
        assert len(rest) == 3 - start
        assert all(map(same, whole[start:], rest))


def test_skipped_batches_are_not_read(dataset, tmp_path):
    broken = Dataset((Example(tmp_path / "none.png", 0),) * 4 + dataset.examples[4:], dataset.classes)
    (second, third) = batches(broken, batch_size=4, image_size=SIZE, start=1)
    np.testing.assert_array_equal(second.index, [4, 5, 6, 7])
    np.testing.assert_array_equal(third.index[third.mask], [8, 9, 10])


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("content", [None, b"", b"no image"])
def test_an_unreadable_image_is_named(dataset, tmp_path, content, cache):
    path = tmp_path / "broken.png"
    if content is not None:
        path.write_bytes(content)
    broken = Dataset((*dataset.examples, Example(path, 0)), dataset.classes)
    with pytest.raises(ValueError, match=r"broken\.png: cannot be read: "):
        list(batches(broken, batch_size=4, image_size=SIZE, cache=cache))


@pytest.fixture(scope="module")
def damaged(dataset, tmp_path_factory):
    """The eleven photos, with the third missing, the sixth no image and the last a JPEG cut off in the middle."""
    home, examples = tmp_path_factory.mktemp("damaged"), list(dataset.examples)
    for index, name in ((2, "missing.png"), (5, "text.png"), (10, "truncated.jpg")):
        examples[index] = Example(home / name, index % 3)
    (home / "text.png").write_text("no image")
    Image.fromarray(np.arange(40 * 30 * 3).astype(np.uint8).reshape(40, 30, 3)).save(home / "truncated.jpg")
    whole = (home / "truncated.jpg").read_bytes()
    (home / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    return Dataset(tuple(examples), dataset.classes)


@pytest.mark.core
@pytest.mark.parametrize("batch_size, cache", [(1, False), (4, False), (4, True), (11, False), (16, False)])
def test_unreadable_images_are_skipped_and_can_be_counted(damaged, batch_size, cache):
    """Whatever the batch size; the other rows are as they were, and padding is told from them."""
    found = list(batches(damaged, batch_size=batch_size, image_size=SIZE, on_error="skip", cache=cache))
    index, mask = (np.concatenate(column) for column in zip(*((b.index, b.mask) for b in found), strict=True))
    assert index[mask].tolist() == [0, 1, 3, 4, 6, 7, 8, 9]
    assert index[~mask & (index >= 0)].tolist() == [2, 5, 10]
    assert (index == -1).sum() == len(found) * batch_size - 11
    for batch in found:
        for row in np.flatnonzero(batch.mask):
            np.testing.assert_array_equal(batch.images[row], squashed(damaged, batch.index[row]))
        for row in np.flatnonzero(~batch.mask & (batch.index >= 0)):
            assert not batch.images[row].any()
            assert batch.labels[row] == batch.index[row] % 3
            assert tuple(batch.sizes[row]) == (1, 1)
    for position in (2, 5, 10):
        with pytest.raises(ValueError, match="cannot be read: "):
            read_image(damaged[position].path)


def test_a_shuffled_stream_skips_too_and_stops_by_default(damaged):
    stream = islice(batches(damaged, batch_size=4, image_size=SIZE, shuffle_seed=3, on_error="skip"), 11)
    skipped = np.concatenate([batch.index[~batch.mask] for batch in stream])
    assert np.sort(skipped).tolist() == [2, 2, 2, 2, 5, 5, 5, 5, 10, 10, 10, 10]
    with pytest.raises(ValueError, match="cannot be read: "):
        list(islice(batches(damaged, batch_size=4, image_size=SIZE, shuffle_seed=3), 3))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"batch_size": 0}, "batch_size: got 0; give at least 1"),
        ({"on_error": "ignore"}, 'on_error: got .ignore.; use "stop" or "skip"'),
        ({"start": -1}, "start: got -1 of 3 batches; give how many to skip"),
        ({"start": 4}, "start: got 4 of 3 batches; give how many to skip"),
        ({"image_size": (0, 8)}, r"size: got \(0, 8\); give a height and a width of at least 1"),
    ],
)
def test_wrong_options(dataset, options, message):
    with pytest.raises(ValueError, match=message):
        next(batches(dataset, **{"batch_size": 4, "image_size": SIZE, **options}))


def test_interpolation(dataset):
    (batch,) = batches(dataset, batch_size=11, image_size=SIZE, interpolation="catmull_rom")
    photo = Image.open(dataset[3].path).resize(SIZE[::-1], Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(batch.images[3], photo)
    assert not np.array_equal(batch.images[3], squashed(dataset, 3))


def test_an_empty_data_set():
    with pytest.raises(ValueError, match="dataset: got no images"):
        batches(Dataset((), ("a",)), batch_size=4, image_size=SIZE)


def test_a_card_that_resizes_otherwise_is_refused():
    check_squash(Card())
    check_squash(Card(preprocessing=Preprocessing(interpolation="catmull_rom")))
    for how in (Preprocessing(interpolation="bicubic"), Preprocessing(antialias=False)):
        with pytest.raises(ValueError, match="squashed with 'bilinear' or 'catmull_rom' and antialias=True"):
            check_squash(Card(preprocessing=how))
