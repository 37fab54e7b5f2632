"""`postgym/Physics-v0`: amounts with their units: motion, forces, energy, heat, electricity, waves, optics.

One formula in SI units at difficulty 0; with difficulty come other units to convert, and problems of several steps.
Any unit that measures the same thing counts as an answer, within half a percent.
"""

import math
import random
from typing import Any

from envs.base import Exploit, Task
from envs.domain.sheet import Sheet, shown
from envs.mathematics.cheats import says
from envs.mathematics.problems import Problem, ProblemEnv
from rewards.quantity import right_quantity
from rewards.score import Criterion, Rubric

_G = "Take g = 9.8 m/s^2."
_LENGTHS = {"m": 1.0, "cm": 0.01, "km": 1000.0, "mm": 0.001}
_MASSES = {"kg": 1.0, "g": 0.001, "t": 1000.0}
_TIMES = {"s": 1.0, "min": 60.0, "h": 3600.0, "ms": 0.001}
_SPEEDS = {"m/s": 1.0, "km/h": 1 / 3.6}
_CURRENTS = {"A": 1.0, "mA": 0.001}
_RESISTANCES = {"ohm": 1.0, "kohm": 1000.0}
_ENERGIES = {"J": 1.0, "kJ": 1000.0}


def average_speed(rng: random.Random, difficulty: float) -> Problem:
    """Way over time."""
    sheet = Sheet(rng, difficulty)
    (way, s), (time, t) = sheet.draw(50, 900, _LENGTHS), sheet.draw(5, 90, _TIMES)
    v = sheet.step(f"{shown(s)} / {shown(t)}", s / t, "m/s")
    return sheet.problem(f"A cart covers {way} in {time}. What is its average speed?", v, "m/s")


def force(rng: random.Random, difficulty: float) -> Problem:
    """Newton's second law."""
    sheet = Sheet(rng, difficulty)
    (mass, m), (speed, v), (time, t) = (
        sheet.draw(1, 80, _MASSES),
        sheet.draw(2, 40, _SPEEDS),
        sheet.draw(1, 20, _TIMES),
    )
    a = sheet.step(f"{shown(v)} / {shown(t)}", v / t, "m/s^2")
    f = sheet.step(f"{shown(m)} * {shown(a)}", m * a, "N")
    return sheet.problem(f"What constant force brings {mass} from rest to {speed} in {time}?", f, "N")


def ohm(rng: random.Random, difficulty: float) -> Problem:
    """Ohm's law."""
    sheet = Sheet(rng, difficulty)
    (current, i), (resistance, r) = sheet.draw(1, 12, _CURRENTS), sheet.draw(10, 900, _RESISTANCES)
    u = sheet.step(f"{shown(i)} * {shown(r)}", i * r, "V")
    return sheet.problem(f"A current of {current} flows through {resistance}. What is the voltage?", u, "V")


def density(rng: random.Random, difficulty: float) -> Problem:
    """The mass of a block from its sides and its density."""
    sheet = Sheet(rng, difficulty)
    sides = [sheet.draw(1, 9, {"m": 1.0, "cm": 0.01}) for _ in range(3)]
    rho = rng.randint(300, 9000)
    a, b, c = (value for _, value in sides)
    volume = sheet.step(f"{shown(a)} * {shown(b)} * {shown(c)}", a * b * c, "m^3")
    m = sheet.step(f"{shown(volume)} * {rho}", volume * rho, "kg")
    told = " by ".join(text for text, _ in sides)
    return sheet.problem(f"A block of {told} has a density of {rho} kg/m^3. What is its mass?", m, "kg")


def kinetic_energy(rng: random.Random, difficulty: float) -> Problem:
    """The energy that a change of speed takes."""
    sheet = Sheet(rng, difficulty)
    (mass, m), (before, v) = sheet.draw(2, 900, _MASSES), sheet.draw(2, 12, _SPEEDS)
    after, w = sheet.draw(13, 40, _SPEEDS)
    first = sheet.step(f"{shown(m)} * {shown(v)}^2 / 2", m * v * v / 2, "J")
    second = sheet.step(f"{shown(m)} * {shown(w)}^2 / 2", m * w * w / 2, "J")
    e = sheet.step(f"{shown(second)} - {shown(first)}", second - first, "J")
    return sheet.problem(f"What work speeds {mass} up from {before} to {after}?", e, "J")


