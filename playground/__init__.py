"""The trained models in one page for a browser: what goes in, and the page itself."""
