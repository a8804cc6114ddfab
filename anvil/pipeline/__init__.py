"""The stages in order: the only importer of stages."""
