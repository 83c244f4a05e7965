"""Attention and convolution as measures of similarity."""
