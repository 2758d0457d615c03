"""A whole function, from photos to classes, maps and boxes, as one file that JAX alone can run."""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
from jax import export as jax_export
from jaxtyping import Array, Shaped

from jaxcam.arrays import Images, type_of_array
from jaxcam.card import Card
from jaxcam.checkpoints.card_file import card_from_json
from jaxcam.explanation import answers
from jaxcam.forward import whole_lengths
from jaxcam.params import Params
from jaxcam.whole_files import whole_file

FORMAT = 1
PLATFORMS = ("cpu", "cuda", "tpu")
DTYPES = ("uint8", "float32")
PROGRAM, ABOUT = "program.bin", "about.json"


def export(
    params: Params,
    function: Callable[[Params, Array], Any] | None = None,
    *,
    out: str | os.PathLike,
    photo_size: tuple[int, ...] | None = None,
    batch_size: int | None = None,
    dtype: str = "uint8",
    platforms: Sequence[str] = PLATFORMS,
    weights_inside: bool = True,
) -> None:
    """Write a function of photos as a file that runs without this package and its networks, wherever JAX does.

    The file is a zip of `program.bin`, which `jax.export.deserialize` reads, and `about.json`, with the card (names of
    classes and all) and the photos expected. JAX promises to run it for six months at least, and mostly does longer.

    Args:
        params: a network's.
        function: `(params, photos (b, h, w, channels)) -> PyTree` of arrays in tuples, lists and dicts, such as
            `lambda params, photos: jaxcam.grad_cam(params, photos)`; None for `answers`: the five most probable
            classes, with class activation maps and boxes.
        out: the file, such as "cat.jaxcam". An older one is replaced.
        photo_size: (height, width) of the photos; None for the card's.
        batch_size: None for any. A function that needs to know it, such as one that loops over photos, needs a number.
        dtype: of the photos: "uint8", or "float32" in [0, 1].
        platforms: those that it can run on, some of "cpu", "cuda", "rocm", "tpu". It is compiled there.
        weights_inside: keep the weights in the file, so that it is all one needs. Else the program takes
            `jax.tree.leaves(params)` in front of the photos: the file is small, and new weights need no new one.

    Raises:
        ValueError: for a function that calls back to the host, as boxes by the rule "release" do, or that cannot be
            traced for any batch; for wrong sizes or platforms; or where `flatbuffers` is not installed.

    >>> import jax.numpy as jnp, jaxcam, numpy as np, tempfile
    >>> params = jaxcam.from_functions(
    ...     lambda weights, images: images[:, ::8, ::8],
    ...     lambda weights, features: features.mean((1, 2)) @ weights,
    ...     lambda weights: weights,
    ...     variables=jnp.eye(3),
    ...     card=jaxcam.Card(("red", "green", "blue"), image_size=(32, 32)),
    ... )
    >>> with tempfile.TemporaryDirectory() as home:
    ...     jaxcam.export(params, out=f"{home}/colours.jaxcam")
    ...     found = jaxcam.load_exported(f"{home}/colours.jaxcam")(np.zeros((2, 32, 32, 3), np.uint8))
    >>> {name: array.shape for name, array in found.items()}
    {'boxes': (2, 3, 4), 'labels': (2, 3), 'maps': (2, 3, 32, 32), 'probabilities': (2, 3)}
    """
    _check_flatbuffers()
    size = _check_options(params.card, photo_size, batch_size, dtype, platforms)
    function = answers if function is None else function
    leaves, tree = jax.tree.flatten(params)

    def with_weights(leaves: list[Array], photos: Array) -> Any:
        return function(jax.tree.unflatten(tree, leaves), photos)

    def alone(photos: Array) -> Any:
        return function(params, photos)

    lengths = ", ".join(str(length) for length in ("b" if batch_size is None else batch_size, *size))
    photos = jax.ShapeDtypeStruct(jax_export.symbolic_shape(lengths), dtype)
    given = (photos,) if weights_inside else (jax.eval_shape(list, leaves), photos)
    with _explained(batch_size), _without_paths():
        program = jax_export.export(jax.jit(alone if weights_inside else with_weights), platforms=tuple(platforms))
        payload = bytes(program(*given).serialize())
    about = {"format": FORMAT, "card": asdict(params.card), "photos": lengths, "dtype": dtype}
    about |= {"platforms": list(platforms), "weights_inside": weights_inside}
    about |= {"sha256": hashlib.sha256(payload).hexdigest(), "jax": jax.__version__, "jaxcam": version("jaxcam")}
    with whole_file(out) as file, zipfile.ZipFile(file, "w") as parts:
        parts.writestr(zipfile.ZipInfo(ABOUT), json.dumps(about, indent=1, ensure_ascii=False))
        parts.writestr(zipfile.ZipInfo(PROGRAM), payload)


