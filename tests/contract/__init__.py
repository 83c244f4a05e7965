"""The exercise's questions, asked of our files or of a folder with a solution."""
