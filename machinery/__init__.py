"""What every room shares: command line, training loop, files, figures' look."""
