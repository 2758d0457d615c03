"""Maps from gradients: features weighed by how much they move the score of a class.

A_k(p) is channel k of a stage's output at cell p, S the score of the label, G_k(p) = dS / dA_k(p). All labels of an
image share one forward pass.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcam.methods.chunks import check_counts
from jaxcam.methods.cut import Cut, RawMaps, Targets, cut_at, weighed
from jaxcam.methods.map_method import map_method


@map_method()
def grad_cam(cut: Cut, targets: Targets, *, relu: bool = True) -> RawMaps:
    """Grad-CAM: channels weighed by their mean gradient.

    M(p) = relu(sum_k w_k A_k(p)), w_k = mean over p of G_k(p).

    On a network whose head is a mean over cells and one linear layer, the map before the relu times the number of cells
    is the class activation map.

    Args:
        relu: leave out what speaks against the class, as in the paper.

    Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV
    2017, arXiv 1610.02391.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> images = jax.random.uniform(jax.random.key(1), (2, 32, 32, 3))
    >>> labels = jnp.array([[3, 1], [0, 4]])
    >>> maps = jaxcam.grad_cam(params, images, labels, size="cells", relu=False)
    >>> bool(jnp.allclose(maps[0, 0].size * maps, jaxcam.cam(params, images, labels, size="cells"), atol=1e-5))
    True
    """
    weights = cut.gradients(targets).mean(axis=_space(cut))
    return _rectified(weighed(cut.cells, weights), relu)


@map_method()
def grad_cam_plus_plus(cut: Cut, targets: Targets, *, relu: bool = True) -> RawMaps:
    """Grad-CAM++: channels weighed by their positive gradients, those of each cell by its share in the score.

    M(p) = relu(sum_k w_k A_k(p)), w_k = sum over p of a_k(p) relu(G_k(p)),
    a_k(p) = G_k(p)^2 / (2 G_k(p)^2 + G_k(p)^3 sum over q of A_k(q)), 0 where G_k(p) is 0.

    The powers stand for higher derivatives of exp(S), which they are, times exp(S), if S is piecewise linear in A. That
    factor, which scales all weights of a map alike, is left out, so that maps do not overflow.

    pytorch-grad-cam 1.5 adds 1e-6 to the denominator, which is more than 2 G^2 where gradients are below 0.0007, as
    they often are behind a mean over cells. torch-cam 0.5 leaves a_k(p) = G_k(p)^2: it divides a copy.

    Args:
        relu: leave out what speaks against the class, as in the paper.

    Source: Chattopadhyay et al., "Grad-CAM++: Improved Visual Explanations for Deep Convolutional Networks", WACV 2018,
    arXiv 1710.11063.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> jaxcam.grad_cam_plus_plus(params, jnp.zeros((2, 32, 24, 3)), jnp.array([3, 1])).shape
    (2, 32, 24)
    """
    gradients = cut.gradients(targets)
    # Both sides of the fraction divided by G^2, which may underflow. Where G is 0, relu(G) is too.
    return _rectified(_plus_plus(cut, gradients, jnp.ones_like(gradients), gradients), relu)


@map_method()
def smooth_grad_cam_plus_plus(
    cut: Cut,
    targets: Targets,
    *,
    key: Array | None = None,
    num_samples: int = 4,
    std: float = 0.3,
    relu: bool = True,
) -> RawMaps:
    """Smooth Grad-CAM++: Grad-CAM++ with powers of gradients that are means over noisy copies of an image.

    M(p) = relu(sum_k w_k A_k(p)), w_k = sum over p of a_k(p) relu(mean G_k(p)),
    a_k(p) = mean G_k(p)^2 / (2 mean G_k(p)^2 + mean G_k(p)^3 sum over q of A_k(q)).

    The features A are those of the image without noise, and the copies count alike, exp(S) being left out. The paper's
    numerator is mean G_k(p), by which a_k would not be that of Grad-CAM++ where there is no noise; here, as in
    torch-cam 0.5, it is the mean square. torch-cam has relu(G_k(p)) of the last copy alone, and weighs that copy's A_k;
    its denominator has the sum over q of A_k(q) mean G_k(q)^3, and 1e-8.

    Args:
        key: a `jax.random.key` of the noise, the same for every image; None for that of 0.
        num_samples: number of copies.
        std: of the noise, in the network's preprocessed pixels.
        relu: leave out what speaks against the class, as in the paper.

    Source: Omeiza et al., "Smooth Grad-CAM++: An Enhanced Inference Level Visualization Technique for Deep
    Convolutional Neural Network Models", 2019, arXiv 1908.01224.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> jaxcam.smooth_grad_cam_plus_plus(params, jnp.zeros((2, 32, 24, 3)), jnp.array([3, 1])).shape
    (2, 32, 24)
    """
    check_counts(num_samples=num_samples)
    keys = jax.random.split(jax.random.key(0) if key is None else key, num_samples)

    @jax.jit  # so that it is traced once, however often it is written out
    def gradients_at(pixels: Array, key: Array) -> Array:
        noise = std * jax.random.normal(key, pixels.shape[1:], jnp.float32)
        return cut_at(cut.params, pixels + noise[None], cut.stage).gradients(targets)

    pixels, sums = cut.pixels, [jnp.zeros((*targets.shape[:2], *cut.cells.shape[1:]), jnp.float32)] * 3
    # Written out: in a device's loop XLA runs backward passes many times slower on CPUs. One copy begins when the one
    # before has ended, so that memory does not grow with their number.
    for copy in range(num_samples):
        pixels, sums = jax.lax.optimization_barrier((pixels, sums))
        gradients = gradients_at(pixels, keys[copy])
        sums = [total + gradients**power for power, total in enumerate(sums, start=1)]
    return _rectified(_plus_plus(cut, *(total / num_samples for total in sums)), relu)


@map_method()
def xgrad_cam(cut: Cut, targets: Targets, *, relu: bool = True) -> RawMaps:
    """XGrad-CAM: channels weighed by the gradients of their cells, each by its share in the channel.

    M(p) = relu(sum_k w_k A_k(p)), w_k = sum over p of A_k(p) G_k(p) / sum over p of A_k(p); 0 for a channel that is 0.

    Args:
        relu: leave out what speaks against the class, as in the paper.

    Source: Fu et al., "Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs", BMVC 2020, arXiv
    2008.02312.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> jaxcam.xgrad_cam(params, jnp.zeros((2, 32, 24, 3)), jnp.array([3, 1])).shape
    (2, 32, 24)
    """
    totals = cut.cells.sum(axis=cut.axes)[:, None]
    products = (cut.gradients(targets) * cut.cells[:, None]).sum(axis=_space(cut))
    # Not 0 alone: a label out of range is to stay NaN.
    weights = jnp.where(totals == 0, 0 * products, products / jnp.where(totals == 0, 1, totals))
    return _rectified(weighed(cut.cells, weights), relu)


@map_method()
def layer_cam(cut: Cut, targets: Targets, *, relu: bool = True, scale: float | None = None) -> RawMaps:
    """LayerCAM: every cell of a channel weighed by its own positive gradient. Made for early stages too.

    M(p) = relu(sum_k relu(G_k(p)) A_k(p)).

    Args:
        relu: leave out what speaks against the class, as in the paper.
        scale: None, or g for tanh(g M / max M), by which the paper brightens the maps of early stages (its g is 2)
            before it joins those of several. torch-cam 0.5 has tanh(g N) of maps N that are scaled to [0, 1] by their
            minimum too.

    Source: Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", IEEE TIP 2021.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> jaxcam.layer_cam(params, jnp.zeros((2, 32, 24, 3)), jnp.array([3, 1]), stage="layer2").shape
    (2, 32, 24)
    """
    maps = _rectified((jax.nn.relu(cut.gradients(targets)) * cut.cells[:, None]).sum(axis=-1), relu)
    if scale is None:
        return maps
    highest = maps.max(axis=_space(cut), keepdims=True)
    return jnp.tanh(scale * maps / jnp.where(highest > 0, highest, 1))


@map_method()
def hires_cam(cut: Cut, targets: Targets, *, relu: bool = False) -> RawMaps:
    """HiResCAM: gradient times feature, cell by cell: where the score comes from, if what follows is linear.

    M(p) = sum_k G_k(p) A_k(p).

    Args:
        relu: leave out what speaks against the class, as pytorch-grad-cam does and the paper does not.

    Source: Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural
    networks", 2020, arXiv 2011.08891.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> jaxcam.hires_cam(params, jnp.zeros((2, 32, 24, 3)), jnp.array([3, 1])).shape
    (2, 32, 24)
    """
    return _rectified((cut.gradients(targets) * cut.cells[:, None]).sum(axis=-1), relu)


@map_method()
def grad_cam_elementwise(cut: Cut, targets: Targets) -> RawMaps:
    """Element-wise Grad-CAM: as HiResCAM, of the channels that speak for the class in each cell.

    M(p) = sum_k relu(G_k(p) A_k(p)).

    Args:

    Source: pytorch-grad-cam, `GradCAMElementWise`; no paper.

    >>> import jax, jax.numpy as jnp, jaxcam
    >>> params = jaxcam.init("resnet10", jax.random.key(0), num_classes=5, width=8, stem="small")
    >>> jaxcam.grad_cam_elementwise(params, jnp.zeros((2, 32, 24, 3)), jnp.array([3, 1])).shape
    (2, 32, 24)
    """
    return jax.nn.relu(cut.gradients(targets) * cut.cells[:, None]).sum(axis=-1)


def _space(cut: Cut) -> tuple[int, ...]:
    """The axes of space where labels stand before them."""
    return tuple(axis + 1 for axis in cut.axes)


def _rectified(maps: Array, relu: bool) -> Array:
    return jax.nn.relu(maps) if relu else maps


def _plus_plus(cut: Cut, gradients: Array, squares: Array, cubes: Array) -> Array:
    """sum_k w_k A_k of Grad-CAM++ from the powers of its gradients."""
    totals = jnp.expand_dims(cut.cells.sum(axis=cut.axes), (1, *_space(cut)))
    below = 2 * squares + totals * cubes
    shares = jnp.where(below == 0, 0, squares / jnp.where(below == 0, 1, below))
    return weighed(cut.cells, (shares * jax.nn.relu(gradients)).sum(axis=_space(cut)))
