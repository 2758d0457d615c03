"""jaxcam.networks.vit against a NumPy restatement, and its GAP networks against torchvision's encoder."""

import jax
import numpy as np
import pytest

import jaxcam
from jaxcam.card import Card
from jaxcam.checkpoints.folders import _network_record
from jaxcam.params import Params, make_network
from tests.reference import vit as plain
from tests.reference.weights import random_variables

pytestmark = pytest.mark.slow

SMALL = {"patch": 4, "grid": (3, 4), "depth": 2, "width": 12, "heads": 3, "hidden": 20}
CARD = Card(tuple("abcde"), image_size=(12, 16))


def network_of(name, **options):
    network = make_network(name, 5, **{**SMALL, **options})
    return network, random_variables(network, CARD)


def pixels(size=CARD.image_size):
    return np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)


@pytest.mark.parametrize("name, size", [("vit_b_16", (12, 16)), ("vit_b_16_gap", (12, 16)), ("vit_b_16_gap", (20, 8))])
def test_equals_numpy(name, size):
    """Every stage, what follows each, and the logits; with another grid than its own where there is no class token."""
    network, variables = network_of(name)
    images = pixels(size)

    @jax.jit
    def run(variables, images):
        outputs = [network.apply(variables, images, stage, method="features") for stage in network.stages]
        pairs = zip(outputs, network.stages, strict=True)
        return outputs, [network.apply(variables, x, stage, method="logits") for x, stage in pairs]

    outputs, logits = run(variables, images)
    parts, head = (variables["params"][part] for part in ("backbone", "head"))
    expected = [plain.stages(image, parts, 4, 2, 3) for image in images]
    for got, wanted in zip(outputs, zip(*expected, strict=True), strict=True):
        np.testing.assert_allclose(got, np.reshape(wanted, got.shape), rtol=1e-4, atol=1e-4)
    pooled = [tokens[-1].mean(0) if name.endswith("gap") else tokens[-1][0] for tokens in expected]
    for scores in logits:
        np.testing.assert_allclose(scores, plain.dense(np.array(pooled), head["classifier"]), rtol=1e-4, atol=1e-4)


def test_class_maps_are_made_of_tokens():
    """Their mean over the cells and the bias give the logit, at any number of cells."""
    network, variables = network_of("vit_b_16_gap")
    images = np.random.default_rng(0).integers(0, 256, (2, 12, 16, 3), dtype=np.uint8)
    bias = variables["params"]["head"]["classifier"]["bias"]
    for size, cells in (((12, 16), (3, 4)), ((20, 8), (5, 2))):
        params = Params(jax.device_put(variables), network, Card(CARD.classes, image_size=size))
        maps = jaxcam.cam(params, images, np.tile(np.arange(5), (2, 1)), size="cells")
        assert maps.shape == (2, 5, *cells)
        scores = jaxcam.logits(params, images)
        np.testing.assert_allclose(maps.mean((2, 3)) + bias[None], scores, rtol=1e-4, atol=1e-4)


def test_activation_is_replaced_everywhere():
    calls = []

    def recording(x):
        calls.append(x.shape)
        return x

    network = make_network("vit_b_16", 5, activation=recording)
    jax.eval_shape(network.init, jax.random.key(0), np.zeros((1, 224, 224, 3), np.float32))
    assert calls == [(1, 197, 3072)] * 12


@pytest.mark.parametrize("name, size, message", [
    ("vit_b_16", (12, 12), r"images: got \(12, 12\) pixels; with a class token this network takes \(12, 16\) only"),
    ("vit_b_16_gap", (12, 18), r"images: got \(12, 18\) pixels; give height and width that are multiples of 4"),
    ("vit_b_16_gap", (0, 16), r"images: got \(0, 16\) pixels; give height and width that are multiples of 4"),
])  # fmt: skip
def test_wrong_size(name, size, message):
    network, variables = network_of(name)
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(network.apply, variables, np.zeros((1, *size, 3), np.float32))


@pytest.mark.parametrize("options, message", [
    ({"grid": (14,)}, r"grid: got \(14,\); give the numbers \(y, x\) of patches"),
    ({"grid": (0, 14)}, r"grid: got \(0, 14\); give the numbers"),
    ({"heads": 5}, "heads: got 5 for a width of 768; give a divisor of it"),
])  # fmt: skip
def test_wrong_option(options, message):
    with pytest.raises(ValueError, match=message):
        make_network("vit_b_32_gap", 5, **options)


@pytest.mark.parametrize("name", ["vit_b_16", "vit_b_32_gap"])
def test_record_holds_the_options(name):
    network = make_network(name, 5, **{**SMALL, "grid": [5, 6]})
    record = _network_record(network)
    assert record["options"]["grid"] == [5, 6]
    assert make_network(record["network"], 5, **record["options"]) == network


@pytest.mark.torch
@pytest.mark.parametrize("size", [(224, 224), (160, 288)])
def test_gap_network_runs_torchvisions_encoder_without_the_class_token(size, tmp_path):
    """With positions of the patches alone, which torch resizes where the grid is another."""
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
    networks = pytest.importorskip("tests.reference.torch_networks", reason="torchvision is not installed")
    options = {"num_layers": 2, "num_heads": 3, "hidden_dim": 48, "mlp_dim": 64}
    model = networks.randomize(networks.models.VisionTransformer(image_size=224, patch_size=32, **options))
    networks.save_file(model.state_dict(), tmp_path / "weights.safetensors")
    options = {"depth": 2, "heads": 3, "width": 48, "hidden": 64}
    params, report = jaxcam.import_weights(tmp_path / "weights.safetensors", "vit_b_32_gap", **options)
    assert set(report["fresh"]) == {"head/classifier/kernel", "head/classifier/bias"}
    images = pixels(size)
    with torch.no_grad():
        x = model.conv_proj(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
        grid = model.encoder.pos_embedding[0, 1:].T.reshape(1, -1, 7, 7)
        x = x + torch.nn.functional.interpolate(grid, x.shape[2:], mode="bicubic", align_corners=False)
        expected = model.encoder.ln(model.encoder.layers(x.flatten(2).transpose(1, 2)))
    features, _ = jax.jit(params.network.apply)(params.variables, images)
    assert features.shape == (2, size[0] // 32, size[1] // 32, 48)
    wanted = expected.numpy().reshape(features.shape)
    np.testing.assert_allclose(features, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
