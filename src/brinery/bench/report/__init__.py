"""Results of a benchmark as text, CSV, one HTML page, advice, or a comparison of two."""
