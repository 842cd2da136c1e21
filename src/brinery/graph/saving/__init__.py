"""Saving: objects in, records out.

Each object that a save meets is a *work* with an ID.  The *encoder* makes its payload and notes what that
refers to.  The *saver* commits the records of all that are new or changed.
"""
