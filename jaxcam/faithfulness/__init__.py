"""How faithful maps are to the network that they explain: measures as sums over images, which merge."""

from jaxcam.faithfulness.confidence import confidence_change
from jaxcam.faithfulness.imputation import imputed
from jaxcam.faithfulness.measuring import Effort, Truth, measure_faithfulness
from jaxcam.faithfulness.pixel_order import Curves, insertion_deletion, insertion_deletion_curves
from jaxcam.faithfulness.place import box_measures, mask_iou
from jaxcam.faithfulness.quality import adcc, complexity, sparseness
from jaxcam.faithfulness.record import METRICS, Metric, Record, Sums, figures, merge
from jaxcam.faithfulness.road import remove_and_debias
from jaxcam.faithfulness.sanity import randomized, randomized_similarity
from jaxcam.faithfulness.stability import infidelity, max_sensitivity
from jaxcam.faithfulness.statistics import gini, pearson, spearman, structural_similarity

__all__ = [
    "METRICS",
    "Curves",
    "Effort",
    "Metric",
    "Record",
    "Sums",
    "Truth",
    "adcc",
    "box_measures",
    "complexity",
    "confidence_change",
    "figures",
    "gini",
    "imputed",
    "infidelity",
    "insertion_deletion",
    "insertion_deletion_curves",
    "mask_iou",
    "max_sensitivity",
    "measure_faithfulness",
    "merge",
    "pearson",
    "randomized",
    "randomized_similarity",
    "remove_and_debias",
    "sparseness",
    "spearman",
    "structural_similarity",
]
