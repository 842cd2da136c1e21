"""The stored bytes of one object.

A *record* is a payload, its buffers, the *metadata* and a *tail*.  The *payload* is what the codec
wrote, after the *transform* if there is one.  The metadata describe the record: ID, codec, versions and
the *references*, which are the IDs of the records that the payload refers to.  The tail has a fixed
size and ends the record: lengths, *digest* or *seal*, format version, magic.  The format is specified in
`docs/design/record-format.md`.
"""
