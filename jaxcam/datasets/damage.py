"""What to do about a file that is missing or damaged: stop there, or leave it out and say so."""

ON_ERROR = ("stop", "skip")


def check_on_error(on_error: str) -> None:
    """Refuse any other word than "stop" and "skip".

    >>> check_on_error("ignore")
    Traceback (most recent call last):
    ValueError: on_error: got 'ignore'; use "stop" or "skip"
    """
    if on_error not in ON_ERROR:
        raise ValueError(f'on_error: got {on_error!r}; use "stop" or "skip"')
