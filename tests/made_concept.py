"""Photos of a concept and of others for the network of `tests.colour_network`, and captions of them."""

import json

import numpy as np
from PIL import Image

from tests.made_data import COLOURS

RED, GREEN, BLUE = range(3)


def drawn(colours, number):
    """A photo of 32x32 noisy grey pixels with a square of 12 of each colour; and where the first one is: (x, y)."""
    random = np.random.default_rng(number)
    pixels = random.integers(100, 121, (32, 32, 3), np.uint8)
    corners = random.permutation([(2, 2), (18, 2), (2, 18), (18, 18)])
    for colour, (x, y) in zip(colours, corners, strict=False):
        pixels[y : y + 12, x : x + 12] = COLOURS[colour]
    return pixels, corners[0]


def squares(path, colours, number):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawn(colours, number)[0]).save(path)


def make_concept(home):
    """The concept is red, mostly beside blue. Of the negatives, most are blue; the few that are red have green too."""
    for number in range(8):
        squares(home / f"red/{number}.png", (RED, BLUE) if number % 4 else (RED,), number)
        squares(home / f"shown/{number}.png", (RED, BLUE) if number % 2 else (RED,), 100 + number)
        squares(home / f"others/green/{number}.png", (RED, GREEN), 200 + number)
        squares(home / f"others/blue/{number}.png", (BLUE,), 300 + number)
    for number in range(24):
        squares(home / f"negatives/{number:02}.png", (RED, GREEN) if number in (3, 11, 17) else (BLUE,), 400 + number)
    return home


def make_captions(home):
    """A JSON file of captions of these photos and of two that are missing."""
    said = {f"red/{number}.png": "A mirror in a lake" for number in range(8)}
    said |= {f"negatives/{number:02}.png": "Boats" for number in range(24)}
    said |= {"others/green/0.png": "A lake", "gone.png": "Mirror, lake", "away.png": "A cat"}
    path = home / "captions.json"
    path.write_text(json.dumps([{"file_name": name, "caption": caption} for name, caption in said.items()]))
    return path
