"""Line charts as inline SVG: thin raw values, a bold running mean, axes with round ticks."""

import math
from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT = 420, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 30


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers that span [low, high]: steps of 1, 2 or 5 times a power of ten."""
    if high <= low:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def running_mean(values: Sequence[float], window: int) -> list[float]:
    """Mean of the last `window` values at each place."""
    return [sum(values[max(0, i + 1 - window) : i + 1]) / min(i + 1, window) for i in range(len(values))]


def line_chart(points: Sequence[tuple[float, float]], title: str) -> str:
    """An SVG chart of (step, value) points; values that are no finite numbers are left out."""
    points = [(x, float(y)) for x, y in points if math.isfinite(y)]
    if len(points) < 2:
        return ""
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    y_ticks, x_ticks = nice_ticks(min(ys), max(ys)), [t for t in nice_ticks(min(xs), max(xs)) if t == int(t)]
    x_low, x_high, y_low, y_high = min(xs), max(xs), y_ticks[0], y_ticks[-1]

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / ((x_high - x_low) or 1)
        up = (y - y_low) / ((y_high - y_low) or 1)
        return (
            round(_LEFT + across * (_WIDTH - _LEFT - _RIGHT), 1),
            round(_HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM), 1),
        )

    smooth = list(zip(xs, running_mean(ys, max(2, len(ys) // 6)), strict=True))
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">']
    for tick in y_ticks:
        _, y = at(x_low, tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y}" x2="{_WIDTH - _RIGHT}" y2="{y}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{tick:g}</text>')
    for tick in x_ticks:
        if x_low <= tick <= x_high:
            parts.append(f'<text x="{at(tick, y_low)[0]}" y="{_HEIGHT - 10}" text-anchor="middle">{tick:g}</text>')
    for css, line in (("raw", points), ("smooth", smooth)):
        path = " ".join("{},{}".format(*at(x, y)) for x, y in line)
        parts.append(f'<polyline class="{css}" points="{path}"/>')
    for x, y in points:
        px, py = at(x, y)
        parts.append(f'<circle cx="{px}" cy="{py}" r="6" class="hit"><title>step {x:g}: {y:.4g}</title></circle>')
    return "".join([*parts, "</svg>"])
