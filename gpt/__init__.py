"""A small GPT-2-like model of Shakespeare's characters."""
