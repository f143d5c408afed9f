"""The figures that people look at. Objects only: nothing global of matplotlib is touched."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.evaluation import METRICS, Rows, calibration_curve, one_hot, recalls
from training.search import Score

BLUE, GREY = "#2f6db5", "#9aa3ad"


def confusion_matrix(
    labels: Sequence[str], predicted: Sequence[str], classes: Sequence[str]
) -> Figure:
    """Show how often each class was taken for which."""
    pairs = list(zip(labels, predicted, strict=True))
    counts = np.array([[pairs.count((a, b)) for b in classes] for a in classes])
    figure, axes = _figure("Confusion matrix, rows left out")
    axes.imshow(counts, cmap="Blues", vmin=0)
    for (row, column), count in np.ndenumerate(counts):
        dark = count > counts.max() / 2
        axes.text(column, row, str(count), ha="center", color="white" if dark else "black")
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return figure


def reliability(labels: Sequence[str], probabilities: Rows, classes: Sequence[str]) -> Figure:
    """Show whether the model is right as often as it is sure."""
    bins = calibration_curve(one_hot(labels, classes), probabilities)
    figure, axes = _figure("Reliability, rows left out")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="as sure as right")
    axes.plot([b.confidence for b in bins], [b.accuracy for b in bins], "o-", color=BLUE)
    for b in bins:
        axes.text(b.confidence, b.accuracy - 0.05, f"{b.rows} rows", fontsize=8, ha="center")
    axes.set_xlabel("confidence")
    axes.set_ylabel("accuracy")
    axes.legend()
    return figure


def recall_by_class(labels: Sequence[str], predicted: Sequence[str]) -> Figure:
    """Show the share of each class that was found."""
    found = recalls(labels, predicted)
    figure, axes = _figure("Recall, rows left out")
    bars = axes.bar(list(found), list(found.values()), color=BLUE)
    axes.bar_label(bars, fmt="%.3f")
    axes.set_ylim(0, 1.1)
    return figure


def side_by_side(scores: Mapping[str, Mapping[str, Score]]) -> Figure:
    """Show each candidate's mean and spread of each metric in cross-validation."""
    figure = Figure(figsize=(14, 4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle("Candidates in cross-validation on the training rows")
    for axes, metric in zip(figure.subplots(1, len(METRICS)), METRICS, strict=True):
        means = [score[metric].mean for score in scores.values()]
        spreads = [score[metric].spread for score in scores.values()]
        axes.errorbar(means, list(scores), xerr=spreads, fmt="o", color=BLUE, capsize=3)
        axes.invert_yaxis()
        axes.set_title(metric.replace("_", " "))
        axes.grid(axis="x", alpha=0.3)
        axes.label_outer()
    return figure


def importance(features: Sequence[str], means: Sequence[float], spreads: Sequence[float]) -> Figure:
    """Show how much worse the log loss gets when a feature's values are shuffled."""
    figure, axes = _figure("Permutation importance, rows left out")
    axes.barh(list(features), list(means), xerr=list(spreads), color=BLUE, capsize=3)
    axes.invert_yaxis()
    axes.set_xlabel("log loss added by shuffling")
    return figure


def _figure(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_title(title)
    return figure, axes
