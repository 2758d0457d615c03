"""Images that are records of ArrayRecord files, read at random and from any number of threads.

Source: https://github.com/google/array_record
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

# Data sets have shards by the thousand, and a process may often open no more than 1024 files.
OPEN_SHARDS = 512

# No reading ahead: the next record wanted may be any of them.
RANDOM_ACCESS = "readahead_buffer_size:0,max_parallelism:0"


@dataclass(frozen=True, slots=True)
class Record:
    """An image file inside a shard; wherever an image's path is taken, its record is too.

    Attributes:
        name: of the image, for people.
        shard: the ArrayRecord file.
        position: of the record in its shard, from 0.
        feature: which feature of a serialized `tf.train.Example` the image is; "" where the whole record is the image.

    >>> print(Record("cat.jpg", Path("images-00000.array_record"), 7))
    cat.jpg (record 7 of images-00000.array_record)
    """

    name: str
    shard: Path
    position: int
    feature: str = ""

    def __str__(self) -> str:
        return f"{self.name} (record {self.position} of {self.shard})"

    def read(self) -> bytes:
        """The image file's bytes.

        Raises:
            OSError: if the shard is missing, or the record damaged.
        """
        reader = _reader(self.shard)
        try:
            (data,) = reader.read([self.position])
        except RuntimeError as error:  # it verifies a checksum
            raise OSError(f"the shard is damaged: {error}") from error
        return parse_example(data)[self.feature].bytes_list.value[0] if self.feature else data


def parse_example(data: bytes) -> Any:
    """The features of a serialized `tf.train.Example` by their names.

    Args:
        data: a record of a set that TFDS has prepared.

    Returns:
        A mapping from names to protocol buffers, of which `bytes_list`, `float_list` or `int64_list` has the `value`s.

    Raises:
        OSError: if it is none.

    >>> from tensorflow_datasets.proto import tf_example_pb2
    >>> example = tf_example_pb2.Example()
    >>> example.features.feature["label"].int64_list.value.append(7)
    >>> list(parse_example(example.SerializeToString())["label"].int64_list.value)
    [7]
    """
    from tensorflow_datasets.proto import tf_example_pb2

    try:
        return tf_example_pb2.Example.FromString(data).features.feature
    except Exception as error:  # protobuf's own, of a package that is not ours to import
        raise OSError("the record is no tf.train.Example") from error


def write_records(path: str | os.PathLike[str]) -> Any:
    """A writer of records that `Record` reads fast: `write(data)`, and `close()` at the end.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     writer = write_records(f"{home}/letters.array_record")
    ...     for letter in (b"alpha", b"beta"):
    ...         writer.write(letter)
    ...     writer.close()
    ...     Record("the second letter", Path(home, "letters.array_record"), 1).read()
    b'beta'
    """
    from array_record.python.array_record_module import ArrayRecordWriter

    # Images are compressed already; and a group is read whole, so each is of one record.
    return ArrayRecordWriter(os.fspath(path), "group_size:1,uncompressed")


def close_shards() -> None:
    """Forget the open shards: what lies at their paths from now on may be others."""
    _reader.cache_clear()


# A reader that falls out closes when the last thread is done with it.
@lru_cache(OPEN_SHARDS)
def _reader(shard: Path) -> Any:
    from array_record.python.array_record_module import ArrayRecordReader

    if not shard.is_file():
        raise OSError("the shard is missing")
    reader = ArrayRecordReader(os.fspath(shard), RANDOM_ACCESS, file_reader_buffer_size=2**15)
    if not reader.ok():
        raise OSError("the shard is truncated, or no ArrayRecord file")
    return reader
