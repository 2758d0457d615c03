"""Models of one's own, as the README writes them: Flax Linen, nnx, Equinox, and a transformer of plain functions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import data

import jaxcam
from jaxcam.card import Card, Preprocessing
from jaxcam.methods.table import METHODS
from tests.test_readme import blocks

PHOTO = data.chelsea()
PATTERNS = np.random.default_rng(1).integers(0, 2, (2, 8, 8, 3)).astype(np.float32)
PLAIN = Card(tuple("abcd"), image_size=(8, 8), preprocessing=Preprocessing(mean=(0.0,), std=(1.0,)))
LABELS = np.array([2, 0])


def model(name):
    """The names of the README's block that makes this model."""
    block = next(block for block in blocks("python") if f"{name} = jaxcam.from_functions(" in block)
    names = {"jax": jax, "jnp": jnp, "jaxcam": jaxcam, "data": data}
    exec(compile(block, "README.md", "exec"), names)
    return names


@pytest.fixture(scope="module")
def linen():
    """With random biases too, which begin at zero."""
    params, random = model("linen")["linen"], np.random.default_rng(0)
    layers = jax.tree.map(np.asarray, params.variables["params"])
    for layer in layers.values():
        layer["bias"] = random.normal(size=layer["bias"].shape).astype(np.float32)
    return params.replace(variables={"params": layers})


def with_weights(name, layers):
    """The model of another library with the weights of the Linen one."""
    names = model(name)
    params = names[name]
    conv, dense = layers["conv"], layers["dense"]
    if name == "equinox":
        arrays = params.variables
        leaves = (conv["kernel"].transpose(3, 2, 0, 1), conv["bias"][:, None, None], dense["kernel"].T, dense["bias"])
        arrays = names["eqx"].tree_at(
            lambda arrays: (arrays.conv.weight, arrays.conv.bias, arrays.linear.weight, arrays.linear.bias),
            arrays,
            tuple(map(jnp.asarray, leaves)),
        )
        return params.replace(variables=arrays)
    state = jax.tree.map(jnp.copy, params.variables)
    names["nnx"].replace_by_pure_dict(state, {"conv": {**conv}, "dense": {**dense}})
    return params.replace(variables=state)


