"""Results as people read them.

A `Report` is a result that renders itself: as *tables* (`table`: text, notebooks, CSV) or as a *page*
(`page`: one HTML file with charts, which needs no network).  *Advice* names the codecs to choose, and a
*comparison* lists what changed between two results.  Everything here reads results and measures nothing.
"""