def lifting_power(rng: random.Random, difficulty: float) -> Problem:
    """The power drawn by a hoist of a given efficiency."""
    sheet = Sheet(rng, difficulty)
    (mass, m), (height, h), (time, t) = (
        sheet.draw(20, 900, _MASSES),
        sheet.draw(2, 60, _LENGTHS),
        sheet.draw(4, 90, _TIMES),
    )
    eta = rng.randrange(40, 96, 5)
    e = sheet.step(f"{shown(m)} * 9.8 * {shown(h)}", m * 9.8 * h, "J")
    p = sheet.step(f"{shown(e)} / {shown(t)}", e / t, "W")
    drawn = sheet.step(f"{shown(p)} * 100 / {eta}", p * 100 / eta, "W")
    question = f"A hoist of {eta}% efficiency lifts {mass} by {height} in {time}. What power does it draw? {_G}"
    return sheet.problem(question, drawn, "W")


def free_fall(rng: random.Random, difficulty: float) -> Problem:
    """The speed after a fall with an initial speed."""
    sheet = Sheet(rng, difficulty)
    (height, h), (speed, v) = sheet.draw(3, 200, _LENGTHS), sheet.draw(1, 20, _SPEEDS)
    a = sheet.step(f"{shown(v)} * {shown(v)}", v * v, "m^2/s^2")
    b = sheet.step(f"2 * 9.8 * {shown(h)}", 2 * 9.8 * h, "m^2/s^2")
    c = sheet.step(f"{shown(a)} + {shown(b)}", a + b, "m^2/s^2")
    w = sheet.step(f"{shown(c)}^(1/2)", math.sqrt(c), "m/s")
    question = f"A stone is thrown straight down at {speed} from a height of {height}. How fast does it hit the ground?"
    return sheet.problem(f"{question} {_G}", w, "m/s")


def mixing(rng: random.Random, difficulty: float) -> Problem:
    """Hot and cold water mixed, and heat lost on the way."""
    sheet = Sheet(rng, difficulty)
    (hot, m), (cold, n) = sheet.draw(1, 9, _MASSES), sheet.draw(1, 9, _MASSES)
    high, low = rng.randint(50, 95), rng.randint(4, 30)
    a = sheet.step(f"{shown(m)} * {high}", m * high, "kg °C")
    b = sheet.step(f"{shown(n)} * {low}", n * low, "kg °C")
    both = sheet.step(f"{shown(m)} + {shown(n)}", m + n, "kg")
    total = sheet.step(f"{shown(a)} + {shown(b)}", a + b, "kg °C")
    t = sheet.step(f"{shown(total)} / {shown(both)}", total / both, "°C")
    question = f"{hot} of water at {high} °C is mixed with {cold} at {low} °C, without loss. What temperature results?"
    return sheet.problem(question, t, "°C")


def kettle(rng: random.Random, difficulty: float) -> Problem:
    """How long a heater takes."""
    sheet = Sheet(rng, difficulty)
    mass, m = sheet.draw(1, 20, _MASSES)
    low, high, watts, eta = rng.randint(5, 25), rng.randint(60, 100), rng.randrange(600, 3000, 50), rng.randint(60, 95)
    rise = sheet.step(f"{high} - {low}", high - low, "K")
    heat = sheet.step(f"4180 * {shown(m)} * {shown(rise)}", 4180 * m * rise, "J")
    useful = sheet.step(f"{watts} * {eta} / 100", watts * eta / 100, "W")
    t = sheet.step(f"{shown(heat)} / {shown(useful)}", heat / useful, "s")
    question = (
        f"A heater of {watts} W, of which {eta}% reach the water, heats {mass} of water from {low} °C to {high} °C. "
        "How long does it take? Take 4180 J/(kg*K)."
    )
    return sheet.problem(question, t, "s")


