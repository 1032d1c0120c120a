"""A data set, looked at by the indices: are its parts alike, is it hard, which labels are wrong?

`show` and `clean` take data by name, path or object, as `probe` does; the functions below them take
arrays: samples (m, …), labels (m,).
"""

from addnn_spec.packages import require

require("addnn_spec.datasets", "torch", "numpy", extra="torch")

from addnn_spec.datasets.cleaning import Cleaning, clean
from addnn_spec.datasets.difficulty import Difficulty, difficulty
from addnn_spec.datasets.division import Division, divide
from addnn_spec.datasets.duplicates import Duplicates, near_duplicates
from addnn_spec.datasets.homogeneity import Homogeneity, homogeneity
from addnn_spec.datasets.showing import Shown, show
from addnn_spec.datasets.suspects import Suspects, suspect_labels

__all__ = [
    "Cleaning",
    "Difficulty",
    "Division",
    "Duplicates",
    "Homogeneity",
    "Shown",
    "Suspects",
    "clean",
    "difficulty",
    "divide",
    "homogeneity",
    "near_duplicates",
    "show",
    "suspect_labels",
]
