"""What the three pickle codecs share.

They write references and the root as *reductions* (`reducers`), and read with *unpicklers* that can
suspend, upgrade and refuse.  `analysis` looks through a payload without running it.
"""
