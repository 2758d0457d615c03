"""Maps from the features' own statistics: their first principal component, or what is strong in each channel.

A_k(p) is channel k of a stage's output at cell p. Where nothing is said of labels, all have the same map.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcam.methods.cut import Cells, Cut, RawMaps, Targets
from jaxcam.methods.map_method import map_method


@map_method()
def eigen_cam(cut: Cut, targets: Targets, *, centred: bool = False) -> RawMaps:
    """Eigen-CAM: the features' first principal component, whatever the label.

    M(p) = sum_k v_k A_k(p), with v the first right singular vector of A, its rows the cells and its columns the
    channels.

    A singular vector has no sign of its own. Here M sums to at least 0; for features without negative values it then
    has none. Where channels are centred M sums to 0, and its value farthest from 0 is positive.

    Args:
        centred: take each channel's mean from it first, as pytorch-grad-cam does and the paper does not.

    Source: Muhammad and Yeasin, "Eigen-CAM: Class Activation Map using Principal Components", IJCNN 2020, arXiv
    2008.00299.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> jaxcam.eigen_cam(params, jnp.zeros((2, 32, 24, 3))).shape
    (2, 32, 24)
    """
    return _for_every_label(_first_component(cut.cells, centred), targets)


@map_method()
def eigen_grad_cam(cut: Cut, targets: Targets, *, centred: bool = True) -> RawMaps:
    """Eigen-Grad-CAM: the first principal component of gradient times feature, for each label its own.

    M(p) = sum_k v_k B_k(p), B_k(p) = G_k(p) A_k(p) less its mean over cells, G_k(p) = dS / dA_k(p), with S the score of
    the label and v the first right singular vector of B. The sign is that of `eigen_cam`.

    Args:
        centred: take each channel's mean from it first, as pytorch-grad-cam does, where the method comes from.

    Source: pytorch-grad-cam, `EigenGradCAM`; no paper.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> jaxcam.eigen_grad_cam(params, jnp.zeros((2, 32, 24, 3)), jnp.array([3, 1])).shape
    (2, 32, 24)
    """
    products = cut.gradients(targets) * cut.cells[:, None]
    maps = _first_component(products.reshape(-1, *cut.cells.shape[1:]), centred)
    return maps.reshape(products.shape[:-1])


@map_method()
def kpca_cam(
    cut: Cut,
    targets: Targets,
    *,
    kernel: str = "sigmoid",
    gamma: float | None = None,
    degree: int = 3,
    constant: float = 1.0,
) -> RawMaps:
    """KPCA-CAM: the features' first principal component in the space of a kernel, whatever the label.

    M = sqrt(l) u, with l and u the largest eigenvalue and its vector of H K H, H = 1 - 1/N for N cells,
    K(p, q) = kernel(A(p), A(q)), and A(p) the channels less their means over cells. M sums to 0; of both signs, the one
    by which its value farthest from 0 is positive, as in scikit-learn's KernelPCA.

    "linear": x.y, and the map is that of `eigen_cam(centred=True)`; "poly": (gamma x.y + constant)^degree;
    "rbf": exp(-gamma |x - y|^2); "sigmoid": tanh(gamma x.y + constant); "cosine": x.y / (|x| |y|).

    K has a row and a column a cell, so time grows with the cube of their number: take a late stage.

    Args:
        kernel: "linear", "poly", "rbf", "sigmoid" or "cosine".
        gamma: of the kernel; None for 1 / number of channels.
        degree: of "poly".
        constant: of "poly" and "sigmoid".

    Source: Karmani et al., "KPCA-CAM: Visual Explainability of Deep Computer Vision Models using Kernel PCA", MMSP
    2024, arXiv 2410.00267.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> jaxcam.kpca_cam(params, jnp.zeros((2, 32, 24, 3)), kernel="rbf").shape
    (2, 32, 24)
    """
    rows = _centred(cut.cells.reshape(cut.cells.shape[0], -1, cut.cells.shape[-1]))
    kernels = _kernel_function(kernel, 1 / rows.shape[-1] if gamma is None else gamma, degree, constant)(rows)
    kernels = _centred(_centred(kernels).swapaxes(1, 2))
    first = _first_vector(kernels)
    value = jnp.einsum("bp,bpq,bq->b", first, kernels, first, precision="highest")[:, None]
    maps = first * jnp.where(value > 0, jnp.sqrt(jnp.where(value > 0, value, 1)), 0)
    return _for_every_label(_signed(maps, centred=True).reshape(cut.cells.shape[:-1]), targets)


@map_method()
def fem(cut: Cut, targets: Targets, *, num_stds: float = 2.0) -> RawMaps:
    """FEM, the Feature Explanation Method: channels that are strong at a cell, each by its mean, whatever the label.

    M(p) = sum_k m_k [A_k(p) >= m_k + num_stds s_k], with m_k and s_k the mean and the standard deviation of channel k
    over cells.

    pytorch-grad-cam 1.5 weighs otherwise: sum_k n_k A_k(p), with n_k the share of cells where channel k is strong.

    Args:
        num_stds: above the mean, from where a channel is strong.

    Source: Fuad et al., "Features Understanding in 3D CNNs for Actions Recognition in Video", IPTA 2020.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> jaxcam.fem(params, jnp.zeros((2, 32, 24, 3)), num_stds=1.0).shape
    (2, 32, 24)
    """
    means = cut.cells.mean(axis=cut.axes, keepdims=True)
    strong = cut.cells >= means + num_stds * cut.cells.std(axis=cut.axes, keepdims=True)
    return _for_every_label((means * strong.astype(means.dtype)).sum(axis=-1), targets)


def _for_every_label(maps: Float[Array, "b *cells"], targets: Targets) -> RawMaps:
    return jnp.broadcast_to(maps[:, None], (*targets.shape[:2], *maps.shape[1:]))


def _first_component(cells: Cells, centred: bool) -> Float[Array, "b *cells"]:
    """The projection of each image's cells on their first right singular vector."""
    batch, *space, channels = cells.shape
    rows = cells.reshape(batch, -1, channels)
    rows = _centred(rows) if centred else rows
    # Both Gram matrices have the same eigenvalues; the smaller one is decomposed.
    if rows.shape[1] < channels:
        gram = jnp.einsum("bpk,bqk->bpq", rows, rows, precision="highest")
        direction = jnp.einsum("bpk,bp->bk", rows, _first_vector(gram), precision="highest")
        length = (direction**2).sum(axis=-1, keepdims=True)
        direction = jnp.where(length > 0, direction, 0) / jnp.sqrt(jnp.where(length > 0, length, 1))
    else:
        direction = _first_vector(jnp.einsum("bpk,bpj->bkj", rows, rows, precision="highest"))
    maps = jnp.einsum("bpk,bk->bp", rows, direction, precision="highest")
    return _signed(maps, centred).reshape(batch, *space)


