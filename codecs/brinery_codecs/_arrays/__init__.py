"""Arrays of numpy that share their memory: which do, and how pickles keep it so."""
