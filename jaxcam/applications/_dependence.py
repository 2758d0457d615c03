"""What a traced program's outputs depend on: intervals of positions carried through it, one operation after another.

Of each element of an array the lowest and the highest position are kept, along one axis of the image, as (2, *shape):
the lowest and minus the highest, so that a union is a minimum. Weights depend on nothing, and their values are not
looked at. An axis along which nothing changes is kept with length 1: in a convolutional network that is all but one.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
from jax.extend.core import Literal

Spans = Any  # int32 (2, *shape), an axis of length 1 standing for one of any length
Number = Any  # a whole one, of NumPy's or Python's

NOTHING = 2**30

# Operations whose output's element depends on the same element of each input, or on a scalar.
ELEMENTWISE = re.compile(
    "abs|add|add_any|and|atan2|cbrt|ceil|clamp|convert_element_type|copy|copy_p|cos|cosh|div|eq|erf|erf_inv|erfc|exp|exp2"
    "|expm1|floor|ge|gt|integer_pow|is_finite|le|log|log1p|logistic|lt|max|min|mul|name|ne|neg|nextafter|not|or|pow"
    "|optimization_barrier|reduce_precision|rem|round|rsqrt|select_n|sign|sin|sinh|sqrt|square|stop_gradient|sub|tan"
    "|tanh|xor"
)
REDUCTIONS = re.compile("argmax|argmin|reduce_(and|max|min|or|prod|sum)")
# Operations that run a program once, on their inputs as they are, and where they keep it.
CALLS = re.compile("jit|pjit|closed_call|core_call|checkpoint|remat2?|custom_[jv][vj]p_call(_jaxpr)?")
PROGRAMS = ("jaxpr", "call_jaxpr", "fun_jaxpr")


def positions(shape: Sequence[int], axis: int) -> Spans:
    """The intervals of an image: each element depends on its own position along the axis."""
    along = np.arange(shape[axis], dtype=np.int32)
    spans = np.stack([along, -along])
    return spans.reshape(2, *(shape[axis] if other == axis else 1 for other in range(len(shape))))


def propagate(program: Any, inputs: Sequence[Spans | None]) -> list[Spans]:
    """The intervals of a program's outputs.

    Args:
        program: a jaxpr, closed or not.
        inputs: the intervals of its inputs; None for one that depends on nothing.

    Raises:
        ValueError: for an operation that is not known here.
    """
    program = getattr(program, "jaxpr", program)
    known = {var: _nothing(var) if given is None else given for var, given in zip(program.invars, inputs, strict=True)}
    known |= {var: _nothing(var) for var in program.constvars}
    ahead = Counter(atom for one in program.eqns for atom in one.invars if not isinstance(atom, Literal))
    ahead.update(atom for atom in program.outvars if not isinstance(atom, Literal))

    def read(atom: Any) -> Spans:
        if isinstance(atom, Literal):
            return _nothing(atom)
        ahead[atom] -= 1
        return known[atom] if ahead[atom] else known.pop(atom)  # attention's are large: none is kept in vain

    for equation in program.eqns:
        given = [read(atom) for atom in equation.invars]
        if all(map(_is_nothing, given)):
            found = [_nothing(var) for var in equation.outvars]
        else:
            found = [_without_copies(spans) for spans in _rule(equation)(given, equation)]
        known.update(zip(equation.outvars, found, strict=True))
    return [read(atom) for atom in program.outvars]


def _rule(equation: Any) -> Callable[[list[Spans], Any], Sequence[Spans]]:
    name = equation.primitive.name
    if name in RULES:
        return RULES[name]
    if ELEMENTWISE.fullmatch(name):
        return _elementwise
    if REDUCTIONS.fullmatch(name):
        return lambda given, equation: [given[0].min(axis=_behind(equation.params["axes"]))]
    if CALLS.fullmatch(name):
        program = next(equation.params[key] for key in PROGRAMS if key in equation.params)
        return lambda given, _: propagate(program, given)
    raise ValueError(f"network: it has the operation {name!r}, of which is not known what its outputs depend on")


def _nothing(atom: Any) -> Spans:
    return np.full((2, *[1] * len(atom.aval.shape)), NOTHING, np.int32)


def _is_nothing(spans: Spans) -> bool:
    return bool((spans == NOTHING).all())


def _behind(axes: Sequence[Number]) -> tuple[Number, ...]:
    """Axes of an array as those of its intervals."""
    return tuple(1 + axis for axis in axes)


def _without_copies(spans: Spans) -> Spans:
    """An axis along which nothing changes gets length 1."""
    for axis in range(1, spans.ndim):
        first, second = (_sliced(spans, axis, slice(at, at + 1)) for at in (0, 1))
        # The second is looked at first, since arrays may be large.
        if spans.shape[axis] > 1 and (first == second).all() and (spans == first).all():
            spans = first
    return spans


def _full(spans: Spans, axis: Number, length: Number) -> Spans:
    """With an axis as long as it is."""
    return spans if spans.shape[axis] == length else np.repeat(spans, length, axis)


def _sliced(spans: Spans, axis: Number, where: slice) -> Spans:
    return spans[(slice(None),) * axis + (where,)]


def _union(spans: Sequence[Spans]) -> Spans:
    return reduce(np.minimum, spans)


def _elementwise(given: list[Spans], equation: Any) -> list[Spans]:
    rank = max(spans.ndim for spans in given)
    union = _union([spans.reshape(2, *spans.shape[1:] or [1] * (rank - 1)) for spans in given])
    return [union] * len(equation.outvars)


def _broadcast(given: list[Spans], equation: Any) -> list[Spans]:
    lengths = [1] * len(equation.params["shape"])
    for axis, length in zip(equation.params["broadcast_dimensions"], given[0].shape[1:], strict=True):
        lengths[axis] = length
    return [given[0].reshape(2, *lengths)]


def _reshape(given: list[Spans], equation: Any) -> list[Spans]:
    """Runs of axes that become others keep length 1 where nothing changes along any of them."""
    old, new = equation.invars[0].aval.shape, equation.params["new_sizes"]
    before, after = [2], [2]
    for left, right in _runs(old, new):
        changes = max(given[0].shape[1:][left], default=1) > 1
        before += old[left] if changes else [1] * len(old[left])
        after += new[right] if changes else [1] * len(new[right])
    return [np.broadcast_to(given[0], before).reshape(after)]


def _runs(old: Sequence[Number], new: Sequence[Number]) -> Iterator[tuple[slice, slice]]:
    """Axes of an old shape and those of a new one that have as many elements, as few at a time as possible."""
    i = j = 0
    while i < len(old) or j < len(new):
        first = (i, j)
        i, j = min(i + 1, len(old)), min(j + 1, len(new))
        while (difference := np.prod(old[first[0] : i], dtype=int) - np.prod(new[first[1] : j], dtype=int)) != 0:
            i, j = (i + 1, j) if difference < 0 else (i, j + 1)
        yield slice(first[0], i), slice(first[1], j)


def _slice(given: list[Spans], equation: Any) -> list[Spans]:
    (spans,), how = given, equation.params
    strides = how["strides"] or [1] * (spans.ndim - 1)
    for axis, bounds in enumerate(zip(how["start_indices"], how["limit_indices"], strides, strict=True), start=1):
        if spans.shape[axis] > 1:
            spans = _sliced(spans, axis, slice(*bounds))
    return [spans]


def _pad(given: list[Spans], equation: Any) -> list[Spans]:
    spans, value = given
    if not _is_nothing(value):
        raise ValueError("network: it pads with values that depend on the image, which is not known here")
    lengths = equation.invars[0].aval.shape
    for axis, (padding, length) in enumerate(zip(equation.params["padding_config"], lengths, strict=True), start=1):
        if any(padding):
            spans = _padded(_full(spans, axis, length), axis, *padding)
    return [spans]


def _padded(spans: Spans, axis: Number, low: Number, high: Number, inside: Number = 0) -> Spans:
    """Elements that depend on nothing before, behind and between the others; less than none cuts off."""
    length = (spans.shape[axis] - 1) * (inside + 1) + 1
    shape = list(spans.shape)
    shape[axis] = max(low, 0) + length + max(high, 0)
    padded = np.full(shape, NOTHING, np.int32)
    _sliced(padded, axis, slice(max(low, 0), max(low, 0) + length, inside + 1))[:] = spans
    return _sliced(padded, axis, slice(max(-low, 0), shape[axis] - max(-high, 0)))


def _window(spans: Spans, axis: Number, size: Number, stride: Number, padding: Any, holes: Any) -> Spans:
    """The union of each window; `holes` are the steps between the image's elements and between the window's.

    Where nothing changes along the axis, nothing does: no network has windows of padding alone.
    """
    if spans.shape[axis] == 1:
        return spans
    spans = _padded(spans, axis, padding[0], padding[1], holes[0] - 1)
    count = (spans.shape[axis] - (size - 1) * holes[1] - 1) // stride + 1
    starts = range(0, size * holes[1], holes[1])
    return _union([_sliced(spans, axis, slice(start, start + (count - 1) * stride + 1, stride)) for start in starts])


def _reduce_window(given: list[Spans], equation: Any) -> list[Spans]:
    (spans, *_), how = given, equation.params
    names = ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")
    for axis, (size, stride, padding, *holes) in enumerate(zip(*(how[name] for name in names), strict=True), start=1):
        spans = _window(spans, axis, size, stride, padding, holes)
    return [spans]


def _convolution(given: list[Spans], equation: Any) -> list[Spans]:
    (spans, kernel), how = given, equation.params
    specs, groups = how["dimension_numbers"], how["feature_group_count"]
    if not _is_nothing(kernel) or how["batch_group_count"] != 1:
        raise ValueError("network: it has a convolution by a kernel that depends on images, which is not known here")
    spans = spans.transpose(0, *_behind(specs.lhs_spec))  # (2, b, k, *space)
    sizes = equation.invars[1].aval.shape
    if spans.shape[2] > 1:
        channels = spans.reshape(2, spans.shape[1], groups, -1, *spans.shape[3:]).min(axis=3)
        spans = np.repeat(channels, sizes[specs.rhs_spec[0]] // groups, axis=2)
    names = ("window_strides", "padding", "lhs_dilation", "rhs_dilation")
    windows = zip((sizes[axis] for axis in specs.rhs_spec[2:]), *(how[name] for name in names), strict=True)
    for axis, (size, stride, padding, *holes) in enumerate(windows, start=3):
        spans = _window(spans, axis, size, stride, padding, holes)
    return [np.moveaxis(spans, range(1, spans.ndim), _behind(specs.out_spec))]


def _dot(given: list[Spans], equation: Any) -> list[Spans]:
    (summed, shared), sides = equation.params["dimension_numbers"], []
    free = [
        [axis for axis in range(spans.ndim - 1) if axis not in (*summed[side], *shared[side])]
        for side, spans in enumerate(given)
    ]
    for side, spans in enumerate(given):
        union = spans.min(axis=_behind(summed[side]), keepdims=True)
        union = union.transpose(0, *_behind((*shared[side], *free[side], *summed[side])))
        batch, own, others = len(shared[side]), len(free[side]), [1] * len(free[1 - side])
        lengths = union.shape[1 + batch : 1 + batch + own]
        sides.append(union.reshape(*union.shape[: 1 + batch], *((*others, *lengths) if side else (*lengths, *others))))
    return [_union([side for side in sides if not _is_nothing(side)])]


def _concatenate(given: list[Spans], equation: Any) -> list[Spans]:
    axis = 1 + equation.params["dimension"]
    spans = [_full(one, axis, atom.aval.shape[axis - 1]) for one, atom in zip(given, equation.invars, strict=True)]
    lengths = [max(sizes) for sizes in zip(*(one.shape for one in spans), strict=True)]
    return [
        np.concatenate(
            [np.broadcast_to(o, [*lengths[:axis], o.shape[axis], *lengths[axis + 1 :]]) for o in spans], axis
        )
    ]


def _stack(given: list[Spans], equation: Any) -> list[Spans]:
    return [np.stack(np.broadcast_arrays(*given), 1 + equation.params["axis"])]


def _parts(given: list[Spans], equation: Any, lengths: Sequence[Number]) -> list[Spans]:
    """Of one axis cut into so many elements each."""
    axis = 1 + equation.params["axis"]
    spans = _full(given[0], axis, sum(lengths))
    return np.split(spans, np.cumsum(lengths)[:-1], axis)


def _unstack(given: list[Spans], equation: Any) -> list[Spans]:
    axis = 1 + equation.params["axis"]
    return [part.squeeze(axis) for part in _parts(given, equation, [1] * len(equation.outvars))]


def _branches(given: list[Spans], equation: Any) -> list[Spans]:
    """Of either branch, and what chooses between them.

    Branches for kinds of devices are the same function: the last one, for any, is its definition, and what computes it
    faster on another may take more cells in, and not count them.
    """
    if equation.params.get("branches_platforms"):
        return propagate(equation.params["branches"][-1], given[1:])
    outputs = [propagate(branch, given[1:]) for branch in equation.params["branches"]]
    index = given[0].reshape(2)
    return [_union([*each, index.reshape(2, *[1] * (each[0].ndim - 1))]) for each in zip(*outputs, strict=True)]


RULES: dict[str, Callable[[list[Spans], Any], Sequence[Spans]]] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "cond": _branches,
    "conv_general_dilated": _convolution,
    "dot_general": _dot,
    "pad": _pad,
    "reduce_window_max": _reduce_window,
    "reduce_window_min": _reduce_window,
    "reduce_window_sum": _reduce_window,
    "reshape": _reshape,
    "rev": lambda given, equation: [np.flip(given[0], _behind(equation.params["dimensions"]))],
    "slice": _slice,
    "split": lambda given, equation: _parts(given, equation, equation.params["sizes"]),
    "squeeze": lambda given, equation: [given[0].squeeze(_behind(equation.params["dimensions"]))],
    "stack": _stack,
    "transpose": lambda given, equation: [given[0].transpose(0, *_behind(equation.params["permutation"]))],
    "unstack": _unstack,
}
