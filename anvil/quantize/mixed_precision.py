"""Mixed precision: the int8 file with some operators left in float32.

Both files come from one model: the quantizer keeps the float file's tensors and their
numbers, and appends its own. So an operator of one is found in the other by what it writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.quantize import tflite_edit as edit

if TYPE_CHECKING:
    from collections.abc import Collection

_ABSENT = -1
_DEQUANTIZE_INT8 = 2  # the operator's first version that takes int8
_QUANTIZE_INT8 = 1


def n_operators(content: bytes) -> int:
    """How many operators a file's first subgraph has."""
    return len(edit.read(content).subgraphs[0].operators)


def neighbourhoods(content: bytes) -> list[frozenset[int]]:
    """For every computed tensor and input: the operators that write and read it.

    Where int8 cannot hold a tensor's values, all of them have to be left in float, or the
    tensor would be rounded all the same. Each set once, in the order of the file.
    """
    model = edit.read(content)
    graph = model.subgraphs[0]
    touching: dict[int, set[int]] = {}
    for position, operator in enumerate(graph.operators):
        for index in (*operator.inputs, *operator.outputs):
            if index != _ABSENT and edit.constant_bytes(model, graph.tensors[index]) is None:
                touching.setdefault(int(index), set()).add(position)
    return list(dict.fromkeys(frozenset(group) for group in touching.values()))


def leave_in_float(whole: bytes, quantized: bytes, positions: Collection[int]) -> bytes:
    """`quantized` with the operators at `positions` of `whole` computing in float32.

    QUANTIZE and DEQUANTIZE stand where the two kinds meet. An input that only such operators
    read is float32, and so is an output that one of them writes. Raises ValueError where
    the two files do not belong together.
    """
    return _Mixer(edit.read(whole), edit.read(quantized), positions).run()


class _Mixer:
    """The state of one `leave_in_float`; `model` is the quantized one, changed in place."""

    def __init__(self, whole: Any, model: Any, positions: Collection[int]) -> None:  # noqa: ANN401
        self.whole = whole
        self.model = model
        self.float_graph = whole.subgraphs[0]
        self.graph = model.subgraphs[0]
        self.chosen = {
            int(self.float_graph.operators[position].outputs[0]): position for position in positions
        }
        self.operators: list[Any] = []
        self.floats: dict[int, int] = {}  # quantized tensor -> the float one in its place
        self.from_float: set[int] = set()  # those of them that a float operator writes
        self.quantized_again: set[int] = set()

    def run(self) -> bytes:
        """The file."""
        self._free_inputs()
        n_found = 0
        for operator in list(self.graph.operators):
            position = self.chosen.get(int(operator.outputs[0]))
            if position is None:
                self._keep(operator)
            else:
                self._replace(operator, self.float_graph.operators[position])
                n_found += 1
        if n_found != len(self.chosen):
            raise ValueError("the int8 file lacks operators of the float file")
        self.graph.operators = self.operators
        outputs = [int(index) for index in self.graph.outputs]
        self._rename_ports({i: self.floats[i] for i in outputs if i in self.from_float})
        _drop_dead(self.graph)
        edit.drop_unused(self.model)
        return edit.write(self.model)

    def _free_inputs(self) -> None:
        """Inputs of the model that only float operators read become float32."""
        freed = {}
        for index in (int(i) for i in self.graph.inputs):
            readers = [op for op in self.graph.operators if index in {int(i) for i in op.inputs}]
            if readers and all(int(op.outputs[0]) in self.chosen for op in readers):
                freed[index] = self._float_tensor(index)
        self._rename_ports(freed)

    def _rename_ports(self, renamed: dict[int, int]) -> None:
        graph = self.graph
        for name in ("inputs", "outputs"):
            ports = [renamed.get(int(i), int(i)) for i in getattr(graph, name)]
            setattr(graph, name, np.array(ports, np.int32))
        for signature in self.model.signatureDefs or ():
            for port in (*(signature.inputs or ()), *(signature.outputs or ())):
                port.tensorIndex = renamed.get(int(port.tensorIndex), int(port.tensorIndex))

    def _float_tensor(self, index: int) -> int:
        """A new float32 tensor in place of a quantized one."""
        tensor, original = self.graph.tensors[index], self.float_graph.tensors[index]
        if tensor.name != original.name or original.type != edit.FLOAT32:
            raise ValueError(f"tensor {index} differs between the float file and the int8 file")
        name = original.name + b"/float32"
        self.floats[index] = edit.add_tensor(self.model, name, original.shape, edit.FLOAT32)
        return self.floats[index]

    def _keep(self, operator: Any) -> None:  # noqa: ANN401
        """A quantized operator; what a float operator wrote is quantized for it, once."""
        for index in (int(i) for i in operator.inputs):
            if index in self.from_float and index not in self.quantized_again:
                self.quantized_again.add(index)
                self.operators.append(
                    edit.make_operator(
                        self.model, edit.QUANTIZE, _QUANTIZE_INT8, self.floats[index], index
                    )
                )
        self.operators.append(operator)

    def _replace(self, operator: Any, original: Any) -> None:  # noqa: ANN401
        inputs = [self._operand(int(index)) for index in original.inputs]
        outputs = [int(index) for index in original.outputs]
        code = self.whole.operatorCodes[original.opcodeIndex]
        # Made for its operator code alone.
        made = edit.make_operator(self.model, edit.builtin_of(code), code.version, 0, 0)
        operator.opcodeIndex = made.opcodeIndex
        operator.builtinOptions = original.builtinOptions
        operator.builtinOptionsType = original.builtinOptionsType
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array([self._float_tensor(i) for i in outputs], np.int32)
        self.from_float |= set(outputs)
        self.operators.append(operator)

    def _operand(self, index: int) -> int:
        """The float32 tensor that a float operator reads in place of the float file's."""
        if index == _ABSENT:
            return _ABSENT
        original = self.float_graph.tensors[index]
        constant = edit.constant_bytes(self.whole, original)
        if constant is not None:
            return edit.add_tensor(
                self.model,
                original.name + b"/float32",
                original.shape,
                original.type,
                np.frombuffer(constant, np.uint8),
            )
        if index not in self.floats:
            target = self._float_tensor(index)
            self.operators.append(
                edit.make_operator(self.model, edit.DEQUANTIZE, _DEQUANTIZE_INT8, index, target)
            )
        return self.floats[index]


def _drop_dead(graph: Any) -> None:  # noqa: ANN401
    """Remove operators whose results nobody reads, last first."""
    used = {int(i) for i in graph.outputs}
    kept = []
    for operator in reversed(graph.operators):
        if used & {int(i) for i in operator.outputs}:
            kept.append(operator)
            used |= {int(i) for i in operator.inputs}
    graph.operators = kept[::-1]
