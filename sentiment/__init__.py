"""Sentiment of movie reviews: the assignment's transformer, and what beats it."""
