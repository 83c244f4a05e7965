"""Headlines: a decoder transformer in four sizes."""
