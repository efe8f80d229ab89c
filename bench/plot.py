# SPDX-License-Identifier: GPL-2.0-only
"""Line charts on logarithmic axes as SVG: the same data gives the same bytes."""

import math
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 840, 440
LEFT, RIGHT, TOP, BOTTOM = 110, 570, 40, 380	# of the area of the lines
NEAREST = 40					# between labels of the x axis


class Style(NamedTuple):
    label: str
    colour: str
    dash: str
    marker: str


# Colours that also differ for the colour-blind; dashes and markers differ too.
STYLES = {
    "phys": Style("p2pbuf, phys", "#0072b2", "", "circle"),
    "sgt": Style("p2pbuf, sgt", "#56b4e9", "8 3", "square"),
    "aligned": Style("p2pbuf, aligned layout", "#009e73", "2 3", "diamond"),
    "helper": Style("dma_buf_phys_vec_to_sgt()", "#d55e00", "", "cross"),
    "corrected": Style("the same, corrected", "#e69f00", "8 3", "triangle"),
    "dma_map_phys": Style("dma_map_phys() each", "#cc79a7", "", "plus"),
    "dma_map_resource": Style("dma_map_resource() each", "#882255", "2 3",
                              "square"),
    "pages": Style("dma_map_sgtable(), struct pages", "#777777", "8 3 2 3",
                   "diamond"),
    "limit": Style("limit: IOMMU API alone", "#000000", "5 5", "triangle"),
}

# Paths around a point, 8 wide.
MARKERS = {
    "circle": "m-4,0a4,4 0 1 0 8,0a4,4 0 1 0 -8,0z",
    "square": "m-3.5,-3.5h7v7h-7z",
    "diamond": "m0,-5l5,5l-5,5l-5,-5z",
    "triangle": "m0,-4.5l4.5,8h-9z",
    "cross": "m-4,-4l8,8m0,-8l-8,8",
    "plus": "m-4.5,0h9m-4.5,-4.5v9",
}


class Point(NamedTuple):
    x: int
    y: float
    low: float
    high: float
    computed: bool


def style(name):
    return STYLES.get(name, Style(name, "#777777", "", "circle"))


def scale(values, start, end):
    """A function from the logarithm of values to a place between two others."""
    low, high = math.log(min(values)), math.log(max(values))
    if low == high:
        low, high = low - 1, high + 1
    return lambda value: start + (end - start) * (
        (math.log(value) - low) / (high - low))


def decimals(low, high):
    """Round numbers from @low to @high, one step outwards: few, but two."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if math.log10(high / low) < 2 else (1,)
    ticks = [step * 10.0 ** decade for decade in decades for step in steps]
    first = max(i for i, tick in enumerate(ticks) if tick <= low)
    last = min((i for i, tick in enumerate(ticks) if tick >= high),
               default=len(ticks) - 1)
    return ticks[first:max(last, first + 1) + 1]


def text(x, y, words, anchor="middle", more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>'
            f"{escape(words)}</text>")


def line(x1, y1, x2, y2, colour):
    return (f'<path d="M{x1:.1f},{y1:.1f}L{x2:.1f},{y2:.1f}" '
            f'stroke="{colour}"/>')


def marker(x, y, name, hollow=False):
    look = style(name)
    fill = "#fff" if hollow else look.colour
    return (f'<path d="M{x:.1f},{y:.1f}{MARKERS[look.marker]}" '
            f'stroke="{look.colour}" fill="{fill}"/>')


def dashes(name):
    look = style(name)
    dash = f' stroke-dasharray="{look.dash}"' if look.dash else ""
    return f'stroke="{look.colour}" stroke-width="1.8"{dash}'


def x_axis(at, places, title, label):
    last = -math.inf
    for place in places:
        x = at(place)
        yield line(x, TOP, x, BOTTOM, "#ddd")
        if x - last >= NEAREST:
            yield text(x, BOTTOM + 18, label(place))
            last = x
    yield text((LEFT + RIGHT) / 2, HEIGHT - 18, title)


def y_axis(at, ticks, title):
    for tick in ticks:
        yield line(LEFT, at(tick), RIGHT, at(tick), "#ddd")
        yield text(LEFT - 8, at(tick) + 4, f"{tick:,.10g}", "end")
    middle = (TOP + BOTTOM) / 2
    yield text(18, middle, title, more=f' transform="rotate(-90 18 {middle})"')


def curve(x_at, y_at, name, points):
    places = [(x_at(point.x), y_at(point.y)) for point in points]
    path = "L".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<path d="M{path}" fill="none" {dashes(name)}/>'
    for (x, y), point in zip(places, points):
        if point.low != point.high:
            yield line(x, y_at(point.low), x, y_at(point.high),
                       style(name).colour)
        yield marker(x, y, name, point.computed)


def legend(names, computed):
    x = RIGHT + 20
    for i, name in enumerate(names):
        y = TOP + 12 + 22 * i
        yield f'<path d="M{x},{y}h32" {dashes(name)}/>'
        yield marker(x + 16, y, name)
        yield text(x + 40, y + 4, style(name).label, "start")
    if computed:
        yield text(x, TOP + 20 + 22 * len(names), "hollow: computed", "start")


def chart(title, x_title, y_title, x_label, series):
    """The SVG of @series: {strategy: [Point]}, each sorted by x, all above 0."""
    points = [point for some in series.values() for point in some]
    ticks = decimals(min(point.low for point in points),
                     max(point.high for point in points))
    places = sorted({point.x for point in points})
    x_at = scale(places, LEFT + 10, RIGHT - 10)
    y_at = scale(ticks, BOTTOM, TOP)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12" fill="#000">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        text(LEFT, 24, title, "start", ' font-size="14"'),
        *x_axis(x_at, places, x_title, x_label),
        *y_axis(y_at, ticks, y_title)]
    for name, some in series.items():
        parts += curve(x_at, y_at, name, some)
    parts += legend(series, any(point.computed for point in points))
    return "\n".join([*parts, "</svg>", ""])
