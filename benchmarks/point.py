"""A class whose module imports nothing, so that loading an object of it costs what the store costs."""


class Point:
    """A point in a plane."""

    def __init__(self, x: int, y: int) -> None:
        self.x = x
        self.y = y