def collision(rng: random.Random, difficulty: float) -> Problem:
    """Two carts that stick together: the energy lost."""
    sheet = Sheet(rng, difficulty)
    (first, m), (second, n) = sheet.draw(2, 60, _MASSES), sheet.draw(2, 60, _MASSES)
    (speed, v), (other, w) = sheet.draw(6, 20, _SPEEDS), sheet.draw(1, 5, _SPEEDS)
    p = sheet.step(f"{shown(m)} * {shown(v)}", m * v, "kg m/s")
    q = sheet.step(f"{shown(n)} * {shown(w)}", n * w, "kg m/s")
    both = sheet.step(f"{shown(m)} + {shown(n)}", m + n, "kg")
    total = sheet.step(f"{shown(p)} + {shown(q)}", p + q, "kg m/s")
    u = sheet.step(f"{shown(total)} / {shown(both)}", total / both, "m/s")
    question = (
        f"A cart of {first} at {speed} runs into one of {second} that moves the same way at {other}. They stick "
        "together. How fast do they go on?"
    )
    return sheet.problem(question, u, "m/s")


def circuit(rng: random.Random, difficulty: float) -> Problem:
    """A resistor in series with two in parallel: the power drawn."""
    sheet = Sheet(rng, difficulty)
    (one, r), (two, s), (three, q) = (sheet.draw(5, 200, _RESISTANCES) for _ in range(3))
    volts = rng.randint(5, 230)
    both = sheet.step(f"{shown(s)} + {shown(q)}", s + q, "ohm")
    product = sheet.step(f"{shown(s)} * {shown(q)}", s * q, "ohm^2")
    parallel = sheet.step(f"{shown(product)} / {shown(both)}", product / both, "ohm")
    total = sheet.step(f"{shown(r)} + {shown(parallel)}", r + parallel, "ohm")
    p = sheet.step(f"{volts}^2 / {shown(total)}", volts**2 / total, "W")
    question = (
        f"{one} is in series with {two} and {three}, which are parallel to each other. {volts} V are applied to the "
        "whole. What power is drawn?"
    )
    return sheet.problem(question, p, "W")


def lens(rng: random.Random, difficulty: float) -> Problem:
    """The size of an image behind a thin lens."""
    sheet = Sheet(rng, difficulty)
    (focal, f), (size, y) = sheet.draw(1, 3, {"m": 1.0, "cm": 0.01}), sheet.draw(1, 5, {"m": 1.0, "cm": 0.01})
    distance, g = sheet.draw(4, 40, {"m": 1.0, "cm": 0.01})
    a = sheet.step(f"1 / {shown(f)}", 1 / f, "1/m")
    b = sheet.step(f"1 / {shown(g)}", 1 / g, "1/m")
    c = sheet.step(f"{shown(a)} - {shown(b)}", a - b, "1/m")
    image = sheet.step(f"1 / {shown(c)}", 1 / c, "m")
    z = sheet.step(f"{shown(y)} * {shown(image)} / {shown(g)}", y * image / g, "m")
    question = (
        f"An object {size} high stands {distance} in front of a thin converging lens with a focal length of {focal}. "
        "How high is its image?"
    )
    return sheet.problem(question, z, "m")


def slope(rng: random.Random, difficulty: float) -> Problem:
    """The way that a sliding block needs to stop, thrown up a slope with friction."""
    sheet = Sheet(rng, difficulty)
    speed, v = sheet.draw(3, 30, _SPEEDS)
    rise, base, hundredths = *rng.choice(((3, 4), (5, 12), (8, 15), (7, 24), (20, 21))), rng.randint(5, 45)
    side = math.isqrt(rise**2 + base**2)
    along = sheet.step(f"9.8 * {rise} / {side}", 9.8 * rise / side, "m/s^2")
    across = sheet.step(f"9.8 * {base} / {side}", 9.8 * base / side, "m/s^2")
    friction = sheet.step(f"{shown(across)} * {hundredths / 100:g}", across * hundredths / 100, "m/s^2")
    a = sheet.step(f"{shown(along)} + {shown(friction)}", along + friction, "m/s^2")
    square = sheet.step(f"{shown(v)} * {shown(v)}", v * v, "m^2/s^2")
    way = sheet.step(f"{shown(square)} / (2 * {shown(a)})", square / (2 * a), "m")
    question = (
        f"A block is pushed up a slope that rises {rise} m over {base} m of ground, and starts at {speed}. The "
        f"coefficient of friction is {hundredths / 100:g}. How far up the slope does it slide? {_G}"
    )
    return sheet.problem(question, way, "m")


