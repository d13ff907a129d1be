"""The pipelines and their graphs: both say the same, on odd rows too."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import convert
import model
import score

ROWS = 2500


def features_of(texts: int, numbers: int) -> pd.DataFrame:
    dice = np.random.default_rng(1)
    columns: dict[str, Any] = {}
    for number in range(numbers):
        column = dice.normal(10 * number, 3, ROWS).round(2).astype(np.float32)
        columns[f"n{number}"] = np.where(dice.random(ROWS) < 0.1, np.nan, column).astype(np.float32)
    for text in range(texts):
        columns[f"t{text}"] = dice.choice(["a", "b", "été", ""], ROWS).astype(object)
    return pd.DataFrame(columns)


def target_of(features: pd.DataFrame) -> Any:
    dice = np.random.default_rng(2)
    score = sum(
        (features[name] == "a") * 1.5 if name.startswith("t") else np.nan_to_num(features[name]) / 20
        for name in features
    )
    return (dice.normal(score, 1) > np.median(score)).astype(int)


@pytest.mark.parametrize("kind", model.PIPELINES)
@pytest.mark.parametrize(("texts", "numbers"), [(2, 2), (0, 2), (2, 0), (1, 1)])
def test_the_graph_says_what_the_pipeline_says(kind: str, texts: int, numbers: int) -> None:
    """With texts, numbers or both; on typical, missing, unseen and extreme cells alike."""
    features = features_of(texts, numbers)
    pipeline = model.build(kind, features, numbers).fit(features, target_of(features))
    graph = convert.to_graph(pipeline, numbers, texts)
    rows = convert.parity_rows(features, numbers, list(features))
    assert convert.difference(pipeline, graph, rows, numbers) < convert.TOLERANCE


@pytest.mark.parametrize("kind", model.PIPELINES)
def test_training_twice_gives_the_same_answers(kind: str) -> None:
    """Every source of chance has a seed."""
    features = features_of(2, 2)
    target = target_of(features)
    first, second = (model.build(kind, features, 2).fit(features, target).predict_proba(features) for _ in range(2))
    assert np.array_equal(first, second)


def test_a_graph_of_another_model_is_seen_as_different() -> None:
    """The comparison can fail: a model of the opposite target is far off."""
    features = features_of(1, 1)
    target = target_of(features)
    one, other = (model.build("logistic", features, 1).fit(features, answer) for answer in (target, 1 - target))
    rows = convert.parity_rows(features, 1, [])
    assert convert.difference(one, convert.to_graph(other, 1, 1), rows, 1) > 0.1


def test_the_odd_rows_hold_every_kind_of_odd_cell() -> None:
    """A missing cell where allowed, an unseen text, both extremes."""
    features = features_of(1, 2)
    rows = convert.parity_rows(features.fillna({"n0": 0}), 2, ["n1"])
    assert rows["n1"].isna().any()
    assert not rows["n0"].isna().any()
    assert (rows["t0"] == convert.UNSEEN).any()
    assert rows["n0"].max() >= 1e30
    assert rows["n0"].min() <= -1e30


@pytest.mark.parametrize("fault", ["missing", "unseen", "extreme"])
def test_a_graph_that_errs_on_odd_cells_only_is_seen(fault: str) -> None:
    """A graph that is right on every row of the training data and wrong where a cell is odd does not pass."""
    features = features_of(1, 1)
    if fault == "missing":
        features["n0"] = features["n0"].fillna(1.0)
    pipeline = model.build("boosted" if fault == "unseen" else "logistic", features, 1)
    if fault == "extreme":
        numbers = make_pipeline(SimpleImputer(strategy="median"), MinMaxScaler())
        pipeline.named_steps["columns"].set_params(numbers=numbers)
    pipeline.fit(features, target_of(features))
    other = copy.deepcopy(pipeline)
    columns = other.named_steps["columns"].named_transformers_
    if fault == "missing":
        for name in ("numbers", "bins"):
            columns[name][0].statistics_ = columns[name][0].statistics_ + 30
    elif fault == "unseen":
        columns["texts"].target_mean_ = 0.97
    else:
        columns["numbers"][-1].clip = True
    graph = convert.to_graph(other, 1, 1)
    rows = convert.parity_rows(features, 1, ["n0"])
    assert convert.difference(pipeline, graph, features, 1) < convert.TOLERANCE
    assert convert.difference(pipeline, graph, rows, 1) > convert.TOLERANCE


def test_a_forest_converts_and_a_kernel_says_why_it_does_not() -> None:
    """A user's own pipeline: one has a graph that says the same, of the other the converter says that it cannot."""
    features = features_of(1, 2)
    forest = model.build("boosted", features, 2)
    forest.named_steps["columns"].set_params(numbers=SimpleImputer(strategy="median"))
    forest.set_params(classifier=RandomForestClassifier(10, max_depth=5, random_state=0))
    forest.fit(features, target_of(features))
    rows = convert.parity_rows(features, 2, list(features))
    assert convert.difference(forest, convert.to_graph(forest, 2, 1), rows, 2) < convert.TOLERANCE
    kernel = model.build("logistic", features, 2)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), Nystroem(n_components=5))
    kernel.named_steps["columns"].set_params(numbers=numbers)
    kernel.fit(features, target_of(features))
    with pytest.raises(Exception, match="Nystroem"):
        convert.to_graph(kernel, 2, 1)


