"""GAP networks made of torchvision's plain ones: the shared part gives torchvision's features, the rest is fresh."""

import jax
import numpy as np
import pytest

import jaxcam
from jaxcam.card import IMAGENET

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch, and --no-deps torchvision")
networks = pytest.importorskip("tests.reference.torch_networks", reason="torchvision is not installed")

pytestmark = pytest.mark.torch

PLAIN = [f"vgg{depth}{suffix}" for depth in (11, 13, 16, 19) for suffix in ("", "_bn")]
SMALLEST = {"vgg11", "vgg11_bn"}
FRESH = {f"{module}/{leaf}" for module in ("backbone/cam_conv", "head/classifier") for leaf in ("kernel", "bias")}


@pytest.fixture
def saved(request, tmp_path):
    """A plain network and its file. The head's layers are small: nothing reads more of them than their names."""
    with networks.narrow_layers():
        model = networks.random_model(request.param)
    networks.save_file(model.state_dict(), tmp_path / "weights.safetensors")
    return model, tmp_path / "weights.safetensors", f"{request.param}_gap"


@pytest.mark.parametrize(
    "saved", [pytest.param(name, marks=() if name in SMALLEST else pytest.mark.slow) for name in PLAIN], indirect=True
)
def test_shares_the_features(saved):
    model, path, name = saved
    params, report = jaxcam.import_weights(path, name)
    assert set(report["fresh"]) == FRESH
    assert params.card.preprocessing == IMAGENET
    assert len(params.card.classes) == 1000
    pixels = np.random.default_rng(0).normal(size=(1, 3, 99, 135)).astype(np.float32)
    with torch.no_grad():
        expected = model.features[:-1](torch.from_numpy(pixels)).numpy().transpose(0, 2, 3, 1)
    stage = params.network.stages[-2]
    shared, logits = jax.jit(
        lambda variables, pixels: (
            params.network.apply(variables, pixels, stage, method="features"),
            params.network.apply(variables, pixels)[1],
        )
    )(params.variables, pixels.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(shared, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("saved", ["vgg11"], indirect=True)
def test_takes_any_number_of_classes_and_groups(saved):
    _, path, name = saved
    options = {"num_classes": 2, "classes": ("cat", "dog"), "key": jax.random.key(1), "cam_groups": 2}
    params, report = jaxcam.import_weights(path, name, **options)
    assert set(report["fresh"]) == FRESH
    assert params.card.classes == ("cat", "dog")
    weights = params.variables["params"]
    assert weights["backbone"]["cam_conv"]["kernel"].shape == (3, 3, 256, 1024)
    np.testing.assert_allclose(weights["backbone"]["cam_conv"]["kernel"].std(), 0.01, rtol=0.01)
    assert weights["head"]["classifier"]["kernel"].shape == (1024, 2)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "mobilenet_v3_large"])
def test_mobilenet_shares_the_backbone(name, tmp_path):
    path = tmp_path / "weights.safetensors"
    networks.save_file(networks.random_model(name).state_dict(), path)
    plain, _ = jaxcam.import_weights(path, name)
    params, report = jaxcam.import_weights(path, f"{name}_gap", num_classes=3)
    assert set(report["fresh"]) == {"head/classifier/kernel", "head/classifier/bias"}
    for collection in ("params", "batch_stats"):
        trees = (variables[collection]["backbone"] for variables in (params.variables, plain.variables))
        jax.tree.map(np.testing.assert_array_equal, *trees)
