"""The reports of the results: a table on the terminal, a page of the documentation, pictures."""
