"""The exercise's checks on a student's own files."""
