"""What differs between databases.

`sqlite` and `postgresql` use the drivers directly; `generic` serves every other dialect of SQLAlchemy.
"""
