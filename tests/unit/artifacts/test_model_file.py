"""The model file: what is written is what is read, and anything else is refused."""

import io
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import joblib
import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from artifacts.digests import sha256_hex
from artifacts.errors import CorruptModelFile, DigestMismatch, ModelFileError, PickleRefused
from artifacts.model import METADATA_KEY, Feature, Golden, Histogram, Parity, load_model
from artifacts.model_writer import write_model
from tests.support.model_files import ROWS, model_file, probabilities

DATA = model_file()
DIGEST = sha256_hex(DATA)
MODEL = load_model(DATA)
GRAPH = onnx.load_from_string(DATA)
ESTIMATOR = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
FLOWERS = st.lists(st.lists(st.floats(-20, 20), min_size=4, max_size=4), min_size=1, max_size=40)


def joblib_dump(compress: object) -> bytes:
    """Return an estimator as joblib writes it."""
    file = io.BytesIO()
    joblib.dump(ESTIMATOR, file, compress=compress)
    return file.getvalue()


def told(data: bytes, sha256: str | None = None) -> str:
    """Load and use a file that is not whole; return what is told, or nothing where all is well.

    Whatever is raised and is no `ModelFileError` fails the test.
    """
    try:
        model = load_model(data, sha256)
        model.check_golden()
    except ModelFileError as error:
        return str(error)
    return ""


def test_what_was_written_is_read() -> None:
    """The card comes back whole, and the digest is that of the bytes."""
    assert MODEL.sha256 == DIGEST
    assert load_model(DATA, DIGEST).card == MODEL.card
    assert MODEL.card.labels == ["setosa", "versicolor", "virginica"]
    assert write_model(GRAPH, MODEL.card) == DATA


def test_a_file_of_schema_1_is_read() -> None:
    """A release of before is served for as long as it is wanted; what it does not tell is None."""
    text = msgspec.json.decode(msgspec.json.encode(MODEL.card))
    del text["label_counts"]
    graph = onnx.load_from_string(DATA)
    graph.metadata_props[0].value = msgspec.json.encode(text | {"schema": 1}).decode()
    card = load_model(graph.SerializeToString()).card
    assert (card.schema, card.label_counts) == (1, None)
    assert card.golden == MODEL.card.golden


@pytest.mark.parametrize("counts", [[], [40, 40], [40, -1, 40], [0, 0, 0]])
def test_counts_that_are_not_those_of_the_labels_are_refused(counts: list[int]) -> None:
    """Shares are made of them, one a label."""
    with pytest.raises(CorruptModelFile, match="the counts of its 3 labels"):
        load_model(model_file(label_counts=counts))


def test_the_golden_rows_give_the_golden_probabilities() -> None:
    """What the training machine computed is what this one computes."""
    MODEL.check_golden()
    np.testing.assert_allclose(
        MODEL.predict(np.array(ROWS)), probabilities(np.array(ROWS)), rtol=0, atol=1e-12
    )


@given(FLOWERS)
def test_a_row_gives_the_same_alone_and_in_any_batch(rows: list[list[float]]) -> None:
    """Coalescing requests never changes anybody's answer."""
    together = MODEL.predict(np.array(rows))
    alone = np.concatenate([MODEL.predict(np.array([row])) for row in rows])
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-12)


def test_no_rows_give_no_answers() -> None:
    """The shape holds for none, too."""
    assert MODEL.predict(np.empty((0, 4))).shape == (0, 3)


def test_threads_are_not_in_each_others_way() -> None:
    """One model answers several calls at a time."""
    batches = [np.array(ROWS) + number / 10 for number in range(32)]
    expected = [MODEL.predict(batch) for batch in batches]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(MODEL.predict, batches * 20))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected * 20, strict=True))


