"""Functions as students write them: right ones in several styles, and wrong ones, each with the names of its bugs in `fastcnn.verify`."""

WRONG = []
RIGHT = []


def wrong(*bugs, like):
    """Plant a function with bugs of these names."""

    def plant(function):
        WRONG.append((function, like, bugs))
        return function

    return plant


def right(like):
    """Keep a function that has no bug."""

    def keep(function):
        RIGHT.append((function, like))
        return function

    return keep
