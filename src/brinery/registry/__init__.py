"""From names to classes.

A *name* is what users and stored settings give: ``"dill"``, ``"zstd:3"``, ``"sqlite"``.  A *registry* holds
the names of one kind.  It maps those that come with brinery to *import strings*, so that nothing is loaded
before it is used; *entry points* of other distributions add further names.  An unknown name, or a library
that is missing, becomes an error that says what to install.  A *chain* is several codecs under one name.
"""
