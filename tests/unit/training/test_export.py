from sklearn.naive_bayes import GaussianNB

from artifacts.model_writer import write_model
from training.card import Origin, draft
from training.export import export, seconds_a_call
from training.parity import probes
from training.table import Table


def test_order_of_operator_sets_means_nothing(iris: Table) -> None:
    """The converter lists operator sets in any order; the file is the same."""
    estimator = GaussianNB().fit(iris.rows, iris.labels)
    card = draft(estimator, iris, sorted(set(iris.labels)), "float64", Origin())
    exported = export(estimator, card, probes(iris.rows))
    opsets = list(exported.graph.opset_import)
    del exported.graph.opset_import[:]
    exported.graph.opset_import.extend(reversed(opsets))
    assert len(opsets) > 1
    assert write_model(exported.graph, exported.file.card) == exported.file.data
    assert 0 < seconds_a_call(exported.file.model) < 0.1
