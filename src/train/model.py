"""The pipelines: pure functions from columns to an unfitted scikit-learn estimator.

Both models read the features as `dataset` orders them: numbers first, texts after. A text that is rare in
training is treated as one that is unseen later: it has no indicator of its own. A missing text is a category
like any other, since absence may say something.

logistic   Numbers are imputed with the median and enter twice: scaled, and cut into ten bins of equal count,
           so that a flight at night need not lie on a line between morning and noon. Texts are one-hot.
boosted    Histogram gradient boosting; numbers as they are, missing ones included, texts target-encoded.

`logistic` is the default: on the flights (data/README.md has the table) the two rank about equally well, the
boosted one is better calibrated later in the year, and the logistic graph is twenty times smaller.

Its solver is Newton's with a Cholesky factor, which scikit-learn's guide names for one-hot texts with many more
rows than indicators. On the 245,000 flights of January to September it is done in 4 steps, where lbfgs stops after
80 before it is there; on dev/ that costs 0.025 of calibration error, and it saves no time. A step costs the square
of the indicators, so a wide model is left to lbfgs, whose steps are cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import sklearn

from dataset import category_floor

# More texts than this in one column are not learned: the rarest are treated as unseen.
MOST_CATEGORIES = 200
BINS = 10
# With fewer rows the bins would be fitted to chance.
LEAST_ROWS_FOR_BINS = 2000
# Newton's matrix of second derivatives has the square of this many numbers, 8 MB, and on 200,000 rows its four
# steps take a second; with 2,000 indicators they take three, with 8,000 three quarters of a minute and 1.3 GB.
MOST_INDICATORS_FOR_NEWTON = 1000
SEED = 0
# What skops does not trust by itself and the pipelines below hold: data types, folds, trees. A pipeline that is served
# without a graph may hold no other types: src/score/score.py, which has the same list, loads nothing else.
TRUSTED = frozenset({
    "numpy.dtype",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.model_selection._split.StratifiedKFold",
})  # fmt: skip

Made = tuple[list[tuple[str, Any]], Any]


def learned_categories(features: pd.DataFrame, numbers: int) -> list[list[str]]:
    """List, for each text column, the texts that the model learns, in sorted order: the most frequent one at least.

    Earlier rows alone may have none that is frequent enough.
    """
    floor = category_floor(len(features))
    lists = []
    for name in features.columns[numbers:]:
        counts = features[name].value_counts()
        frequent = counts[counts >= floor].index[:MOST_CATEGORIES]
        lists.append(sorted(frequent if len(frequent) else counts.index[:1]))
    return lists


def build(kind: str, features: pd.DataFrame, numbers: int) -> Any:
    """Make the unfitted pipeline `kind` for features of which the first `numbers` are numeric."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    positions = list(range(features.shape[1]))
    categories = learned_categories(features, numbers)
    indicators = numbers * (BINS + 1) + sum(map(len, categories))
    steps, classifier = PIPELINES[kind](categories, len(features), indicators)
    transformers = [
        (name, step, positions[:numbers] if name != "texts" else positions[numbers:])
        for name, step in steps
        if (numbers if name != "texts" else categories)
    ]
    return Pipeline([("columns", ColumnTransformer(transformers)), ("classifier", classifier)])


def _logistic(categories: list[list[str]], rows: int, indicators: int) -> Made:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler

    steps = [("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()))]
    if rows >= LEAST_ROWS_FOR_BINS:
        # The name of the quantile rule came with 1.7; before that the rule was another one without a name.
        method = {"quantile_method": "averaged_inverted_cdf"} if _version() >= (1, 7) else {}
        bins = KBinsDiscretizer(n_bins=BINS, encode="onehot", subsample=None, **method)
        steps.append(("bins", make_pipeline(SimpleImputer(strategy="median"), bins)))
    steps.append(("texts", OneHotEncoder(categories=categories, handle_unknown="ignore")))
    solver = "newton-cholesky" if indicators <= MOST_INDICATORS_FOR_NEWTON else "lbfgs"
    return steps, LogisticRegression(solver=solver, max_iter=500)


def _boosted(categories: list[list[str]], rows: int, indicators: int) -> Made:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import TargetEncoder

    # 1.9 takes the folds themselves and deprecates the seed that older versions need.
    folds = StratifiedKFold(5, shuffle=True, random_state=SEED)
    encoder = TargetEncoder(cv=folds) if _version() >= (1, 9) else TargetEncoder(random_state=SEED)
    classifier = HistGradientBoostingClassifier(early_stopping=False, random_state=SEED)
    return [("numbers", "passthrough"), ("texts", encoder)], classifier


PIPELINES: dict[str, Callable[[list[list[str]], int, int], Made]] = {"logistic": _logistic, "boosted": _boosted}
"""By the name that `--model` gives: from the categories of each text column, the number of rows and the most
indicators there will be, to the steps before the classifier and the classifier. Step "texts" gets the texts,
others the numbers."""


def _version() -> tuple[int, int]:
    major, minor, *_ = sklearn.__version__.split(".")
    return int(major), int(minor)
