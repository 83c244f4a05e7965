"""Gaussian and uniform mixtures of Europe's places."""