def test_equal_models_are_equal_files() -> None:
    """Neither the order of a dictionary nor a converter's traces make another release."""
    graph, other = onnx.load_from_string(DATA), onnx.load_from_string(DATA)
    other.opset_import.add(domain="ai.onnx.ml", version=3)
    del graph.opset_import[:]
    graph.opset_import.extend(reversed(other.opset_import))
    graph.doc_string = "converted on a Tuesday"
    graph.graph.name = "8d3c0a"
    graph.graph.doc_string = "by somebody"
    graph.metadata_props.add(key="run", value="another")
    metrics = {"recall": 0.9, "accuracy": 0.97}
    card = msgspec.structs.replace(MODEL.card, metrics=metrics)
    same = msgspec.structs.replace(MODEL.card, metrics=dict(reversed(metrics.items())))
    assert write_model(other, card) == write_model(graph, same)


def test_whatever_the_card_says_differently_is_another_file() -> None:
    """The digest stands for everything that the file says of itself."""
    assert model_file(seed=2) != DATA
    assert model_file(data_sha256="0" * 64) != DATA


@pytest.mark.parametrize("bit", [0, 7])
def test_a_flipped_bit_is_never_served(bit: int) -> None:
    """Wherever it is: the digest tells."""
    for place in range(len(DATA)):
        data = bytearray(DATA)
        data[place] ^= 1 << bit
        with pytest.raises((DigestMismatch, PickleRefused)):
            load_model(bytes(data), DIGEST)


def test_a_file_cut_short_is_never_served() -> None:
    """Wherever it ends: the digest tells."""
    for length in range(len(DATA)):
        with pytest.raises(DigestMismatch):
            load_model(DATA[:length], DIGEST)


@pytest.mark.parametrize("bit", [0, 3, 7])
def test_a_flipped_bit_is_told_in_words_where_no_digest_is_known(bit: int) -> None:
    """A file put there by hand is told broken, or is whole in all that counts; nothing crashes."""
    for place in range(len(DATA)):
        data = bytearray(DATA)
        data[place] ^= 1 << bit
        told(bytes(data))


def test_a_file_cut_short_is_told_in_words_where_no_digest_is_known() -> None:
    """A part of a file is no model."""
    for length in range(len(DATA)):
        assert told(DATA[:length]), f"the first {length} bytes"


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda noise: DATA[:700] + noise))
def test_noise_is_told_in_words(noise: bytes) -> None:
    """Any bytes at all get an answer in words."""
    assert told(noise)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused(protocol: int) -> None:
    """It is never loaded, and whoever has one is told what to do with it."""
    with pytest.raises(PickleRefused, match=r"iris import model\.pkl --trust"):
        load_model(pickle.dumps(ESTIMATOR, protocol))


@pytest.mark.parametrize("compress", [0, 3, "zlib", "gzip", "bz2", "xz", "lzma"])
def test_a_pickle_of_joblib_is_refused(compress: object) -> None:
    """Compressed or not, it is a pickle."""
    with pytest.raises(PickleRefused):
        load_model(joblib_dump(compress))


def test_a_pickle_with_the_right_digest_is_refused_too() -> None:
    """Somebody may have promoted one by hand: the digest is no permission."""
    data = pickle.dumps(ESTIMATOR)
    with pytest.raises(PickleRefused):
        load_model(data, sha256_hex(data))


def test_another_model_is_not_taken_for_the_one_asked_for() -> None:
    """A whole file with another digest is another release."""
    with pytest.raises(DigestMismatch, match=DIGEST):
        load_model(model_file(tilt=1.0), DIGEST)


def test_other_probabilities_than_the_golden_are_refused() -> None:
    """A machine that computes something else must not serve."""
    with pytest.raises(CorruptModelFile, match="golden rows differ"):
        load_model(model_file(golden_error=1e-9)).check_golden()


def test_what_the_export_lost_is_allowed() -> None:
    """The golden probabilities are the estimator's, and the export's own difference is known."""
    parity = Parity(rows=1, differing_labels=0, largest_difference=2e-9)
    load_model(model_file(golden_error=1e-9, parity=parity)).check_golden()


def wrong_width(graph: onnx.ModelProto) -> None:
    """Take five features."""
    graph.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5


