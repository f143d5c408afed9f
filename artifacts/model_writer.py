"""The model file: written. Needs `onnx`, which nothing that serves has."""

import msgspec
import onnx

from artifacts.model import METADATA_KEY, ModelCard


def write_model(graph: onnx.ModelProto, card: ModelCard) -> bytes:
    """Return the model file of `graph`, which says `card` of itself.

    Equal graphs and cards give equal bytes: the keys of the card are sorted, what converters leave
    behind that differs from run to run is dropped, and Protocol Buffers are asked for their
    deterministic form (which holds for one version of the library).

    Args:
        graph: one input `rows`, an output `probabilities`; see `artifacts.model`.
        card: what the file shall say.
    """
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    model.doc_string = ""
    model.graph.doc_string = ""
    model.graph.name = card.name
    # The converter lists them in the order of a set of strings, which differs between processes.
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    del model.metadata_props[:]
    text = msgspec.json.encode(card, order="deterministic").decode()
    model.metadata_props.add(key=METADATA_KEY, value=text)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))
