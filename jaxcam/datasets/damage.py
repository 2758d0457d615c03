"""What to do about a file that is missing or damaged: stop there, or leave it out and say so."""

from collections.abc import Callable, Iterable

from jaxcam.datasets.example import Example

ON_ERROR = ("stop", "skip")


def check_on_error(on_error: str) -> None:
    """Refuse any other word than "stop" and "skip".

    >>> check_on_error("ignore")
    Traceback (most recent call last):
    ValueError: on_error: got 'ignore'; use "stop" or "skip"
    """
    if on_error not in ON_ERROR:
        raise ValueError(f'on_error: got {on_error!r}; use "stop" or "skip"')


def collect(makers: Iterable[Callable[[], Example]], *, on_error: str) -> tuple[tuple[Example, ...], tuple[str, ...]]:
    """The examples that were made, and what each of the others failed with.

    Args:
        makers: one function an example; a ValueError says which of its files is missing or damaged, and how.
        on_error: "stop" at the first failure, or "skip" it.

    Returns:
        (examples, what was left out and why), both in order.

    Raises:
        ValueError: the first failure, where `on_error` is "stop", or for another `on_error`.
    """
    check_on_error(on_error)
    examples, skipped = [], []
    for make in makers:
        try:
            examples.append(make())
        except ValueError as error:
            if on_error == "stop":
                raise
            skipped.append(str(error))
    return tuple(examples), tuple(skipped)
