"""Draw the diagrams of "How the kernels work", as SVG beside this file: ``python docs/figures/diagrams.py``. It needs matplotlib."""

from __future__ import annotations

from style import PALE, PALE_BLUE, PALE_GREEN, PALE_ORANGE, PALE_RED, arrow, box, grid, save, say, sheet


def windows() -> None:
    """A patch is three runs of an image's memory: copied by im2col, or read where it is."""
    axes = sheet(19, 9.2)
    say(axes, 0.3, 0.5, "image, 6 rows of 8 pixels (C numbers each)", weight="bold")
    grid(axes, 0.3, 1, 6, 8, 0.8, lambda row, col: PALE_BLUE if 1 <= row <= 3 and 2 <= col <= 4 else "white")
    say(axes, 0.3, 6.4, "one window: 3 runs of 3 C numbers;\ninside a run they are neighbours in memory")
    say(axes, 8.2, 0.5, "im2col: a copy of each patch, 9 C numbers a row", weight="bold")
    for row in range(4):
        for run in range(3):
            color = PALE_BLUE if row == 1 else PALE
            box(axes, 8.2 + run * 2.1, 1 + row * 0.6, 2.1, 0.6, color, f"run {run + 1}" if row == 1 else "")
    say(axes, 14.8, 2.2, "K = KH KW C wide,\nnine times the image")
    say(axes, 8.2, 4.4, "fastcnn: a pointer to each patch, and one list of runs for all", weight="bold")
    for row in range(4):
        box(axes, 8.2, 4.9 + row * 0.6, 1.5, 0.6, PALE_BLUE if row == 1 else PALE, "•" if row == 1 else "")
    arrow(axes, (8.9, 5.8), (2.2, 2.1), 0.12)
    for run in range(3):
        box(axes, 11, 4.9 + run * 0.6, 6.6, 0.6, PALE_ORANGE, f"from {run} W C, 3 C numbers", fontsize=10)
    say(axes, 11, 7.1, "the runs of this kernel and this image")
    say(axes, 0.3, 8.7, "The numbers that a window shares with its neighbour stay where they are, in the cache that has read them already.")
    save("windows")


def regions() -> None:
    """Nine regions of a padded plane."""
    axes = sheet(19, 6.8)
    colors = {0: PALE_RED, 1: PALE_ORANGE, 2: PALE_BLUE}

    def on_rim(row: int, col: int) -> int:
        return 2 - (row in (0, 5)) - (col in (0, 6))

    say(axes, 0.3, 0.5, "the 6 x 7 windows of a 3x3 convolution with padding 1", weight="bold")
    grid(axes, 0.3, 1, 6, 7, 0.9, lambda row, col: colors[on_rim(row, col)])
    legend = [
        (PALE_BLUE, "inside, 1 region: 9 taps on the plane"),
        (PALE_ORANGE, "edges, 4 regions: 6 taps"),
        (PALE_RED, "corners, 4 regions: 4 taps"),
    ]
    for line, (color, text) in enumerate(legend):
        box(axes, 8, 1.2 + line * 1.1, 0.8, 0.8, color)
        say(axes, 9.1, 1.6 + line * 1.1, text)
    say(axes, 8, 5.4, "In a region every window has the same runs. Nothing is\npadded, and no zero is multiplied: Inf * 0 cannot happen.")
    save("regions")


def tile() -> None:
    """Registers of the microkernel."""
    axes = sheet(19, 8.4)
    say(axes, 5, 0.5, "b: one row of the packed filters, 4 vectors", weight="bold")
    for vector in range(4):
        box(axes, 5 + vector * 2.2, 0.9, 2.2, 0.8, PALE_ORANGE, "16 filters", fontsize=9)
    say(axes, 0.3, 2.2, "a: one number of\neach of 6 patches", weight="bold")
    for row in range(6):
        y = 2.2 + row * 0.85
        box(axes, 3.6, y, 0.85, 0.7, PALE_BLUE, f"a{row}", fontsize=9)
        for vector in range(4):
            box(axes, 5 + vector * 2.2, y, 2.2, 0.7, PALE_GREEN)
    say(axes, 14.2, 1.3, "4 registers")
    say(axes, 14.2, 4.6, "6 x 4 = 24 registers\nof sums:\nacc[i][j] +=\n    a[i] * b[j]")
    say(axes, 0.3, 4.6, "broadcast from\nmemory, one\nregister at a time")
    say(axes, 0.3, 7.85, "24 fused multiply-adds of 16 numbers for 4 + 6 loads. AVX-512 has 32 registers; this tile takes 24 + 4 + 1 = 29.")
    save("tile")


