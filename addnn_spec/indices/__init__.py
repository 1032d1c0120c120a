"""Separation and Smoothness Indices of data: exact, in bounded memory, on torch or numpy arrays.

Needs torch and numpy, and of this package `statistics` alone. Formulas, sources and golden values:
docs/indices.md.
"""

from addnn_spec.packages import require

require("addnn_spec.indices", "torch", "numpy", extra="torch")

from addnn_spec.indices.certainty import (
    confidence,
    guarantee,
    largest_safe,
    prediction_margins,
    separation_score,
)
from addnn_spec.indices.errors import (
    BudgetError,
    IndicesError,
    NotFiniteError,
    OptionError,
    ShapeError,
    UndefinedIndexError,
)
from addnn_spec.indices.geometry import RowBlock, RowScaling
from addnn_spec.indices.neighbours import Neighbours, RunningNeighbours, SearchPlan, search_plan
from addnn_spec.indices.query import neighbours
from addnn_spec.indices.results import (
    ClassSeparation,
    GeneralizationGap,
    Guarantee,
    IndexResult,
    Margins,
    SketchError,
    SmoothnessBound,
    Triplets,
)
from addnn_spec.indices.separation import (
    agreement,
    center_separation_index,
    class_separation,
    cross_separation_index,
    generalization_gap,
    local_triplets,
    separation_index,
)
from addnn_spec.indices.smoothness import (
    TargetSpread,
    cross_smoothness_index,
    smoothness_error_bound,
    smoothness_index,
)

__all__ = [
    "BudgetError",
    "ClassSeparation",
    "GeneralizationGap",
    "Guarantee",
    "IndexResult",
    "IndicesError",
    "Margins",
    "Neighbours",
    "NotFiniteError",
    "OptionError",
    "RowBlock",
    "RowScaling",
    "RunningNeighbours",
    "SearchPlan",
    "ShapeError",
    "SketchError",
    "SmoothnessBound",
    "TargetSpread",
    "Triplets",
    "UndefinedIndexError",
    "agreement",
    "center_separation_index",
    "class_separation",
    "confidence",
    "cross_separation_index",
    "cross_smoothness_index",
    "generalization_gap",
    "guarantee",
    "largest_safe",
    "local_triplets",
    "neighbours",
    "prediction_margins",
    "search_plan",
    "separation_index",
    "separation_score",
    "smoothness_error_bound",
    "smoothness_index",
]
