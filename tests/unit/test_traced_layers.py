"""What `verify --layers` makes of layers that were cut, merged or removed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from anvil.ops.registry import DEFINITIONS
from anvil.pipeline.traced import COMPARED, MERGED, REMOVED, traced_layers, with_layers
from anvil.plan.rewrites.rewrite import rewrite
from tests.support.networks import Network, convolution_attributes
from tests.support.rewriting import inferences, separable_network, values_of


def test_every_layer_is_accounted_for_and_equal() -> None:
    statuses = set()
    for seed in range(8):
        graph = separable_network(seed)
        rewritten = rewrite(graph, DEFINITIONS)
        traced = with_layers(rewritten).graph
        n_outputs = len(graph.outputs)
        layers = traced_layers(graph, rewritten)
        assert set(layers) == {(op.index, n) for op in graph.ops for n in range(len(op.outputs))}
        for batch in inferences(graph, seed, n_random=1):
            truth, found = values_of(graph, batch), values_of(traced, batch)
            outputs = [found[index].tobytes() for index in traced.outputs[n_outputs:]]
            for op in graph.ops:
                layer = layers[op.index, 0]
                statuses.add(layer.status)
                if layer.status == COMPARED:
                    expected = truth[op.outputs[0]].tobytes()
                    assert layer.whole(outputs, expected) == expected
    assert statuses == {COMPARED, MERGED}


def test_a_wrong_constant_shows() -> None:
    net = Network(1)
    x = net.input((1, 4, 4, 2))
    y = net.convolution(x, n_outputs=3, filter_size=(1, 1), attributes=convolution_attributes())
    graph = net.graph(net.convolution(y, n_outputs=2, filter_size=(1, 1)))
    weights = graph.tensors[graph.ops[0].inputs[1]]
    dead = np.frombuffer(weights.data or b"", np.int8).reshape(weights.shape).copy()
    dead[1] = 0
    tensors = list(graph.tensors)
    tensors[graph.ops[0].inputs[1]] = replace(weights, data=dead.tobytes())
    graph = replace(graph, tensors=tuple(tensors))
    layer = traced_layers(graph, rewrite(graph, DEFINITIONS))[0, 0]
    assert layer.n_removed == 1
    assert layer.origin is not None
    ((channel, value),) = layer.origin.constants
    assert channel == 1
    batch = inferences(graph, 0)[0]
    expected = values_of(graph, batch)[y]
    kept = np.ascontiguousarray(expected[..., [0, 2]]).tobytes()
    assert layer.whole([kept], expected.tobytes()) == expected.tobytes()
    wrong = replace(layer, origin=replace(layer.origin, constants=((1, value ^ 1),)))
    assert wrong.whole([kept], expected.tobytes()) != expected.tobytes()


def test_what_no_output_needs_is_removed_and_what_another_does_is_merged() -> None:
    net = Network(2)
    x = net.input((1, 6))
    net.op("RELU", [x])
    y = net.op("LOGISTIC", [net.op("RELU6", [x])])
    graph = net.graph(y)
    layers = traced_layers(graph, rewrite(graph, DEFINITIONS))
    assert [layers[index, 0].status for index in range(3)] == [REMOVED, MERGED, COMPARED]
