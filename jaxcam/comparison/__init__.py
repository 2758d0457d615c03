"""Map methods compared on the same images: how well they find objects, how faithful they are, how fast."""

from jaxcam.comparison.columns import ALL, QUICK
from jaxcam.comparison.comparing import Comparison, compare, save_comparison

__all__ = ["ALL", "QUICK", "Comparison", "compare", "save_comparison"]
