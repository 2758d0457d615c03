"""Class activation mapping in pure JAX/Flax: from weights to maps, boxes and localization error.

>>> import jax, jaxcam
>>> params = jaxcam.load("tiny_imagenet")
>>> images = jax.numpy.zeros((2, 64, 64, 3))
>>> maps = jaxcam.cam(params, images)
>>> jaxcam.boxes(maps).shape
(2, 4)
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("jaxcam")

# Public names by module. They are imported when first asked for, so that `import jaxcam` and the command start fast.
_PUBLIC = {
    "jaxcam.box_rules": ("boxes",),
    "jaxcam.card": ("Card", "Preprocessing"),
    "jaxcam.checkpoints": ("describe", "load", "save"),
    "jaxcam.concepts": ("find_concepts",),
    "jaxcam.evaluation": ("evaluate",),
    "jaxcam.explanation": ("Explanation", "explain"),
    "jaxcam.exporting": ("export", "load_exported"),
    "jaxcam.forward": ("features", "logits"),
    "jaxcam.methods.ablation": ("ablation_cam",),
    "jaxcam.methods.activation": ("cam", "cam_from_features"),
    "jaxcam.methods.attention": ("attention_rollout", "rollout"),
    "jaxcam.methods.averaged": ("integrated_gradients", "smooth_grad"),
    "jaxcam.methods.backprop": ("input_x_gradient", "saliency"),
    "jaxcam.methods.contrasts": ("contrastive", "counterfactual"),
    "jaxcam.methods.full_gradient": ("full_grad",),
    "jaxcam.methods.gradient": (
        "grad_cam",
        "grad_cam_elementwise",
        "grad_cam_plus_plus",
        "hires_cam",
        "layer_cam",
        "smooth_grad_cam_plus_plus",
        "xgrad_cam",
    ),
    "jaxcam.methods.guided": ("guided_backprop", "guided_grad_cam"),
    "jaxcam.methods.masking": ("is_cam", "score_cam", "ss_cam"),
    "jaxcam.methods.occluding": ("occlusion", "rise"),
    "jaxcam.methods.principal": ("eigen_cam", "eigen_grad_cam", "fem", "kpca_cam"),
    "jaxcam.methods.scaling": ("normalize",),
    "jaxcam.methods.wrappers": ("multi_stage", "smoothed", "ten_crop"),
    "jaxcam.objectives": ("with_concepts", "with_probabilities", "with_similarities", "with_two_classes"),
    "jaxcam.params": ("Params", "from_functions", "init"),
    "jaxcam.report.heatmaps": ("overlay",),
    "jaxcam.weights.importing": ("import_weights",),
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = ["__version__", *sorted(_MODULE_OF)]  # noqa: PLE0604 (all of them are strings)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'jaxcam' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
