"""The stored bytes of one object.

A *record* is a payload, the *metadata* and a *tail*.  The *payload* is what the codec wrote, after the
*transform* if there is one.  The metadata describe the record, in two parts.  The *text* is its own: ID and
*references*, which are the IDs of the records that the payload refers to.  The *kind* is what the records of
a class share: class, codec, versions.  A sealed record has a *proof* behind them.  The tail has a fixed size
and ends the record: lengths, *digests*, format version, magic.  The format is specified in
`docs/design/record-format.md`.
"""
