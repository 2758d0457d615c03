"""Features on disk: an interrupted pass goes on, and a file is whole, or said to be partial."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxcam
from jaxcam.applications import keeping, pooled_features
from jaxcam.applications.feature_files import read_features, write_features
from jaxcam.applications.pools import Pool, Rule
from jaxcam.cli import main
from jaxcam.datasets import Dataset, Example
from jaxcam.params import Params
from jaxcam.records import Record
from tests.made_data import photo
from tests.random_network import random_params


@pytest.fixture
def pool():
    examples = tuple(Example(Path(f"/{place}.png"), place % 3) for place in range(15))
    return Pool(Dataset(examples, ("a", "b", "c")), rule=Rule(3, None, 2))


def test_an_interrupted_file_goes_on(tmp_path, pool):
    """Behind its last whole row, whatever half of one follows; bit by bit the same as without a break."""
    values, given = np.random.default_rng(0).normal(size=(15, 4)).astype(np.float32), []

    def rows(images, stop=99):
        first = 15 - len(images)
        given.append(first)
        for start in range(first, 15, 4):
            if start >= stop:
                raise KeyboardInterrupt
            yield values[start : start + 4]

    home = tmp_path / "features"
    with pytest.raises(KeyboardInterrupt):
        write_features(home, pool, 4, lambda images: rows(images, 8), about={"layer": "gap"})
    part = home / "features.npy.part"
    with part.open("ab") as file:
        file.write(b"\1\2\3\4\5\6")
    assert not (home / "features.npy").exists()
    with pytest.raises(ValueError, match="partial, 8 of 15 images have features; the same command"):
        read_features(home)
    with pytest.raises(ValueError, match=r"another kind \(layer: gap there, fc7 here\)"):
        write_features(home, pool, 4, rows, about={"layer": "fc7"})
    found = write_features(home, pool, 4, rows, about={"layer": "gap"})
    assert given == [0, 8]
    expected = io.BytesIO()
    np.save(expected, values)
    assert (home / "features.npy").read_bytes() == expected.getvalue()
    np.testing.assert_array_equal(found.values, values)
    assert found.pool == read_features(home).pool == pool
    # Other splits of the same images need no new features.
    other = Pool(pool.dataset, rule=Rule(2, 1, 4))
    assert write_features(home, other, 4, rows, about={"layer": "gap"}).pool.rule == other.rule
    assert given == [0, 8]
    (home / "features.npy").write_bytes(expected.getvalue()[:-1] + b"\0")
    with pytest.raises(ValueError, match="not as it was written"):
        read_features(home)


def test_killed_between_its_last_steps(tmp_path, pool):
    """The rows have their name, and the record does not know it yet."""
    rows = lambda images: iter([np.ones((len(images), 2), np.float32)])  # noqa: E731
    write_features(tmp_path, pool, 2, rows, about={})
    record = json.loads((tmp_path / "features.json").read_text())
    (tmp_path / "features.json").write_text(json.dumps({**record, "complete": False, "sha256": None}))
    assert write_features(tmp_path, pool, 2, lambda images: iter(()), about={}).sha256 == record["sha256"]
    with pytest.raises(ValueError, match="got features of 14 images; expected 15"):
        write_features(tmp_path / "b", pool, 2, lambda images: rows(images[1:]), about={})


def test_features_of_photos_are_kept_one_by_one(tmp_path, monkeypatch):
    """An interrupted pass goes on; other photos, sizes and weights are other features."""
    for place in range(5):
        photo(tmp_path / f"{place}.png", place % 3, (place, 10, 40, 50))
    photos = Dataset(tuple(Example(tmp_path / f"{place}.png", 0) for place in range(5)), ("any",))
    params = random_params(jaxcam.Card(("a", "b"), image_size=(32, 32)))
    keep = partial(keeping.kept_features, params, keep=tmp_path / "kept", batch_size=1, progress=False)
    made, rows = [], keeping.feature_rows

    def counted(params, part, **options):
        for row in rows(params, part, **options):
            if len(made) == 3:
                raise KeyboardInterrupt
            made.append(row)
            yield row

    monkeypatch.setattr(keeping, "feature_rows", counted)
    with pytest.raises(KeyboardInterrupt):
        keep(photos)
    made[:] = [None] * 10
    found = keep(photos)
    assert len(made) == 12
    np.testing.assert_array_equal(found, pooled_features(params, photos, batch_size=1, progress=False))
    np.testing.assert_array_equal(keep(photos), found)
    assert len(made) == 12
    other = Params(jax.tree.map(lambda leaf: 2 * leaf, params.variables), params.network, params.card)
    keeping.kept_features(other, photos, **keep.keywords)
    photo(tmp_path / "0.png", 2, (0, 0, 9, 9))
    assert (keep(photos)[0] != found[0]).any()
    assert len(made) == 22
    assert len(list((tmp_path / "kept").iterdir())) == 3


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("changed", ["a.png", "b.array_record"])
def test_changed_images_are_said(tmp_path, changed, complete):
    """Whether the pass was finished or not; a record is as new as its shard."""
    for name in ("a.png", "b.array_record"):
        (tmp_path / name).write_bytes(b"1")
    paths = (tmp_path / "a.png", Record("b", tmp_path / "b.array_record", 0))
    pool = Pool(Dataset(tuple(Example(path, 0) for path in paths), ("any",)))
    keep = partial(write_features, tmp_path / "features", pool, 2, lambda images: iter(np.ones((2 * complete, 1, 2))))
    if complete:
        assert keep(about={}).about == {}
    else:
        with pytest.raises(ValueError, match="got features of 0 images"):
            keep(about={})
    (tmp_path / changed).write_bytes(b"22")
    with pytest.raises(ValueError, match="the image files have changed since it was begun"):
        keep(about={})


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path):
    """kill -9, twice, and the same command in the end: the same file as without."""
    for place in range(150):
        photo(tmp_path / f"photos/{'ab'[place % 2]}/{place:03}.png", place % 3, (place % 40, 10, 40 + place % 30, 50))
    jaxcam.save(random_params(jaxcam.Card(("a", "b"), image_size=(32, 32))), tmp_path / "net")
    command = ["features", "folder", "--data-dir", str(tmp_path / "photos"), "--checkpoint", str(tmp_path / "net")]
    command += ["--batch-size", "1", "--out"]
    part, killed = tmp_path / "killed/features.npy.part", []
    for _ in range(2):
        before = part.stat().st_size if part.exists() else 0
        process = subprocess.Popen(
            [sys.executable, "-m", "jaxcam", *command, str(tmp_path / "killed")],
            cwd=Path(__file__).parents[1],
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and not (part.exists() and part.stat().st_size > before + 3000):
            time.sleep(0.0005)
        os.kill(process.pid, signal.SIGKILL)
        killed.append(process.wait())
    assert killed == [-signal.SIGKILL] * 2
    with pytest.raises(ValueError, match=r"partial, \d+ of 150 images have features"):
        read_features(tmp_path / "killed")
    for name in ("killed", "whole"):
        assert main([*command, str(tmp_path / name)]) == 0
    assert not part.exists()
    assert (tmp_path / "killed/features.npy").read_bytes() == (tmp_path / "whole/features.npy").read_bytes()