def weight_gradient() -> None:
    """The same tile, summed over windows."""
    axes = sheet(19, 8)
    say(axes, 0.3, 0.5, "dw = windows$^T$ · dy: the windows are what is summed over", weight="bold")
    box(axes, 0.3, 1.2, 2.6, 5, PALE_BLUE, "patches,\nwhere\nthey are")
    box(axes, 0.9, 1.2, 0.5, 5, "#7FB8DA")
    say(axes, 0.3, 7, "6 neighbours of each\npatch: 6 rows of dw")
    say(axes, 3.5, 3.7, "x", fontsize=16)
    box(axes, 4.3, 1.2, 5, 5, PALE_ORANGE, "dy, where it is")
    box(axes, 5.6, 1.2, 1.6, 5, "#F1C560")
    say(axes, 5.2, 7, "64 filters:\n64 columns of dw")
    say(axes, 9.9, 3.7, "=", fontsize=16)
    box(axes, 11, 1.2, 5, 3.4, PALE_GREEN, "dw (K, F)")
    box(axes, 12.3, 1.6, 1.6, 0.5, "#6CC4A8")
    box(axes, 11, 5.3, 5, 0.5, PALE_GREEN)
    say(axes, 11, 6.8, "db is a row more: patches get\na number that is always 1")
    save("weight_gradient")


def phases() -> None:
    """Which taps reach which pixels of dx, for a stride of 2."""
    axes = sheet(19, 8)
    colors = {(0, 0): PALE_BLUE, (0, 1): PALE_ORANGE, (1, 0): PALE_GREEN, (1, 1): PALE_RED}
    say(axes, 0.3, 0.5, "dx, for windows two pixels apart", weight="bold")
    grid(axes, 0.3, 1, 7, 7, 0.85, lambda row, col: colors[row % 2, col % 2])
    say(axes, 7.6, 0.5, "which taps of a 3x3 filter reach a pixel of each phase", weight="bold")
    for number, ((row, col), color) in enumerate(colors.items()):
        x, y = 7.6 + number % 2 * 5.6, 1.1 + number // 2 * 3.2

        def reached(u: int, v: int, row: int = row, col: int = col, color: str = color) -> str:
            return color if u % 2 == row and v % 2 == col else "white"

        grid(axes, x, y, 3, 3, 0.8, reached)
        count = (2 - row) * (2 - col)
        say(axes, x + 2.7, y + 1.2, f"{count} tap{'s' if count > 1 else ''}")
    say(
        axes,
        0.3,
        7.5,
        "4 + 2 + 2 + 1 = 9: each phase is a small convolution of dy with a stride of 1. No zeros are put between the pixels of dy.",
    )
    save("phases")


def winograd() -> None:
    """From 6x6 pixels to 4x4 results."""
    axes = sheet(19, 8.1)
    say(axes, 0.3, 0.5, "image: tile of 6x6", weight="bold")
    grid(axes, 0.3, 1, 6, 6, 0.45, PALE_BLUE)
    say(axes, 0.3, 5, "filter: 3x3", weight="bold")
    grid(axes, 0.3, 5.5, 3, 3, 0.45, PALE_ORANGE)
    say(axes, 3.4, 1.9, "$B^T x\\,B$")
    arrow(axes, (3.2, 2.4), (5.4, 2.4))
    say(axes, 3.4, 5.7, "$G\\,w\\,G^T$")
    arrow(axes, (3.2, 6.2), (5.4, 6.2))
    grid(axes, 5.6, 1, 6, 6, 0.45, PALE_BLUE)
    grid(axes, 5.6, 4.9, 6, 6, 0.45, PALE_ORANGE)
    say(axes, 9.3, 1.4, "36 small products, one for\neach place of the 6x6", weight="bold")
    box(axes, 9.3, 2.4, 5, 2.4, PALE, "(tiles x C) · (C x F)\non the same microkernel,\nsummed over channels")
    arrow(axes, (8.5, 2.6), (9.3, 3.1), -0.1)
    arrow(axes, (8.5, 6.2), (9.3, 4.3), 0.1)
    say(axes, 14.6, 3, "$A^T m\\,A$")
    arrow(axes, (14.3, 3.6), (16.6, 3.6))
    say(axes, 16.6, 2.3, "4x4 results", weight="bold")
    grid(axes, 16.7, 2.7, 4, 4, 0.45, PALE_GREEN)
    say(axes, 9.3, 6.6, "36 multiplications for a channel and a filter.\nThe direct method has 16 results of 9 taps: 144.")
    save("winograd")