def projectile(rng: random.Random, difficulty: float) -> Problem:
    """The range of a throw from a height."""
    sheet = Sheet(rng, difficulty)
    (speed, v), (height, h) = sheet.draw(5, 40, _SPEEDS), sheet.draw(2, 90, _LENGTHS)
    up, along = rng.choice(((3, 4), (4, 3), (5, 12), (12, 5), (8, 15), (15, 8)))
    side = math.isqrt(up**2 + along**2)
    x = sheet.step(f"{shown(v)} * {along} / {side}", v * along / side, "m/s")
    y = sheet.step(f"{shown(v)} * {up} / {side}", v * up / side, "m/s")
    a = sheet.step(f"{shown(y)} * {shown(y)}", y * y, "m^2/s^2")
    b = sheet.step(f"2 * 9.8 * {shown(h)}", 2 * 9.8 * h, "m^2/s^2")
    down = sheet.step(f"({shown(a)} + {shown(b)})^(1/2)", math.sqrt(a + b), "m/s")
    t = sheet.step(f"({shown(y)} + {shown(down)}) / 9.8", (y + down) / 9.8, "s")
    way = sheet.step(f"{shown(x)} * {shown(t)}", x * t, "m")
    question = (
        f"A ball is thrown at {speed} from a height of {height}, upwards at an angle with a sine of {up}/{side}. How "
        f"far away, measured on the ground, does it land? Neglect the air. {_G}"
    )
    return sheet.problem(question, way, "m")


class Physics(ProblemEnv):
    """Problems whose answer is an amount with its unit."""

    id = "postgym/Physics-v0"
    rubric = Rubric([Criterion("amount", right_quantity)])
    commonest = ("10 m", "9.8 m/s^2", "100 J")
    makers = (
        (0.0, ohm),
        (0.0, average_speed),
        (0.15, density),
        (0.25, force),
        (0.35, kinetic_energy),
        (0.4, kettle),
        (0.45, lifting_power),
        (0.55, mixing),
        (0.65, circuit),
        (0.7, lens),
        (0.75, free_fall),
        (0.8, collision),
        (0.85, slope),
        (0.9, projectile),
    )
    window = 3

    def target_of(self, problem: Problem) -> dict[str, Any]:
        """The amount and its unit."""
        value, unit = problem.answer.split(" ", 1)
        return {"value": value, "unit": unit}

    def wrong_texts(self, task: Task, text: str) -> list[str]:
        """A digit more may be near enough: the amounts here are further off, or of another kind."""
        value, unit = float(task.target["value"]), task.target["unit"]
        body = text.rpartition("\n")[0]
        wrong = (f"{shown(1.02 * value + 0.02)} {unit}", f"{shown(-value - 1)} {unit}", f"{shown(value)} {unit} cd")
        return [f"{body}\nAnswer: {answer}" for answer in wrong]

    def exploits(self, task: Task) -> dict[str, Exploit]:
        """Beside what every problem invites: amounts without their unit, in the wrong one, and almost right ones."""
        value, unit = task.target["value"], task.target["unit"]
        return {
            **super().exploits(task),
            "no unit": says(f"Answer: {value}"),
            "another unit": says(
                f"Answer: {value} {'K' if unit == '°C' else unit.removeprefix('k') if unit == 'kg' else 'k' + unit}"
            ),
            "two units": says(f"Answer: {value} {unit} or {value} cd"),
            "one percent off": says(f"Answer: {shown(1.01 * float(value))} {unit}"),
        }
