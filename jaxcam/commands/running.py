"""What the command and the scripts share: how a user's mistake is answered, and what checkpoints' files are called."""

import ctypes
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

LONGEST = 2000  # characters of an error message
# mallopt's M_TRIM_THRESHOLD: never; M_MMAP_MAX: no block of its own for a large array; M_ARENA_MAX: one heap for all
# threads, as only the first can grow as far.
MALLOC_OPTIONS = {-1: -1, -4: 0, -8: 1}


def keep_programs() -> None:
    """Have JAX keep compiled programs in the user's cache folder, so that a command's second run compiles nothing.

    Settings of JAX's own win: JAX_COMPILATION_CACHE_DIR names another folder, JAX_ENABLE_COMPILATION_CACHE=false keeps
    nothing, and where JAX is imported already, it stays as it is.
    """
    if "jax" in sys.modules or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # nobody's home
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(home / "jaxcam" / "programs")
    # Most programs are small, and there are dozens of them.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def keep_freed_memory() -> None:
    """Have the C library keep the memory that is freed, for a process that takes the same again in every step.

    Otherwise a training step on CPUs gets hundreds of thousands of fresh pages from the system, and gives them back.
    For glibc; its own variables, such as MALLOC_ARENA_MAX, win.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is None or not hasattr(library, "mallopt") or any(name.startswith("MALLOC_") for name in os.environ):
        return
    for parameter, value in MALLOC_OPTIONS.items():
        library.mallopt(parameter, value)


def answer(command: Callable[[], int]) -> int:
    """Run a command; a user's mistake becomes one line on stderr.

    Args:
        command: parses its arguments, and does what they say.

    Returns:
        The exit code: the command's; 2 for a ValueError, an OSError or arguments that do not parse; 130 for Ctrl-C.

    >>> answer(lambda: 0)
    0
    """
    try:
        return command()
    except SystemExit as stop:  # tyro's, after --help or arguments that do not parse
        return stop.code if isinstance(stop.code, int) else 2
    except (ValueError, OSError) as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        _leave_others()
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _leave_others() -> None:
    """End at once, where this is one of several processes: at its exit JAX would wait for them, and they for it."""
    jax = sys.modules.get("jax")
    if jax is not None and jax.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(2)


def last_names(checkpoints: Sequence[str]) -> dict[str, str]:
    """What the files of each checkpoint are called: the last part of its folder's name.

    Raises:
        ValueError: for two of the same.

    >>> last_names(["tiny_imagenet", "./runs/mine/"])
    {'tiny_imagenet': 'tiny_imagenet', './runs/mine/': 'mine'}
    """
    owners: dict[str, str] = {}
    for checkpoint in checkpoints:
        path = Path(checkpoint)
        name = (path.resolve() if path.name in ("", "..") else path).name
        if name in owners:
            raise ValueError(
                f"checkpoints: got {owners[name]} and {checkpoint}, whose files would both be called {name!r}; "
                "evaluate one after the other, each with an --out of its own"
            )
        owners[name] = checkpoint
    return {checkpoint: name for name, checkpoint in owners.items()}


def _one_line(error: Exception) -> str:
    """The message of an error in one line of bearable length, whatever names from a file are in it."""
    text = " ".join(str(error).split())
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text) - LONGEST} more characters)"
