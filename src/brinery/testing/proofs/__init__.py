"""What a codec keeps, found by trying: one proof per row of the table of codecs.

    for proof in prove(make_codec("pickle")):
        print(proof.row, proof.result, proof.evidence)

A *row* is one thing that codecs may keep.  A *proof* is what one codec does in one row.  It declares nothing
and asks no flag: it saves an object, loads it again and compares.  `CodecContract` compares the proofs
with the codec's `Capabilities`, and `brinery.testing.table` writes them as a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from brinery.codec import Codec
from brinery.testing.proofs import functions, graphs, promises, values
from brinery.testing.proofs.proof import KEPT, YES, Fate, Proof


def prove(codec: Codec, *, speed: bool = True) -> list[Proof]:
    """Return the proofs of all rows, in the table's order; without that of speed, if so asked."""
    return [prove_row(codec, row) for row in PROOFS if speed or row != "speed class"]


def prove_row(codec: Codec, row: str) -> Proof:
    """Return the proof of one row."""
    flag = FLAGS.get(row)
    fate = PROOFS[row](codec)
    return Proof(row, fate.result, fate.evidence, flag, fate.result in (KEPT, YES))


PROOFS: Final[Mapping[str, Callable[[Codec], Fate]]] = {
    "references": graphs.references_row,
    "cycles": graphs.cycles_row,
    "shared identity": graphs.shared_row,
    "recursion depth": graphs.depth_row,
    "lambdas": functions.lambdas_row,
    "closures": functions.closures_row,
    "recursive functions": functions.recursive_row,
    "classes by value": functions.by_value_row,
    "`__main__` classes": functions.main_classes_row,
    "generators": functions.generators_row,
    "modules": values.modules_row,
    "locks": values.locks_row,
    "open files": values.files_row,
    "numpy": values.numpy_row,
    "pandas": values.pandas_row,
    "subclass of builtins": values.subclasses_row,
    "NaN": values.nan_row,
    "huge integers": values.huge_row,
    "interned identity": values.interned_row,
    "determinism of bytes": promises.deterministic_row,
    "readable by plain pickle": promises.plain_pickle_row,
    "safe to read": promises.safe_row,
    "readable from other languages": promises.languages_row,
    "speed class": promises.speed_row,
}
"""The rows of the table, in its order."""

FLAGS: Final[Mapping[str, str]] = {
    "references": "references",
    "cycles": "cycles",
    "shared identity": "shared_identity",
    "lambdas": "closures",
    "closures": "closures",
    "recursive functions": "closures",
    "classes by value": "classes_by_value",
    "determinism of bytes": "deterministic",
    "readable by plain pickle": "plain_pickle",
    "safe to read": "safe_to_read",
}
"""The field of `Capabilities` that promises what a row shows; the other rows are measured only."""
