"""The theory questions of two assignments, each derivation with an experiment."""
