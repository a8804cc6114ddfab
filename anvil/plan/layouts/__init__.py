"""How fast kernels want their constants: one module for each layout, found by its name."""