@dataclass(frozen=True, eq=False)
class ExportedFunction:
    """A function that `export` wrote and `load_exported` read: called with photos, it gives what it gave before.

    Attributes:
        card: of the network, with the names of its classes.
        program: the `jax.export.Exported`, for those who know.
        about: the rest of what the file says of itself.
    """

    card: Card
    program: Any
    about: dict[str, Any]

    def __call__(self, photos: Images, weights: Sequence[Shaped[type_of_array, "..."]] | None = None) -> Any:
        """Run it.

        Args:
            photos: a batch (b, h, w, channels) of the size and dtype that it was exported for.
            weights: `jax.tree.leaves(params)`, where it was exported without.

        Raises:
            ValueError: for other photos, or weights where it has them or lacks them.
        """
        expected = self.program.in_avals[-1]
        fits = photos.ndim == expected.ndim and photos.dtype == expected.dtype
        if not fits or any(
            isinstance(wanted, int) and wanted != given
            for wanted, given in zip(expected.shape, photos.shape, strict=True)
        ):
            raise ValueError(
                f"photos: got {photos.dtype} of shape {tuple(photos.shape)}; this file was made for {expected.dtype} "
                f"of shape ({self.about['photos']}){', where b is any number' if 'b' in self.about['photos'] else ''}"
            )
        if (weights is None) != self.about["weights_inside"]:
            raise ValueError(
                "weights: got some, but this file has its own; leave them out"
                if weights is not None
                else "weights: got none, and this file has none; give jax.tree.leaves(params)"
            )
        return self.program.call(*(() if weights is None else (list(weights),)), photos)


def load_exported(path: str | os.PathLike) -> ExportedFunction:
    """Read what `export` wrote: a function of photos, which needs no network and no checkpoint.

    A program is code: load only what you trust; the hash in the file tells damage, not malice. JAX alone reads it too:
    `jax.export.deserialize(bytearray(zipfile.ZipFile(path).read("program.bin"))).call`.

    Args:
        path: the file.

    Returns:
        A function of photos, with the `card` of the network.

    Raises:
        ValueError: for a file that is damaged or of another kind, or where `flatbuffers` is not installed.

    >>> import jaxcam, numpy as np, tempfile
    >>> brightness = jaxcam.from_functions(
    ...     lambda weights, images: images,
    ...     lambda weights, features: features.mean((1, 2)),
    ...     card=jaxcam.Card(("red", "green", "blue"), image_size=(8, 8)),
    ... )
    >>> with tempfile.TemporaryDirectory() as home:
    ...     jaxcam.export(brightness, jaxcam.logits, out=f"{home}/scores.jaxcam")
    ...     scores = jaxcam.load_exported(f"{home}/scores.jaxcam")
    >>> scores(np.zeros((2, 8, 8, 3), np.uint8)).argmax(axis=-1), scores.card.classes
    (Array([2, 2], dtype=int32), ('red', 'green', 'blue'))
    """
    _check_flatbuffers()
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"path: there is no file {path}")
    try:
        with zipfile.ZipFile(path) as parts:
            if any(part.compress_type != zipfile.ZIP_STORED for part in parts.infolist()):  # it could be of any size
                raise ValueError("its parts are compressed, and those that export writes are not")
            about, payload = json.loads(parts.read(ABOUT)), parts.read(PROGRAM)
        if about["format"] != FORMAT:
            raise ValueError(f"its format is {about['format']}, this version reads {FORMAT}")
        if not isinstance(about["weights_inside"], bool) or not isinstance(about["photos"], str):
            raise ValueError("it does not say what it is to be given")
        if hashlib.sha256(payload).hexdigest() != about["sha256"]:
            raise ValueError("its program is not as it was written")
        return ExportedFunction(card_from_json(about.pop("card")), jax_export.deserialize(bytearray(payload)), about)
    except Exception as error:  # a damaged file makes errors of many kinds
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ValueError(f"{path}: it is damaged, or was not written by jaxcam.export: {reason}") from error


def _check_options(card, photo_size, batch_size, dtype, platforms):
    """The lengths of photos without those of the batch."""
    size = whole_lengths(card.image_size if photo_size is None else photo_size, len(card.image_size))
    if size is None:
        raise ValueError(f"photo_size: got {photo_size!r}; give {len(card.image_size)} lengths of at least 1")
    if batch_size is not None and whole_lengths((batch_size,), 1) is None:
        raise ValueError(f"batch_size: got {batch_size!r}; give a number of at least 1, or None for any")
    if dtype not in DTYPES:
        raise ValueError(f"dtype: got {dtype!r}; use one of {', '.join(DTYPES)}")
    if not platforms or isinstance(platforms, str) or set(platforms) - {*PLATFORMS, "rocm"}:
        raise ValueError(f"platforms: got {platforms!r}; give some of {', '.join(PLATFORMS)}, rocm")
    return (*size, card.channels)


def _check_flatbuffers() -> None:
    try:
        import flatbuffers  # noqa: F401
    except ImportError as error:
        raise ValueError(
            f"export: jax writes and reads such files by flatbuffers, which cannot be imported ({error}): "
            "pip install 'jaxcam[export]'"
        ) from None


@contextmanager
def _explained(batch_size: int | None) -> Iterator[None]:
    """What cannot be exported as a ValueError that says what to do."""
    try:
        yield
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        if "callback" in str(error):
            raise ValueError(
                f"function: it calls back to the host, which no file can hold ({reason}); leave that out: boxes by the "
                'rule "release" do, those by "paper" and "wsol" do not'
            ) from error
        if batch_size is None and not isinstance(error, ValueError):
            raise ValueError(
                f"function: it cannot be traced for a batch of any size ({reason}); give batch_size="
            ) from error
        raise


@contextmanager
def _without_paths() -> Iterator[None]:
    """Programs name the source files that they come from: where those lie is nobody's business who gets the program."""
    name = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, before)
