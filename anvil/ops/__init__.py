"""Operators: shape rule, quantization rule, NumPy reference and lowering, a file each."""
