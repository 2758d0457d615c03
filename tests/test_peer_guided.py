"""Guided backpropagation against pytorch-grad-cam on one network's weights."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxcam
from jaxcam.forward import preprocess

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch, and --no-deps torchvision")
networks = pytest.importorskip("tests.reference.torch_networks", reason="torchvision is not installed")
peer = pytest.importorskip("pytorch_grad_cam", reason="pytorch-grad-cam is not installed: see the extra peers")

pytestmark = pytest.mark.torch


def test_pytorch_grad_cam(tmp_path):
    """The same gradients at the network's pixels; ours are of the image, which its standard deviations divide."""
    model = networks.random_model("resnet18")
    networks.save_file(model.state_dict(), tmp_path / "weights.safetensors")
    params = jaxcam.import_weights(tmp_path / "weights.safetensors", "resnet18")[0]
    images = np.random.default_rng(0).random((1, 64, 48, 3), np.float32)
    pixels = np.asarray(preprocess(params, jnp.asarray(images), image_size=(64, 48)))
    tensor = torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())
    theirs = peer.GuidedBackpropReLUModel(model)(tensor, target_category=251)
    expected = np.abs(theirs / params.card.preprocessing.std).max(-1)
    maps = jaxcam.guided_backprop(params, images, [251], image_size=(64, 48), size="cells")
    np.testing.assert_allclose(maps[0], expected, rtol=0, atol=1e-3 * expected.max())
