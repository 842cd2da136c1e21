"""From names to classes.

A *name* is what users and stored settings say: ``"dill"``, ``"zstd:3"``, ``"sqlite"``.  A *table* maps the
names that come with brinery to import strings, so that nothing is loaded before it is used; *entry points*
of other distributions add further names.  A name that nothing answers to becomes an error that says what to
install.
"""
