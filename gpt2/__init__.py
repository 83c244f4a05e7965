"""GPT-2: weights, sampling, likelihood, and a temperature that looks ahead."""
