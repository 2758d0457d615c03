"""The axis vocabulary: b batch, h w pixels (`space`), y x cells, k channels, c classes, n labels an image.

Every array annotation of the package is built from these names, so that a signature can be read without its body.
NumPy arrays are welcome wherever JAX arrays are.
"""

from typing import Any

from jax import Array
from jaxtyping import Bool, Float, Int, Shaped, UInt8
from numpy import generic, ndarray

type_of_array = Array | ndarray
Length = Any  # of an axis that may be any: an int, or a symbol in a program that is exported for any batch size

# What a user gives is of any kind here: a ValueError says more about a wrong one than a type can.
Images = Shaped[type_of_array, "*b_space_channels"]  # uint8, or float in [0, 1]: (b, h, w, 3) or one (h, w, 3)
LabelsLike = Shaped[type_of_array, "..."] | generic | int | float | list | tuple  # whatever makes Labels
Pixels = Float[type_of_array, "b *space channels"]  # preprocessed images: what a network eats
Features = Float[type_of_array, "b *cells k"]
Kernel = Float[type_of_array, "k c"]
Logits = Float[type_of_array, "b c"]
Labels = Int[type_of_array, "..."]  # (b,) or (b, n); for one image a scalar or (n,)
Maps = Float[type_of_array, "..."]  # (b, h, w) or (b, n, h, w); for one image (h, w) or (n, h, w)
Masks = Bool[type_of_array, "*batch h w"]
Boxes = Float[type_of_array, "*batch 4"]  # half-open (x0, y0, x1, y1) in pixels
Photos = UInt8[ndarray, "_h _w 3"]  # a decoded photo on the host; its size may change on the way through a function
