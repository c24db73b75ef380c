"""Where the decisions of a case come from, and how a failing case is made smaller."""

import random


class Choices:
    """Decisions, of each of which 0 is the simplest outcome; all that were made are in `made`."""

    def __init__(self, decide):
        self.decide = decide  # from a number of outcomes to one of them
        self.made = []

    @classmethod
    def at_random(cls, seed, index):
        """Those of case `index` of a seed."""
        rng = random.Random((seed << 40) + index)
        return cls(lambda count: int(rng.random() * count))

    @classmethod
    def again(cls, made):
        """Those of a list: where it does not fit any more the nearest that does, and after its end the simplest."""
        remaining = iter(made)
        return cls(lambda count: min(next(remaining, 0), count - 1))

    def below(self, count):
        self.made.append(self.decide(count))
        return self.made[-1]

    def between(self, low, high):
        return low + self.below(high - low + 1)

    def of(self, options):
        return options[self.below(len(options))]

    def once_in(self, count):
        return self.below(count) == count - 1


def reduced(made, fails, attempts=400):
    """Make a list of decisions simpler, as long as it `fails`: set stretches of it to 0, then each to less."""
    best = [*made]

    def accept(candidate):
        nonlocal best, attempts
        if candidate == best or attempts == 0:
            return False
        attempts -= 1
        if fails(candidate):
            best = candidate
            return True
        return False

    simpler = True
    while simpler and attempts:
        simpler = False
        for length in (32, 16, 8, 4, 2, 1):
            for start in range(0, len(best), length):
                simpler |= accept([*best[:start], *[0] * len(best[start : start + length]), *best[start + length :]])
        for place in range(len(best)):
            for value in (best[place] // 2, best[place] - 1):
                if 0 < value < best[place]:
                    simpler |= accept([*best[:place], value, *best[place + 1 :]])
    return best