def _centred(rows: Float[Array, "b p k"]) -> Float[Array, "b p k"]:
    return rows - rows.mean(axis=1, keepdims=True)


def _signed(maps: Float[Array, "b p"], centred: bool) -> Float[Array, "b p"]:
    """Maps whose sum is positive or, where that is 0 but for rounding, whose value farthest from 0 is."""
    low, high = maps.min(axis=-1, keepdims=True), maps.max(axis=-1, keepdims=True)
    total = low + high if centred else maps.sum(axis=-1, keepdims=True)
    return jnp.where(total < 0, -maps, maps)


def _first_vector(matrices: Float[Array, "b m m"]) -> Float[Array, "b m"]:
    """The eigenvector of the largest eigenvalue of symmetric matrices."""
    values, vectors = jnp.linalg.eigh(jax.lax.stop_gradient(matrices))
    first, others = vectors[..., -1], vectors[..., :-1]
    # Only the first vector is to be differentiated: eigh's own derivative divides by 0 where other eigenvalues are
    # equal, as those of channels without features are. dv = sum over the others u of u (u.dM v) / (l - l_u); the change
    # that it is made of is 0, but for its derivative.
    moved = jnp.einsum("bpq,bq->bp", matrices, first, precision="highest")
    change = jnp.einsum("bpj,bp->bj", others, moved - jax.lax.stop_gradient(moved), precision="highest")
    gaps = values[..., -1:] - values[..., :-1]
    return first + jnp.einsum("bpj,bj->bp", others, change / jnp.where(gaps > 0, gaps, jnp.inf), precision="highest")


def _kernel_function(name: str, gamma: float, degree: int, constant: float) -> Callable[[Array], Array]:
    """Of rows (b, p, k), the kernel (b, p, p) of all pairs."""

    def products(rows: Array) -> Array:
        return jnp.einsum("bpk,bqk->bpq", rows, rows, precision="highest")

    def squared_distances(rows: Array) -> Array:
        squares = (rows**2).sum(axis=-1)
        return jnp.maximum(squares[:, :, None] + squares[:, None] - 2 * products(rows), 0)

    def directions(rows: Array) -> Array:
        squares = (rows**2).sum(axis=-1, keepdims=True)
        return jnp.where(squares > 0, rows, 0) / jnp.sqrt(jnp.where(squares > 0, squares, 1))

    kernels: dict[str, Callable[[Array], Array]] = {
        "linear": products,
        "poly": lambda rows: (gamma * products(rows) + constant) ** degree,
        "rbf": lambda rows: jnp.exp(-gamma * squared_distances(rows)),
        "sigmoid": lambda rows: jnp.tanh(gamma * products(rows) + constant),
        "cosine": lambda rows: products(directions(rows)),
    }
    if name not in kernels:
        raise ValueError(f"kernel: got {name!r}; use one of {', '.join(kernels)}")
    return kernels[name]
