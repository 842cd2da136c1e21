"""klepto: a dir_archive, a directory per object."""

from __future__ import annotations

from klepto.archives import dir_archive

from benchmarks.peers.peer import KILL, MappingPeer


class Klepto(MappingPeer):
    title, packages, durability = "klepto", ("klepto", "dill"), KILL
    source = "klepto/_archives.py, dir_archive._store: written aside and renamed; no fsync"
    # klepto.archives.dir_archive: cached=True, the default, goes through a dictionary in memory that
    # holds everything; cached=False is the directory itself.  serialized=True, the default, pickles (by
    # dill, unless compressed).
    advice = "dir_archive, cached=False: what is assigned is written; pickled by dill, the default"
    notes = {"update_some": "the old directory is removed before the new one gets its name"}

    def __init__(self, directory: str) -> None:
        self.objects = dir_archive(f"{directory}/archive", cached=False, serialized=True)