def lanes() -> None:
    """What shares a vector in grouped and depthwise convolutions."""
    axes = sheet(19, 7.2)
    colors = [PALE_BLUE, PALE_ORANGE, PALE_GREEN, PALE_RED]
    say(axes, 0.3, 0.5, "depthwise: a lane is a channel", weight="bold")
    for lane in range(8):
        box(axes, 0.3 + lane, 1, 1, 0.8, colors[lane % 4], f"c{lane}", fontsize=9)
        box(axes, 0.3 + lane, 2.2, 1, 0.8, colors[lane % 4], f"w{lane}", fontsize=9)
        box(axes, 0.3 + lane, 3.4, 1, 0.8, colors[lane % 4], f"y{lane}", fontsize=9)
    say(axes, 8.6, 1.4, "x")
    say(axes, 8.6, 2.6, "=")
    say(axes, 9.9, 0.5, "groups of 2 channels: 4 groups a vector", weight="bold")
    for lane in range(8):
        box(axes, 9.9 + lane, 1, 1, 0.8, colors[lane // 2], f"c{lane // 2 * 2}", fontsize=9)
        box(axes, 9.9 + lane, 2.2, 1, 0.8, colors[lane // 2], f"w{lane},0", fontsize=9)
        box(axes, 9.9 + lane, 3.4, 1, 0.8, colors[lane // 2], f"y{lane}", fontsize=9)
    say(axes, 9.9, 4.8, "then c1 c1 c3 c3 ... with the filters' second channel:\nthe pixel's vector is permuted, not read again")
    say(axes, 0.3, 4.8, "nothing is permuted;\nfilters are read where they are")
    say(
        axes,
        0.3,
        6.6,
        "A strip of up to 8 neighbouring results is computed at once: a pixel is loaded once for all of them that it is a tap of.",
    )
    save("lanes")


def fused() -> None:
    """A convolution and the max pooling behind it."""
    axes = sheet(19, 8)
    say(axes, 0.3, 0.5, "one after the other: the plane goes to memory, and comes back", weight="bold")
    for x, text, color in ((0.3, "image", PALE_BLUE), (6.3, "convolution's plane\n26 x 26", PALE_RED), (13.3, "13 x 13", PALE_GREEN)):
        box(axes, x, 1, 4.2, 1.8, color, text)
    arrow(axes, (4.5, 1.9), (6.3, 1.9))
    arrow(axes, (10.5, 1.9), (13.3, 1.9))
    say(axes, 0.3, 3.9, "band by band: it never leaves the second-level cache", weight="bold")
    box(axes, 0.3, 4.4, 4.2, 1.8, PALE_BLUE, "image")
    box(axes, 6.3, 4.4, 4.2, 1.8, "white")
    box(axes, 6.3, 4.9, 4.2, 0.6, PALE_ORANGE, "a few rows", fontsize=9)
    box(axes, 13.3, 4.4, 4.2, 1.8, PALE_GREEN, "13 x 13")
    arrow(axes, (4.5, 5.2), (6.3, 5.2))
    arrow(axes, (10.5, 5.2), (13.3, 5.2))
    say(
        axes,
        0.3,
        7.1,
        "In training, which of the 4 won is kept in a byte each; rows and columns that no window of the pooling reads\nare not computed.",
    )
    save("fused")


def threads() -> None:
    """Chunks are cut by shape; a thread begins with its part, and then takes from the others."""
    axes = sheet(19, 6.6)
    colors = {"A": PALE_BLUE, "B": PALE_ORANGE, "C": PALE_GREEN}
    say(axes, 0.3, 0.5, "the same chunks, cut by the shape of the problem", weight="bold")
    for line, (who, text) in enumerate((("A" * 12, "1 thread"), ("AAAAAABBBABB", "2 threads"), ("AAAABBBBCCAC", "3 threads"))):
        y = 1 + line * 1.2
        for chunk, worker in enumerate(who):
            box(axes, 3.4 + chunk * 1.2, y, 1.2, 0.9, colors[worker], worker)
        say(axes, 0.3, y + 0.45, text)
    say(axes, 0.3, 5.6, "Who computes a chunk may change; what is computed in it, and in which order its sums run, never does.")
    save("threads")


def session() -> None:
    """What a call does each time, and a session once."""
    axes = sheet(19, 8.2)
    say(axes, 0.3, 0.5, "each call alone", weight="bold")
    for call in range(3):
        for step, (text, color) in enumerate((("plan", PALE_BLUE), ("pack", PALE_ORANGE), ("run", PALE_GREEN))):
            box(axes, 0.3 + call * 6 + step * 1.8, 1, 1.8, 0.9, color, text)
    say(axes, 0.3, 2.9, "a session: planned and packed once; a run allocates nothing", weight="bold")
    for step, (text, color) in enumerate((("plan", PALE_BLUE), ("pack", PALE_ORANGE), *[("run", PALE_GREEN)] * 6)):
        box(axes, 0.3 + step * 1.8, 3.4, 1.8, 0.9, color, text)
    say(axes, 0.3, 5.3, "many images of a small network: each thread takes groups through all steps, in memory of its own", weight="bold")
    for lane in range(2):
        y = 5.8 + lane * 1.1
        box(axes, 0.3, y, 2.2, 0.9, PALE, f"thread {lane + 1}")
        for group in range(3):
            for step in range(3):
                box(
                    axes,
                    2.9 + group * 5 + step * 1.6,
                    y,
                    1.6,
                    0.9,
                    [PALE_BLUE, PALE_GREEN, PALE_RED][group],
                    f"step {step + 1}",
                    fontsize=9,
                )
    save("session")


if __name__ == "__main__":
    for diagram in (windows, regions, tile, weight_gradient, phases, winograd, lanes, fused, threads, session):
        diagram()