def test_a_forest_that_is_certain_answers_no_more_than_1() -> None:
    """Its graph sums float32 weights of the trees: 50 times a fiftieth is 1.0000001, which no metric takes."""
    features = features_of(1, 1).fillna(0)
    target = (features["n0"] > features["n0"].median()).astype(int)
    forest = model.build("logistic", features, 1).set_params(classifier=RandomForestClassifier(50, random_state=0))
    graph = convert.to_graph(forest.fit(features, target), 1, 1)
    found = convert.predict(graph, features, 1)
    assert (found.min(), found.max()) == (0.0, 1.0)


def test_rare_and_too_many_texts_are_not_learned() -> None:
    """A column of thousands of texts costs 200 indicators at most, and a rare text none."""
    texts = [f"c{n % 400}" for n in range(40_000)] + ["rare"]
    features = pd.DataFrame({"t": np.array(texts, object)})
    (learned,) = model.learned_categories(features, 0)
    assert len(learned) == model.MOST_CATEGORIES
    assert "rare" not in learned


def test_a_column_of_rare_texts_has_its_most_frequent_one() -> None:
    """A column without any category cannot be encoded; earlier rows of a column that is fine may be so."""
    features = pd.DataFrame({"t": np.array(["b", "a", "b", *(f"u{n}" for n in range(1000))], object)})
    assert model.learned_categories(features, 0) == [["b"]]
    model.build("logistic", features, 0).fit(features, np.arange(1003) % 2)


def test_both_sides_trust_the_same_types() -> None:
    """What training lets through, the endpoint loads."""
    assert model.TRUSTED == score.TRUSTED


@pytest.mark.parametrize(("columns", "solver"), [(1, "newton-cholesky"), (6, "lbfgs")])
def test_a_wide_model_takes_cheap_steps(columns: int, solver: str) -> None:
    """A few hundred indicators are fitted by Newton's steps; more than a thousand by ones that cost less memory."""
    texts = np.array([f"c{n % 200}" for n in range(4000)], object)
    features = pd.DataFrame({f"t{number}": texts for number in range(columns)})
    fitted = model.build("logistic", features, 0).fit(features, np.arange(4000) % 400 < 100)
    assert fitted["classifier"].solver == solver
    assert fitted["classifier"].n_features_in_ == 200 * columns
    assert fitted.predict_proba(features)[:100, 1].min() > 0.4


def test_the_default_fit_is_where_it_wants_to_be() -> None:
    """At the optimum the forecasts add up to the outcomes, in all and wherever an indicator is one.

    The intercept bears no penalty, so its equation is exact; an indicator's differs by its weight (C is 1).
    """
    features = features_of(2, 2)
    target = target_of(features)
    pipeline = model.build("logistic", features, 2).fit(features, target)
    residual = pipeline.predict_proba(features)[:, 1] - target
    assert abs(residual.sum()) < 0.05
    inputs = pipeline["columns"].transform(features)
    assert np.abs(inputs.T @ residual + pipeline["classifier"].coef_[0]).max() < 0.05


def test_the_converter_is_left_as_it_was() -> None:
    """The cast of attributes lasts for the conversion only."""
    from skl2onnx.common import _container

    before = _container.make_node
    features = features_of(0, 1)
    convert.to_graph(model.build("boosted", features, 1).fit(features, target_of(features)), 1, 0)
    assert _container.make_node is before