def wrong_type(graph: onnx.ModelProto) -> None:
    """Say float32, and leave the weights as they are."""
    graph.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def other_input(graph: onnx.ModelProto) -> None:
    """Name the input otherwise."""
    graph.graph.input[0].name = graph.graph.node[0].input[0] = "x"


def two_inputs(graph: onnx.ModelProto) -> None:
    """Want something else besides."""
    graph.graph.input.add().CopyFrom(graph.graph.input[0])
    graph.graph.input[1].name = "more"


def other_output(graph: onnx.ModelProto) -> None:
    """Name the output otherwise."""
    graph.graph.output[0].name = graph.graph.node[-1].output[0] = "y"


def text_output(graph: onnx.ModelProto) -> None:
    """Give texts in the place of probabilities."""
    graph.graph.node.append(onnx.helper.make_node("Cast", ["sum"], ["probabilities"], to=8))
    graph.graph.node[2].output[0] = "sum"
    graph.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.STRING


def flat_output(graph: onnx.ModelProto) -> None:
    """Give one number a row."""
    node = onnx.helper.make_node("ReduceMax", ["all"], ["probabilities"], keepdims=0)
    graph.graph.node[2].output[0] = "all"
    graph.graph.node.append(node)
    del graph.graph.output[0].type.tensor_type.shape.dim[:]


def one_row_only(graph: onnx.ModelProto) -> None:
    """Take one row a call."""
    graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


@pytest.mark.parametrize(
    "change",
    [
        wrong_width,
        wrong_type,
        other_input,
        two_inputs,
        other_output,
        text_output,
        flat_output,
        one_row_only,
    ],
)
def test_a_graph_of_another_shape_is_refused(change: Callable[[onnx.ModelProto], None]) -> None:
    """What the graph takes and gives is what the file says of itself."""
    graph = onnx.load_from_string(DATA)
    change(graph)
    assert "no whole model file of ours" in told(graph.SerializeToString())


FEATURE = Feature("extra", "cm", 0.0, 1.0, Histogram([0.0, 1.0], [1]))
ONE = probabilities(np.array(ROWS[:1])).tolist()


@pytest.mark.parametrize(
    "says",
    [
        {"features": [*MODEL.card.features, FEATURE]},
        {"features": []},
        {"labels": ["setosa", "versicolor"]},
        {"labels": ["a", "b"], "golden": Golden(ROWS[:1], [[0.5, 0.5]])},
        {"labels": ["a"], "golden": Golden(ROWS[:1], [[1.0]])},
        {"input_dtype": "float32"},
        {"golden": Golden([], [])},
        {"golden": Golden(ROWS, ONE)},
        {"golden": Golden([row[:3] for row in ROWS[:1]], ONE)},
        {"golden": Golden(ROWS[:1], [ONE[0][:2]])},
    ],
)
def test_a_card_that_says_something_else_is_refused(says: dict[str, Any]) -> None:
    """What the file says of itself is what the graph takes and gives."""
    assert "no whole model file of ours" in told(model_file(**says))


@pytest.mark.parametrize(
    "text",
    [None, "", "{}", "[]", "nonsense", '{"schema": 3}', '{"surprise": 1}'],
)
def test_a_card_of_another_kind_is_refused(text: str | None) -> None:
    """A file of another schema, or of another maker, is not guessed at."""
    graph = onnx.load_from_string(DATA)
    del graph.metadata_props[:]
    if text is not None:
        graph.metadata_props.add(key=METADATA_KEY, value=text)
    assert "no whole model file of ours" in told(graph.SerializeToString())


def test_a_card_with_a_field_too_many_is_refused() -> None:
    """A misspelt field is never silently dropped."""
    graph = onnx.load_from_string(DATA)
    card = msgspec.json.decode(graph.metadata_props[0].value)
    graph.metadata_props[0].value = msgspec.json.encode({**card, "metrcis": {}}).decode()
    assert "metrcis" in told(graph.SerializeToString())