def test_linen(linen):
    """M = sum_k w_k f_k, whose mean plus bias is the score; and Grad-CAM times cells, before its relu."""
    layers = linen.variables["params"]
    features = np.asarray(jaxcam.features(linen, PHOTO), np.float64)
    expected = np.moveaxis(features @ layers["dense"]["kernel"][:, LABELS], -1, 0)
    maps = jaxcam.cam(linen, PHOTO, LABELS, size="cells")
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-5)
    scores = jaxcam.logits(linen, PHOTO)[LABELS]
    np.testing.assert_allclose(maps.mean((1, 2)) + layers["dense"]["bias"][LABELS], scores, rtol=1e-4)
    found = jaxcam.grad_cam(linen, PHOTO, LABELS, size="cells", relu=False)
    np.testing.assert_allclose(maps[0].size * found, maps, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name, method", [("flax_nnx", "hires_cam"), ("equinox", "grad_cam")])
def test_other_libraries(linen, name, method):
    """The same weights in nnx and in Equinox: the same maps."""
    params = with_weights(name, linen.variables["params"])
    expected = jaxcam.cam(linen, PHOTO, LABELS, size="cells")
    np.testing.assert_allclose(jaxcam.cam(params, PHOTO, LABELS, size="cells"), expected, rtol=1e-4, atol=1e-5)
    found = getattr(jaxcam, method)(params, PHOTO, LABELS, size="cells", relu=False)
    np.testing.assert_allclose(found * expected[0].size, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(jaxcam.logits(params, PHOTO), jaxcam.logits(linen, PHOTO), rtol=1e-4, atol=1e-5)


def scores_of(weights, tokens):
    """The transformer's scores (many, c) of many tokens (many, 50, k), in float64."""
    asked = np.exp(np.einsum("mk,kl,mtl->mt", tokens[:, 0], weights["query"], tokens))
    asked /= asked.sum(axis=1, keepdims=True)
    return (tokens[:, 0] + np.einsum("mt,mtk->mk", asked, tokens)) @ weights["head"]


@pytest.mark.slow
def test_transformer():
    """Gradients by moving every number of every token; the class token's are in no map."""
    params = model("transformer")["transformer"]
    weights = {name: np.asarray(values, np.float64) for name, values in params.variables.items()}
    weights["query"] /= 10  # attention that is not all on one token
    params = params.replace(variables={name: jnp.asarray(values, jnp.float32) for name, values in weights.items()})
    tokens = np.asarray(jaxcam.features(params, PHOTO), np.float64)
    np.testing.assert_allclose(jaxcam.logits(params, PHOTO), scores_of(weights, tokens[None])[0], rtol=1e-3, atol=1e-3)
    moves = 1e-5 * np.eye(tokens.size).reshape(-1, *tokens.shape)
    slopes = (scores_of(weights, tokens + moves) - scores_of(weights, tokens - moves)) / 2e-5
    gradients = slopes.T.reshape(3, 50, 8)[:, 1:]
    cells = tokens[1:].reshape(7, 7, 8)
    expected = np.stack([np.maximum(cells @ gradients[label].mean(axis=0), 0) for label in LABELS])
    assert (expected > 0).any(axis=(1, 2)).all()
    found = jaxcam.grad_cam(params, PHOTO, LABELS, size="cells")
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * expected.max())


def tokens_of(weights, images):
    """Of whole numbers, which every dtype has; one of them is no cell."""
    cells = jax.nn.relu(images[:, ::2, ::2].astype(weights["in"].dtype) @ weights["in"]).reshape(len(images), 16, 6)
    return jnp.concatenate([cells.max(axis=1, keepdims=True), cells], axis=1)


def classes_of(weights, tokens):
    return jax.nn.tanh(tokens.mean(axis=1)) @ weights["out"]


def of_dtype(dtype):
    random = np.random.default_rng(0)
    shapes = {"in": (3, 6), "out": (6, 4)}
    weights = {name: jnp.asarray(random.integers(-2, 3, shape), dtype) for name, shape in shapes.items()}
    options = {"variables": weights, "card": PLAIN, "token_grid": (4, 4)}
    return jaxcam.from_functions(tokens_of, classes_of, lambda weights: weights["out"], **options)


COARSE = {
    "cam": {},
    "grad_cam": {},
    "grad_cam_plus_plus": {},
    "smooth_grad_cam_plus_plus": {"num_samples": 2, "std": 0.0},
    "eigen_grad_cam": {},
    "fem": {"num_stds": 1.0},
    "score_cam": {},
    "ablation_cam": {},
    "full_grad": {},
    "saliency": {},
    "integrated_gradients": {"steps": 2},
}


@pytest.mark.parametrize("name", COARSE)
def test_maps_of_a_model_that_computes_in_bfloat16(name):
    """Those of the same model in float32, but for rounding."""
    maps, expected = (
        METHODS[name](of_dtype(dtype), PATTERNS, LABELS, size="cells", **COARSE[name])
        for dtype in (jnp.bfloat16, jnp.float32)
    )
    assert maps.dtype == jnp.float32
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(maps, expected, rtol=0, atol=0.03 * np.abs(expected).max())


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_scores_of_a_model_that_computes_in_half_precision(dtype):
    params, exact = of_dtype(dtype), of_dtype(jnp.float32)
    assert jaxcam.features(params, PATTERNS).dtype == dtype
    for change in (lambda params: params, jaxcam.with_probabilities):
        scores = jaxcam.logits(change(params), PATTERNS)
        assert scores.dtype == jnp.float32
        np.testing.assert_allclose(scores, jaxcam.logits(change(exact), PATTERNS), atol=0.03)
    shares = jaxcam.logits(jaxcam.with_probabilities(params), PATTERNS)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    alike = jaxcam.with_similarities(params, np.ones(6, np.float32))
    np.testing.assert_allclose(jaxcam.logits(alike, PATTERNS).ravel(), cosines(exact), atol=0.01)


def cosines(params):
    means = np.asarray(jaxcam.features(params, PATTERNS), np.float64)[:, 1:].mean(axis=1)
    return means.sum(axis=1) / np.linalg.norm(means, axis=1) / 6**0.5
