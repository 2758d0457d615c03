"""The operations of TrivialAugment Wide by Pillow, on 8 bits; bilinear, and black outside of the image."""

import numpy as np
from PIL import Image, ImageEnhance, ImageOps


def affine(image, coefficients):
    return image.transform(image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR, fillcolor=0)


def operate(pixels, name, step, sign):
    """One operation at strength step / 30 on (h, w, 3) uint8."""
    image = Image.fromarray(pixels)
    shear, shift, angle = sign * 0.99 * step / 30, sign * int(32 * step / 30), sign * int(135 * step / 30)
    factor = 0.01 + 1.99 * step / 30
    results = {
        "identity": lambda: image,
        "shear_x": lambda: affine(image, (1, shear, 0, 0, 1, 0)),
        "shear_y": lambda: affine(image, (1, 0, 0, shear, 1, 0)),
        "translate_x": lambda: affine(image, (1, 0, shift, 0, 1, 0)),
        "translate_y": lambda: affine(image, (1, 0, 0, 0, 1, shift)),
        "rotate": lambda: image.rotate(angle, Image.Resampling.BILINEAR, fillcolor=0),
        "brightness": lambda: ImageEnhance.Brightness(image).enhance(factor),
        "color": lambda: ImageEnhance.Color(image).enhance(factor),
        "contrast": lambda: ImageEnhance.Contrast(image).enhance(factor),
        "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(factor),
        "posterize": lambda: ImageOps.posterize(image, 8 - int(6 * step / 30)),
        "solarize": lambda: ImageOps.solarize(image, 256 - int(256 * step / 30)),
        "autocontrast": lambda: ImageOps.autocontrast(image),
        "equalize": lambda: ImageOps.equalize(image),
    }
    return np.asarray(results[name]())


def jitter(pixels, order, factors):
    """Brightness, contrast and saturation by their factors, in an order of the three."""
    image = Image.fromarray(pixels)
    kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for place, factor in zip(order, factors, strict=True):
        image = kinds[place](image).enhance(float(factor))
    return np.asarray(image)
