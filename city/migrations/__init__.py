"""The schema's history. `versions` is run in order; a revision that has been released is never
changed.
"""
