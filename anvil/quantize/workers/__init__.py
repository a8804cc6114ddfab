"""Programs of their own, which actions run; their sources are inputs of the actions.

They import the standard library, the libraries that they are there for, and the modules of
this stage that travel with them.
"""
