"""The table of map methods."""

import inspect
import re
import textwrap

from jaxcam.methods.ablation import ablation_cam
from jaxcam.methods.activation import cam, cells_cam
from jaxcam.methods.attention import attention_rollout
from jaxcam.methods.averaged import integrated_gradients, smooth_grad
from jaxcam.methods.backprop import input_x_gradient, saliency
from jaxcam.methods.full_gradient import full_grad
from jaxcam.methods.gradient import (
    grad_cam,
    grad_cam_elementwise,
    grad_cam_plus_plus,
    hires_cam,
    layer_cam,
    smooth_grad_cam_plus_plus,
    xgrad_cam,
)
from jaxcam.methods.guided import guided_backprop, guided_grad_cam
from jaxcam.methods.map_method import MapMethod, with_core
from jaxcam.methods.masking import is_cam, score_cam, ss_cam
from jaxcam.methods.occluding import occlusion, rise
from jaxcam.methods.principal import eigen_cam, eigen_grad_cam, fem, kpca_cam

# Name -> method, the families of the README in their order.
METHODS: dict[str, MapMethod] = {
    "cam": with_core(cam, cells_cam, on_pixels=False, takes_stage=False),
    "eigen_cam": eigen_cam,
    "eigen_grad_cam": eigen_grad_cam,
    "kpca_cam": kpca_cam,
    "fem": fem,
    "grad_cam": grad_cam,
    "grad_cam_plus_plus": grad_cam_plus_plus,
    "smooth_grad_cam_plus_plus": smooth_grad_cam_plus_plus,
    "xgrad_cam": xgrad_cam,
    "layer_cam": layer_cam,
    "hires_cam": hires_cam,
    "grad_cam_elementwise": grad_cam_elementwise,
    "full_grad": full_grad,
    "score_cam": score_cam,
    "ss_cam": ss_cam,
    "is_cam": is_cam,
    "ablation_cam": ablation_cam,
    "rise": rise,
    "occlusion": occlusion,
    "saliency": saliency,
    "input_x_gradient": input_x_gradient,
    "smooth_grad": smooth_grad,
    "integrated_gradients": integrated_gradients,
    "guided_backprop": guided_backprop,
    "guided_grad_cam": guided_grad_cam,
    "attention_rollout": attention_rollout,
}


def find_method(name: str, *, stage: str | None = None) -> MapMethod:
    """The method of that name.

    Args:
        name: one of `METHODS`.
        stage: that it is to look at, None for its own.

    Raises:
        ValueError: for an unknown name, or a stage for a method that looks at none.

    >>> find_method("grad_cam").__name__
    'grad_cam'
    """
    if name not in METHODS:
        raise ValueError(f"method: got {name!r}; known are {', '.join(METHODS)}")
    method = METHODS[name]
    if stage is not None and not method.takes_stage:
        takers = ", ".join(other for other, one in METHODS.items() if one.takes_stage)
        raise ValueError(
            f"stage: got {stage!r} for {name}, which looks at no stage of one's choice; these do: {takers}"
        )
    return method


def describe_method(name: str) -> str:
    """Two or more lines about a method of the table: its name, what it shows, and its source.

    >>> print(describe_method("xgrad_cam"))
    xgrad_cam  XGrad-CAM: channels weighed by the gradients of their cells, each by its share in the channel.
        Fu et al., "Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs", BMVC 2020, arXiv
        2008.02312.
    """
    text = inspect.getdoc(METHODS[name]) or ""
    source = re.search(r"^Source: (.*?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    wrapped = textwrap.fill(
        " ".join(source[1].split()) if source else "", 116, initial_indent=" " * 4, subsequent_indent=" " * 4
    )
    return f"{name}  {text.splitlines()[0]}\n{wrapped}"
