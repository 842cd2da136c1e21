"""What is shown of the results: a table on the terminal, a page of the documentation, pictures."""
