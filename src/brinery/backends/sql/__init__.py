"""Records as rows of a table: in SQLite, PostgreSQL, and any other database that SQLAlchemy knows.

A *database* is what a URL names, with the two tables of one store; a *dialect* is the kind of database, and
all that depends on the kind is behind the interface in `dialect`.  A *connection* reads and writes rows;
a *pool* keeps connections between calls.  `backend` implements the contract of backends with them: a
commit is *pending* until all its records are taken in, is then written in one transaction (`writes`), and
readers see it wholly or not at all.  `tables` makes the tables and asks them; *extra columns* are those
that the user adds.
"""

from brinery.backends.sql.backend import SqlBackend

__all__ = ["SqlBackend"]
